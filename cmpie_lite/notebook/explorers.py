"""Static explorers for a page: data in, one block of HTML out, drawn by `book/_static/explorer.js`.

Each function returns an object that a notebook shows as HTML. Probabilities are stored as integers,
ten-thousandths rounded down: `p >= t` then has the same answer for every threshold of two decimals.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SCALE = 10_000
FALLBACK = "This explorer is drawn in the pages of the book; in a live notebook use the widget beside it."


class Html:
    """HTML that a notebook cell shows."""

    def __init__(self, html: str) -> None:
        self.html = html

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return "(an explorer, drawn in the book's pages)"


def script_json(data: Any) -> str:
    """JSON for a script tag. With "<" escaped no "</script>" ends it, no "<!--<script>" swallows the page."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def _block(kind: str, data: Mapping[str, Any]) -> Html:
    text = script_json(data)
    return Html(
        f'<div class="{kind}-explorer" data-explorer="{kind}"><p class="explorer-fallback">{FALLBACK}</p>'
        f'<script type="application/json">{text}</script></div>'
    )


def _integers(probs: Any) -> list:
    """Probabilities in [0, 1] as ten-thousandths, rounded down."""
    values = np.asarray(probs, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"probabilities from {values.min()} to {values.max()}, expected all in [0, 1].")
    return np.floor(values * SCALE + 1e-9).astype(int).tolist()


def timeline_explorer(
    videos: Sequence[Mapping[str, Any]], classes: Sequence[str], title: str = "Predicted and true events"
) -> Html:
    """Timelines with a threshold and the ten scores.

    Args:
        videos: each with `id` (text), `segments` (T, M, C) probabilities and `video` (C) as MMIL pools them,
            where what passes 1 counts as 1 (no threshold is higher), `true_audio` and `true_visual` (T, C)
            bool.
        classes: the C class names.

    Raises:
        ValueError: if a probability lies outside [0, 1].
    """
    data = [
        {
            "id": str(v["id"]),
            "segments": _integers(v["segments"]),
            "video": _integers(np.minimum(v["video"], 1.0)),
            "true_audio": np.asarray(v["true_audio"]).astype(int).tolist(),
            "true_visual": np.asarray(v["true_visual"]).astype(int).tolist(),
        }
        for v in videos
    ]
    return _block(
        "timeline", {"title": title, "classes": [c.replace("_", " ") for c in classes], "videos": data}
    )


def attention_explorer(
    weights: Any,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    steps: Sequence[str] | None = None,
    step_name: str = "Head",
    title: str = "Attention weights",
) -> Html:
    """Heat maps (H, Q, K) with a slider over H (heads, by default) and one over the queries Q.

    Raises:
        ValueError: if the weights are not (H, Q, K) for these labels.
    """
    values = np.asarray(weights, dtype=np.float64)
    if values.ndim != 3 or values.shape[1:] != (len(row_labels), len(column_labels)):
        raise ValueError(
            f"weights have shape {values.shape}, expected (H, {len(row_labels)}, {len(column_labels)}) for "
            f"the labels."
        )
    names = list(steps) if steps is not None else [f"{step_name} {i + 1}" for i in range(len(values))]
    data = {
        "title": title,
        "step_name": step_name,
        "steps": names,
        "queries": list(row_labels),
        "keys": list(column_labels),
        "weights": values.round(4).tolist(),
    }
    return _block("attention", data)


def weights_explorer(weights: Any, labels: Sequence[str], title: str = "Segment weights") -> Html:
    """Bars (N, T) with a slider over N; `labels` names the N rows.

    Raises:
        ValueError: if the weights are not (N, T) for these labels.
    """
    values = np.asarray(weights, dtype=np.float64)
    if values.ndim != 2 or len(values) != len(labels):
        raise ValueError(
            f"weights have shape {values.shape}, expected ({len(labels)}, T) for {len(labels)} labels."
        )
    return _block("weights", {"title": title, "labels": list(labels), "weights": values.round(4).tolist()})
