"""ipywidgets explorers for a live notebook. The pages of the book show those of `explorers` in their place.

A widget takes arrays, never a model. It draws bars as HTML: they look the same in Jupyter and on Colab.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt
from ipywidgets import HTML, Checkbox, FloatSlider, Layout, SelectionSlider, VBox
from jaxtyping import Bool
from torch import Tensor, ones_like

from cmpie_lite.decoding import Predictions, decode
from cmpie_lite.labels import CLASSES
from cmpie_lite.metrics import parsing_scores

BAR = "background:#00224e;height:0.9em;display:inline-block;vertical-align:middle;margin-right:0.4em"


def bars(values: npt.ArrayLike, labels: Sequence[str], top: float = 1.0) -> str:
    """One row per value: its label, a bar as long as value / top, and the number."""
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
        ValueError: if there is not one label per row.
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


def threshold_widget(
    predictions: Predictions,
    true_audio: Bool[Tensor, "N T C"],
    true_visual: Bool[Tensor, "N T C"],
    ids: Sequence[str],
) -> VBox:
    """A video, a threshold and the gate: that video's events, and the ten scores over all videos.

    Raises:
        ValueError: if there is not one id per video.
    """
    if len(ids) != len(true_audio):
        raise ValueError(f"{len(ids)} ids for {len(true_audio)} videos, expected one each.")
    video, view = choice("Video", ids), HTML()
    threshold = FloatSlider(value=0.5, min=0.05, max=0.95, step=0.01, description="Threshold")
    gate = Checkbox(value=True, description="Video gate")
    truth = {"audio": true_audio, "visual": true_visual}

    def draw(_: object = None) -> None:
        passed = predictions if gate.value else predictions._replace(video=ones_like(predictions.video))
        pred = dict(zip(truth, decode(passed, threshold.value), strict=True))
        n, rows = video.value, []
        for c, name in enumerate(CLASSES):
            tracks = [(m, pred[m][n, :, c].tolist(), truth[m][n, :, c].tolist()) for m in truth]
            if any(any(p) or any(y) for _, p, y in tracks):
                rows += [track_row(f"{name}, {m}", p, y) for m, p, y in tracks]
        scores = parsing_scores(*pred.values(), *truth.values()).percent()
        table = "".join(f"<td style='padding:0 0.5em'>{k}<br><b>{v:.1f}</b></td>" for k, v in scores.items())
        view.value = (
            f"<p>Filled: predicted. Underlined: true.</p><table>{''.join(rows)}</table>"
            f"<p>All {len(ids)} videos, F in percent:</p><table><tr>{table}</tr></table>"
        )

    for control in (video, threshold, gate):
        control.observe(draw, names="value")
    draw()
    return VBox([video, threshold, gate, view])


def track_row(label: str, pred: Sequence[bool], true: Sequence[bool]) -> str:
    """A row of segments: filled where predicted, underlined where true."""
    cells = [
        f"<td style='width:1.6em;height:1em;background:{'#00224e' if p else '#eee'};"
        f"border-bottom:4px solid {'#b8860b' if y else 'transparent'}'></td>"
        for p, y in zip(pred, true, strict=True)
    ]
    return f"<tr><td style='text-align:right;padding-right:0.6em'>{escape(label)}</td>{''.join(cells)}</tr>"
