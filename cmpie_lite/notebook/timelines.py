"""Figures of events and of scores: arrays in, a matplotlib Figure out.

Colour never stands alone: a prediction is filled, a truth outlined; audio is plain, visual hatched; lines
differ in dash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmpie_lite.labels import CLASSES, MODALITIES
from cmpie_lite.metrics import SCORES, ParsingScores

WIDTH: Final = 7.0  # inches
HATCH: Final = {"audio": "", "visual": "///"}
COLOUR: Final = {"audio": colormaps["cividis"](0.15), "visual": colormaps["cividis"](0.75)}
DASHES: Final = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
HATCHES: Final = ("", "///", "xx", "...", "\\\\\\")


def runs(roll: Any) -> list[tuple[int, int]]:
    """(first segment, number of segments) of each maximal run of true values."""
    steps = np.diff(np.concatenate([[0], np.asarray(roll, dtype=int), [0]]))
    starts = np.flatnonzero(steps == 1)
    return [(int(a), int(b - a)) for a, b in zip(starts, np.flatnonzero(steps == -1), strict=True)]


def strip(ax: Axes, y: float, pred: Any, true: Any, modality: str = "audio") -> None:
    """A row of a timeline: prediction filled above, truth outlined below; a truth alone is filled."""
    style: dict[str, Any] = {"edgecolor": "black", "linewidth": 0.8}
    filled = style | {"facecolor": COLOUR[modality], "hatch": HATCH[modality]}
    if pred is None:
        ax.broken_barh(runs(true), (y - 0.3, 0.6), **filled)
    else:
        ax.broken_barh(runs(pred), (y + 0.04, 0.38), **filled)
        ax.broken_barh(runs(true), (y - 0.4, 0.36), **style | {"facecolor": "none", "linewidth": 1.6})


def _rows(names: Sequence[str], notes: Sequence[str], segments: int) -> tuple[Figure, Axes]:
    """Empty axes with one named row each, the first on top, and a note at the right of each row."""
    fig = Figure(figsize=(WIDTH, 0.7 + 0.42 * len(names)), layout="constrained")
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
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)


def case_timeline(cases: Mapping[str, tuple[Any, Any]], notes: Mapping[str, str] | None = None) -> Figure:
    """One row a case, name -> (prediction, truth), both (T,); `notes` stand to the right."""
    names = list(cases)
    segments = len(next(iter(cases.values()))[1])
    fig, ax = _rows(names, [(notes or {}).get(name, "") for name in names], segments)
    for y, name in enumerate(reversed(names)):
        strip(ax, y, *cases[name])
    ax.set_title("filled, above: predicted.  outlined, below: true", fontsize=9, loc="left")
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
        strip(ax, y, None if given[m] is None else pred[m][:, c], true[m][:, c], m)
    ax.set_title(title, fontsize=9, loc="left")
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
    fig = Figure(figsize=(WIDTH, 2.1 + height), layout="constrained")
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
    middle.fill_between(at, lowest, highest, color=COLOUR["audio"], linewidth=0.5)
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
            strip(bottom, y, None, pred[m, :, c], MODALITIES[m])
        else:
            strip(bottom, y, pred[m, :, c], np.asarray(true)[m, :, c], MODALITIES[m])
    top.set_title(title, fontsize=9, loc="left")
    return fig


def score_bars(systems: Mapping[str, ParsingScores]) -> Figure:
    """The ten scores in percent, segment level above, event level below: one bar a system."""
    fig = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    width = 0.8 / len(systems)
    for ax, level in zip(fig.subplots(2, 1), ("segment", "event"), strict=True):
        names = [name for name in SCORES if name.startswith(level)]
        for i, (system, scores) in enumerate(systems.items()):
            values = [scores.percent()[name] for name in names]
            at = np.arange(len(names)) + (i - (len(systems) - 1) / 2) * width
            colour = colormaps["cividis"](0.1 + 0.85 * i / max(1, len(systems) - 1))
            style: dict[str, Any] = {
                "color": colour,
                "edgecolor": "black",
                "linewidth": 0.6,
                "hatch": HATCHES[i % len(HATCHES)],
            }
            bars = ax.bar(at, values, width, label=system, **style)
            ax.bar_label(bars, fmt="%.0f", fontsize=7, padding=1)
        ax.set_xticks(range(len(names)), [f"{level} {name.split('_')[1]}" for name in names], fontsize=8)
        ax.set_ylim(0, 108)
        ax.set_ylabel("F [%]")
        ax.spines[["top", "right"]].set_visible(False)
    fig.legend(
        *ax.get_legend_handles_labels(), loc="outside upper center", ncols=min(4, len(systems)), fontsize=8
    )
    return fig


def curve_panels(
    x: Any, panels: Mapping[str, Mapping[str, Any]], xlabel: str, ylabel: str, mark: float | None = None
) -> Figure:
    """Curves of the same names over x, in panels side by side; `mark` draws a vertical line."""
    fig = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    axes = fig.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, (title, named) in zip(axes, panels.items(), strict=True):
        for i, (name, y) in enumerate(named.items()):
            colour = colormaps["cividis"](0.8 * i / max(1, len(named) - 1))
            ax.plot(x, y, color=colour, linestyle=DASHES[i % len(DASHES)], label=name)
        if mark is not None:
            ax.axvline(mark, color="grey", linewidth=0.8)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel(xlabel)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel(ylabel)
    lines = axes[0].get_legend_handles_labels()
    fig.legend(*lines, loc="outside upper center", ncols=len(lines[0]), fontsize=8, handlelength=3)
    return fig


def stacked_bars(parts: Mapping[str, Any], names: Sequence[str], xlabel: str) -> Figure:
    """Horizontal bars, one a name (the first on top), stacked from `parts`: part -> one number a name."""
    fig = Figure(figsize=(WIDTH, 1.1 + 0.2 * len(names)), layout="constrained")
    ax = fig.subplots()
    left = np.zeros(len(names))
    for i, (part, values) in enumerate(parts.items()):
        colour = colormaps["cividis"](0.1 + 0.85 * i / max(1, len(parts) - 1))
        style: dict[str, Any] = {
            "color": colour,
            "edgecolor": "black",
            "linewidth": 0.5,
            "hatch": HATCHES[i % len(HATCHES)],
        }
        ax.barh(names, values, left=left, label=part, **style)
        left = left + np.asarray(values, float)
    ax.margins(y=0.02)
    ax.invert_yaxis()
    ax.set_xlabel(xlabel)
    ax.tick_params(axis="y", labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    fig.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=len(parts), fontsize=8)
    return fig


def segment_maps(panels: Mapping[str, Any]) -> Figure:
    """Annotated maps (M, T), one above the other: a modality a row, a segment a column, one scale for all."""
    fig = Figure(figsize=(WIDTH, 0.5 + 1.0 * len(panels)), layout="constrained")
    top = max(float(np.asarray(values).max()) for values in panels.values())
    for ax, (title, values) in zip(
        fig.subplots(len(panels), 1, squeeze=False)[:, 0], panels.items(), strict=True
    ):
        grid = np.asarray(values, float)
        ax.imshow(grid, cmap="cividis", vmin=0, vmax=top, aspect="auto")
        for m, row in enumerate(grid):
            for t, value in enumerate(row):
                colour = "black" if value > top / 2 else "white"
                ax.text(t, m, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=8)
        ax.set_title(title, fontsize=9, loc="left")
        ax.set_yticks(range(len(MODALITIES)), MODALITIES)
        ax.set_xticks(range(grid.shape[1]), [str(t) for t in range(grid.shape[1])], fontsize=8)
    ax.set_xlabel("segment")
    return fig
