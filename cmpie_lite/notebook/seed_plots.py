"""Figures of many runs: a dot per seed, intervals, calibration, durations. Frames in, a Figure out.

Nothing is told by colour alone: rows carry their names, means are bars, intervals lines, the paper's values
diamonds, and those only on LLP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmpie_lite.metrics import SCORES
from cmpie_lite.notebook.style import (
    DARK,
    LIGHT,
    MODALITY_HATCHES,
    MODALITY_SHADES,
    SMALLEST,
    ink_on,
    new_figure,
    title_above,
)
from cmpie_lite.results.intervals import student_interval
from cmpie_lite.results.pairing import check_comparable
from cmpie_lite.results.published import published_scores
from cmpie_lite.results.reports import about
from cmpie_lite.results.score_tables import score_name
from cmpie_lite.systems.rows import paper_rows, title_of


def seed_dots(frame: pd.DataFrame, table: Literal[1, 2], *, key: str = "system") -> Figure:
    """The ten scores in percent: a dot per seed, the mean as a bar, its 95 % interval over seeds as a line.

    Where the data are LLP, and there alone, a diamond marks the paper's value.
    """
    check_comparable(frame)
    on_llp = frame.source.iloc[0] == "LLP"
    published = published_scores(table) if on_llp else {}
    names = list(dict.fromkeys(frame[key]))
    fig, axes = panels([short_title(name) for name in names])
    for metric, ax in axes.items():
        for y, name in enumerate(names):
            values = 100 * frame.loc[frame[key] == name, metric].to_numpy(float)
            dots(ax, y, values)
            paper = published.get(paper_rows(table).get(name, ""))
            if paper is not None:
                ax.plot(
                    paper.percent()[metric], y + 0.32, "D", markersize=4, color="white", markeredgecolor=DARK
                )
    legend = "dot: one seed; bar: mean; line: its 95 % interval over seeds"
    legend += "; diamond: the paper" if on_llp else "; the paper's values are of LLP and not shown"
    title_above(fig, f"{about(frame)}. F [%]\n{legend}")
    return fig


def difference_dots(frame: pd.DataFrame, intervals: pd.DataFrame, worse: str = "han") -> Figure:
    """Paired differences from one system in points: a dot per seed, the interval of `pairing.paired`."""
    check_comparable(frame)
    rows = intervals[(intervals.worse == worse) & (intervals.better != worse)]
    names = list(dict.fromkeys(rows.better))
    fig, axes = panels([short_title(name) for name in names])
    base = frame[frame.system == worse].set_index("seed")
    for metric, ax in axes.items():
        ax.axvline(0, color="grey", linewidth=0.8)
        for y, name in enumerate(names):
            side = frame[frame.system == name].set_index("seed")
            seeds = sorted(set(side.index) & set(base.index))
            gap = 100 * (side.loc[seeds, metric] - base.loc[seeds, metric]).to_numpy(float)
            row = rows[(rows.better == name) & (rows.metric == metric)].iloc[0]
            dots(ax, y, gap, (100 * row.low, 100 * row.high))
    over = "seeds and test videos" if rows.videos.max() else "seeds"
    title = f"{about(frame)}. Points above {title_of(worse)}"
    title_above(fig, f"{title}\ndot: one seed, paired; bar: mean; line: 95 % interval over {over}")
    return fig


def short_title(name: str) -> str:
    """A system's title without its remark in brackets."""
    return title_of(name).split(" (")[0] + " swapped" * name.endswith("_swapped")


def panels(names: Sequence[str]) -> tuple[Figure, dict[str, Axes]]:
    """Ten empty panels, segment level above event level; a row per name, the first on top."""
    fig = new_figure(1.4 + 0.36 * 2 * len(names))
    grid = fig.subplots(2, 5, sharey=True)
    axes = dict(zip(SCORES, grid.flatten(), strict=True))
    for metric, ax in axes.items():
        ax.set_title(score_name(metric).replace(" ", "\n"), fontsize=8)
        ax.tick_params(labelsize=SMALLEST)
        ax.grid(axis="x", linewidth=0.3)
    grid[0, 0].set_yticks(range(len(names)), names)
    grid[0, 0].set_ylim(len(names) - 0.4, -0.6)
    return fig, axes


def dots(
    ax: Axes, y: float, values: npt.NDArray[np.float64], interval: tuple[float, float] | None = None
) -> None:
    """One row: a dot per value, the mean, an interval (that over the values where none is given)."""
    if interval is None:
        found = student_interval(values)
        interval = (found.low, found.high)
    ax.plot(values, np.full(len(values), y), "o", markersize=3.5, color=LIGHT, markeredgecolor=DARK,
            markeredgewidth=0.5)  # fmt: skip
    ax.hlines(y, *interval, color=DARK, linewidth=1.2)
    ax.vlines(values.mean(), y - 0.22, y + 0.22, color=DARK, linewidth=2)


def ladder_dots(frame: pd.DataFrame, rungs: Sequence[str]) -> Figure:
    """Segment-level scores of the small models, rung above rung: a dot per seed, the mean as a bar."""
    fig = new_figure(0.9 + 0.34 * len(rungs))
    metrics = ("segment_audio", "segment_visual", "segment_type")
    for ax, metric in zip(fig.subplots(1, 3, sharey=True), metrics, strict=True):
        for y, rung in enumerate(rungs):
            dots(ax, y, 100 * frame.loc[frame.system == rung, metric].to_numpy(float))
        ax.set(title=f"{score_name(metric)} [%]", ylim=(len(rungs) - 0.5, -0.5))
        ax.set_yticks(range(len(rungs)), [short_title(rung) for rung in rungs])
        ax.grid(axis="x", linewidth=0.3)
    return fig


def reliability_plot(table: pd.DataFrame, ece: float, title: str = "") -> Figure:
    """Frequency over mean probability of each bin, the diagonal, and below it the number of cases."""
    fig = new_figure(4.2, width=4.2)
    top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    used = table[table["count"] > 0]
    top.plot([0, 1], [0, 1], "--", color="grey", linewidth=0.8)
    top.plot(used["mean"], used["frequency"], "o-", color=DARK, markersize=4)
    top.set(ylabel="share of true labels", ylim=(-0.03, 1.03))
    top.set_title(f"expected calibration error {ece:.3f}", loc="left")
    bottom.bar(table["low"], table["count"], width=table["high"] - table["low"], align="edge", color=LIGHT,
               edgecolor=DARK, linewidth=0.5)  # fmt: skip
    bottom.set_yscale("log")
    bottom.set_ylim(bottom=0.7)
    bottom.set(xlabel="predicted probability of a class in a video", ylabel="cases", xlim=(0, 1))
    title_above(fig, title)
    return fig


def duration_plot(tables: Mapping[str, pd.DataFrame], title: str = "") -> Figure:
    """Recall of true events by duration, a panel per modality, with how many events stand behind each bar."""
    fig = new_figure(2.8)
    for ax, (name, table) in zip(fig.subplots(1, len(tables), sharey=True), tables.items(), strict=True):
        kind = "visual" if "visual" in name else "audio"
        bars = ax.bar(table.index, table["recall"].fillna(0), color=MODALITY_SHADES[kind], edgecolor="white",
                      linewidth=0.6, hatch=MODALITY_HATCHES[kind])  # fmt: skip
        ax.bar_label(bars, [str(n) for n in table["true"]], fontsize=SMALLEST, padding=1)
        ax.set_title(name)
        ax.set(xlabel="duration of the true event [s]", ylim=(0, 1.12), xticks=list(table.index))
    fig.axes[0].set_ylabel("share found, IoU ≥ 0.5")
    title_above(fig, title)
    return fig


def parts_plot(
    table: pd.DataFrame, title: str = "", metrics: Sequence[str] = ("segment_type", "event_type")
) -> Figure:
    """The rows of `analysis.recognition_and_timing` as bars, a panel per metric, numbers beside them."""
    fig = new_figure(0.8 + 0.34 * len(table))
    for ax, metric in zip(fig.subplots(1, len(metrics), sharey=True), metrics, strict=True):
        hatches = ["" if name == "model" else "///" for name in table.index]
        names = [str(name).replace("_", " ") for name in table.index]
        bars = ax.barh(names, 100 * table[metric], color=LIGHT, edgecolor=DARK, linewidth=0.6, hatch=hatches)
        ax.bar_label(bars, fmt="%.1f", fontsize=8, padding=2)
        ax.set(xlabel=f"{score_name(metric)}, F [%]", xlim=(0, 112))
    fig.axes[0].invert_yaxis()
    title_above(fig, title)
    return fig


def confusion_plot(table: pd.DataFrame, title: str = "") -> Figure:
    """The counts of `analysis.modality_confusion`, shaded by their share of the row."""
    fig = new_figure(3.8, width=5.6)
    ax = fig.subplots()
    shares = table.to_numpy(float) / np.maximum(table.to_numpy(float).sum(1, keepdims=True), 1)
    image = ax.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    for i, row in enumerate(table.to_numpy()):
        for j, count in enumerate(row):
            colour = ink_on(shares[i, j])
            ax.text(j, i, f"{count}\n{shares[i, j]:.0%}", ha="center", va="center", fontsize=8, color=colour)
    ax.set_xticks(range(4), [str(c) for c in table.columns], fontsize=8)
    ax.set_yticks(range(4), [str(c) for c in table.index], fontsize=8)
    ax.set(xlabel="predicted", ylabel="true")
    fig.colorbar(image, ax=ax, label="share of the row", shrink=0.85)
    title_above(fig, title)
    return fig
