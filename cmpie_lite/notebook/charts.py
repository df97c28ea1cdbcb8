"""The book's figures: functions that take arrays, never a model, and return a matplotlib Figure.

Colours are cividis; numbers, hatching or markers always say the same thing a second time. A Figure is drawn
without pyplot: it shows once, as the value of its cell, and nothing stays open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 7.0  # inches, the widest that a page shows without shrinking
NAME_POINTS = 11  # the height of a name beside a curve
HATCHES = ("", "///", "...", "xxx")
MARKERS = ("o", "s", "^", "D")
STYLES = ("-", "--", "-.", ":")


def colours(count: int) -> list[Any]:
    """`count` colours of cividis, dark to light, without the palest: on white it would not show."""
    return [colormaps["cividis"](x) for x in np.linspace(0.05, 0.7, count)]


def attention_maps(
    maps: Sequence[npt.ArrayLike],
    titles: Sequence[str],
    *,
    query: str = "query segment",
    key: str = "key segment",
    key_labels: Sequence[str] | None = None,
    query_labels: Sequence[str] | None = None,
    split: int | None = None,
    stacked: bool = False,
    top: float | None = None,
    height: float = 3.0,
) -> Figure:
    """Heat maps (Q, K) on one scale, side by side or stacked; each row's largest weight carries its number.

    Args:
        split: number of the key before which a white line is drawn, as between two modalities.
        top: weight of the brightest colour; larger ones look the same. The largest weight by default.
        height: of the figure, in inches.
    """
    arrays = [np.asarray(one, dtype=float) for one in maps]
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    grid = (len(arrays), 1) if stacked else (1, len(arrays))
    panels = figure.subplots(*grid, squeeze=False).ravel()
    largest = max(float(one.max()) for one in arrays)
    top = largest if top is None else top
    for axes, array, title in zip(panels, arrays, titles, strict=True):
        image = axes.imshow(array, cmap="cividis", vmin=0.0, vmax=top, aspect="auto")
        number_the_largest(axes, array, top)
        axes.set(title=title, xlabel=key, ylabel=query)
        label(axes, array.shape, query_labels, key_labels)
        axes.spines[:].set_visible(False)
        if split is not None:
            axes.axvline(split - 0.5, color="white", linewidth=3)
    beyond = "max" if top < largest else "neither"
    figure.colorbar(image, ax=list(panels), label="weight", shrink=0.85, extend=beyond)
    return figure


def number_the_largest(axes: Axes, array: npt.NDArray[np.float64], top: float) -> None:
    """Print the largest weight of each row into its place: white on dark cells, black on light ones."""
    for row, column in enumerate(array.argmax(axis=1)):
        value = array[row, column]
        colour = "black" if value > 0.55 * top else "white"
        axes.text(column, row, f"{value:.2f}".lstrip("0"), ha="center", va="center", fontsize=7, color=colour)


def label(
    axes: Axes, shape: tuple[int, ...], rows: Sequence[str] | None, columns: Sequence[str] | None
) -> None:
    """Tick every row and column; numbers from 0 where no names are given."""
    axes.set_yticks(range(shape[0]), rows or [str(i) for i in range(shape[0])], fontsize=8)
    axes.set_xticks(range(shape[1]), columns or [str(i) for i in range(shape[1])], fontsize=8)


def weight_bars(
    series: Mapping[str, npt.ArrayLike],
    *,
    xlabel: str = "segment",
    ylabel: str = "weight",
    level: float | None = None,
    labels: Sequence[str] | None = None,
    numbers: bool = True,
    height: float = 2.6,
) -> Figure:
    """Bars side by side for one or more named vectors of equal length; hatching tells the vectors apart.

    Args:
        level: a dashed line to compare with, such as 1 / T.
    """
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(series)
    shades = colours(len(series))
    for i, (name, values) in enumerate(series.items()):
        array = np.asarray(values, dtype=float)
        places = np.arange(array.size) + (i - (len(series) - 1) / 2) * width
        bars = axes.bar(
            places, array, width, label=name, color=shades[i], hatch=HATCHES[i % 4], edgecolor="white"
        )
        if numbers:
            axes.bar_label(bars, fmt="%.2f", fontsize=6, padding=1)
    if level is not None:
        axes.axhline(level, color="#1d2733", linestyle="--", linewidth=1, zorder=0, label=f"{level:g}")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.set_xticks(range(array.size), labels or [str(i) for i in range(array.size)])
    if len(series) > 1 or level is not None:
        figure.legend(loc="outside upper center", ncols=len(series) + 1, frameon=False, fontsize=8)
    return figure


def curves(
    x: npt.ArrayLike,
    series: Mapping[str, npt.ArrayLike],
    *,
    xlabel: str,
    ylabel: str,
    log_x: bool = False,
    log_y: bool = False,
    height: float = 2.8,
) -> Figure:
    """Named curves over common x; markers and line styles tell them apart, names stand at their ends."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots()
    where = np.asarray(x, dtype=float)
    for i, (values, shade) in enumerate(zip(series.values(), colours(len(series)), strict=True)):
        y = np.asarray(values, dtype=float)
        axes.plot(where, y, color=shade, marker=MARKERS[i % 4], linestyle=STYLES[i % 4], markersize=5)
    if log_x:
        axes.set_xscale("log", base=2)
        axes.set_xticks(where, [f"{v:g}" for v in where])
        axes.minorticks_off()
    if log_y:
        axes.set_yscale("log")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    figure.draw_without_rendering()  # for the scale of the axes
    name_ends(axes, where[-1], {name: float(np.asarray(values)[-1]) for name, values in series.items()})
    return figure


def name_ends(axes: Axes, x: float, ends: Mapping[str, float]) -> None:
    """Write the names of curves beside their ends, each above the one below it where they would overlap."""
    points, above = 72 / axes.figure.dpi, -np.inf
    for name, y in sorted(ends.items(), key=lambda end: end[1]):
        own = axes.transData.transform((x, y))[1] * points
        above = max(own, above + NAME_POINTS)
        axes.annotate(
            name, (x, y), xytext=(8, above - own), textcoords="offset points", va="center", fontsize=9
        )
