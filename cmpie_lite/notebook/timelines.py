"""Figures of events in time: arrays in, a matplotlib Figure out.

A prediction is filled, a truth outlined; audio is plain, visual hatched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmpie_lite.events import runs
from cmpie_lite.labels import CLASSES, MODALITIES
from cmpie_lite.notebook.style import INK, MODALITY_HATCHES, MODALITY_SHADES, new_figure


def spans(roll: Any) -> list[tuple[int, int]]:
    """(first segment, number of segments) of each maximal run of one roll (T,)."""
    return [(onset, offset - onset) for onset, offset in runs(np.asarray(roll, dtype=bool))]


def draw_track(ax: Axes, y: float, pred: Any, true: Any, modality: str = "audio") -> None:
    """A row of a timeline: prediction filled above, truth outlined below; a truth alone is filled."""
    style: dict[str, Any] = {"edgecolor": INK, "linewidth": 0.8}
    filled = style | {"facecolor": MODALITY_SHADES[modality], "hatch": MODALITY_HATCHES[modality]}
    if pred is None:
        ax.broken_barh(spans(true), (y - 0.3, 0.6), **filled)
    else:
        ax.broken_barh(spans(pred), (y + 0.04, 0.38), **filled)
        ax.broken_barh(spans(true), (y - 0.4, 0.36), **style | {"facecolor": "none", "linewidth": 1.6})


def _rows(names: Sequence[str], notes: Sequence[str], segments: int) -> tuple[Figure, Axes]:
    """Empty axes with one named row each, the first on top, and a note at the right of each row."""
    fig = new_figure(0.7 + 0.42 * len(names))
    ax = fig.subplots()
    _name_rows(ax, names, segments)
    for y, note in enumerate(notes[::-1]):
        ax.text(segments + 0.15, y, note, va="center", fontsize=9, family="monospace")
    return fig, ax


def _name_rows(ax: Axes, names: Sequence[str], segments: int) -> None:
    ax.set_xlim(0, segments)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.set_yticks(range(len(names)), names[::-1])
    ax.set_xticks(range(segments + 1))
    ax.set_xlabel("time [s]")
    ax.grid(axis="x", linewidth=0.4)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)


def case_timeline(cases: Mapping[str, tuple[Any, Any]], notes: Mapping[str, str] | None = None) -> Figure:
    """One row per case, name -> (prediction, truth), both (T,); `notes` stand to the right."""
    names = list(cases)
    segments = len(next(iter(cases.values()))[1])
    fig, ax = _rows(names, [(notes or {}).get(name, "") for name in names], segments)
    for y, name in enumerate(reversed(names)):
        draw_track(ax, y, *cases[name])
    ax.set_title("filled, above: predicted.  outlined, below: true")
    return fig


def video_timeline(
    true_audio: Any, true_visual: Any, pred_audio: Any = None, pred_visual: Any = None, title: str = ""
) -> Figure:
    """The events (T, C) of one video: a row for every class and modality that has one."""
    true = {"audio": np.asarray(true_audio, bool), "visual": np.asarray(true_visual, bool)}
    given = {"audio": pred_audio, "visual": pred_visual}
    pred = {m: np.zeros_like(true[m]) if given[m] is None else np.asarray(given[m], bool) for m in MODALITIES}
    active = [c for c in range(len(CLASSES)) if any(x[:, c].any() for x in (*true.values(), *pred.values()))]
    rows = [(c, m) for c in active for m in MODALITIES]
    fig, ax = _rows([f"{CLASSES[c]}, {m}" for c, m in rows], [], len(true["audio"]))
    for y, (c, m) in enumerate(reversed(rows)):
        draw_track(ax, y, None if given[m] is None else pred[m][:, c], true[m][:, c], m)
    ax.set_title(title)
    return fig


def parsed_video(frames: Any, waveform: Any, pred: Any, true: Any = None, title: str = "") -> Figure:
    """Frames, waveform and events of one video, one below the other on one time axis.

    Args:
        frames: uint8 (K, H, W, 3), evenly spaced over the T seconds; they are drawn as they are.
        waveform: (S,) samples in [-1, 1], evenly spaced over the T seconds.
        pred: predicted events, bool (M, T, C).
        true: annotated events, bool (M, T, C), or None where nobody knows.
    """
    pred = np.asarray(pred, bool)
    every = pred if true is None else np.stack([pred, np.asarray(true, bool)])
    active = np.argwhere(every.reshape(-1, *pred.shape).any((0, 2)).T)  # (class, modality), in that order
    segments, height = pred.shape[1], 0.42 * max(1, len(active))
    fig = new_figure(2.1 + height)
    top, middle, bottom = fig.subplots(3, 1, sharex=True, height_ratios=[0.55, 0.6, height])
    for k, image in enumerate(frames):
        edges = k * segments / len(frames), (k + 1) * segments / len(frames)
        top.imshow(image, extent=(*edges, 0, 1), aspect="auto", interpolation="nearest")
        top.axvline(edges[1], color="white", linewidth=1)
    samples = np.asarray(waveform, float)
    borders = np.linspace(0, len(samples), min(len(samples), 700) + 1).astype(int)
    parts = np.split(samples, borders[1:-1])
    at = (borders[:-1] + borders[1:]) / 2 * segments / len(samples)
    lowest, highest = [part.min() for part in parts], [part.max() for part in parts]
    middle.fill_between(at, lowest, highest, color=MODALITY_SHADES["audio"], linewidth=0.5)
    middle.set_ylim(-1, 1)
    for ax, name, y in ((top, "picture", 0.5), (middle, "sound", 0.0)):
        ax.set_yticks([y], [name])
        ax.tick_params(length=0, labelbottom=False)
        ax.spines[:].set_visible(False)
    _name_rows(bottom, [f"{CLASSES[c]}, {MODALITIES[m]}" for c, m in active] or ["no events"], segments)
    top.set_xlim(0, segments)
    top.set_ylim(0, 1)
    for y, (c, m) in enumerate(active[::-1]):
        if true is None:
            draw_track(bottom, y, None, pred[m, :, c], MODALITIES[m])
        else:
            draw_track(bottom, y, pred[m, :, c], np.asarray(true)[m, :, c], MODALITIES[m])
    top.set_title(title)
    return fig
