"""ipywidgets explorers for a live notebook. The pages of the book show `cmpie_lite.embed` in their place.

A widget takes arrays, never a model. It draws bars as HTML: they look the same in Jupyter and on Colab.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt
from ipywidgets import HTML, Layout, SelectionSlider, VBox

BAR = "background:#00224e;height:0.9em;display:inline-block;vertical-align:middle;margin-right:0.4em"


def bars(values: npt.ArrayLike, labels: Sequence[str], top: float = 1.0) -> str:
    """One row a value: its label, a bar as long as value / top, and the number."""
    rows = [
        f"<tr><td style='text-align:right;padding-right:0.6em'>{escape(label)}</td>"
        f"<td style='width:24em'><span style='{BAR};width:{22 * value / top:.2f}em'></span>"
        f"{value:.2f}</td></tr>"
        for label, value in zip(labels, np.asarray(values, dtype=float), strict=True)
    ]
    return f"<table>{''.join(rows)}</table>"


def choice(description: str, options: Sequence[str]) -> SelectionSlider:
    """A slider over named options; options of the same name are told apart by their place."""
    return SelectionSlider(
        options=[(name, place) for place, name in enumerate(options)],
        description=description,
        style={"description_width": "6em"},
        layout=Layout(width="30em"),
    )


def attention_widget(
    weights: npt.ArrayLike,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    steps: Sequence[str] | None = None,
    step_name: str = "Head",
) -> VBox:
    """Two sliders, over the steps H (heads, by default) and the queries Q, and what that query reads.

    Args:
        weights: (H, Q, K).
    Raises:
        ValueError: if the shape is not (steps, rows, columns).
    """
    values = np.asarray(weights, dtype=float)
    names = list(steps) if steps is not None else [str(i + 1) for i in range(len(values))]
    expected = (len(names), len(row_labels), len(column_labels))
    if values.shape != expected:
        raise ValueError(f"weights have shape {values.shape}, expected {expected} for the labels.")
    step, query, view = choice(step_name, names), choice("Query", row_labels), HTML()

    def draw(_: object = None) -> None:
        view.value = bars(values[step.value, query.value], column_labels, max(float(values.max()), 1e-9))

    for control in (step, query):
        control.observe(draw, names="value")
    draw()
    return VBox([step, query, view])


def weights_widget(weights: npt.ArrayLike, labels: Sequence[str], step_name: str = "Clip") -> VBox:
    """One slider over the rows of weights (N, T), and that row as bars.

    Raises:
        ValueError: if there is not one label a row.
    """
    values = np.asarray(weights, dtype=float)
    if values.ndim != 2 or len(values) != len(labels):
        raise ValueError(f"weights have shape {values.shape}, expected ({len(labels)}, T) for the labels.")
    row, view = choice(step_name, labels), HTML()

    def draw(_: object = None) -> None:
        segments = [f"segment {t}" for t in range(values.shape[1])]
        view.value = bars(values[row.value], segments, max(float(values.max()), 1e-9))

    row.observe(draw, names="value")
    draw()
    return VBox([row, view])
