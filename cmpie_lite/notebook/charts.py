"""Figures of numbers: maps, bars, curves. Functions that take arrays, never a model, and return a Figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from cmpie_lite.labels import MODALITIES
from cmpie_lite.metrics import SCORES, ParsingScores
from cmpie_lite.notebook.style import (
    DASHES,
    INK,
    MARKERS,
    SMALLEST,
    bar_styles,
    ink_on,
    legend_outside,
    new_figure,
    shades,
    short_number,
)
from cmpie_lite.results.score_tables import score_name

BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}  # no line strikes a number through
NAME_POINTS = 11  # the height of a name beside a curve


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
    figure = new_figure(height)
    grid = (len(arrays), 1) if stacked else (1, len(arrays))
    panels = figure.subplots(*grid, squeeze=False).ravel()
    largest = max(float(one.max()) for one in arrays)
    top = largest if top is None else top
    for axes, array, title in zip(panels, arrays, titles, strict=True):
        image = heat_map(axes, array, top, query_labels, key_labels)
        number_cells(axes, array, top, [(row, column) for row, column in enumerate(array.argmax(axis=1))])
        axes.set(title=title, xlabel=key, ylabel=query)
        if split is not None:
            axes.axvline(split - 0.5, color="white", linewidth=3)
    beyond = "max" if top < largest else "neither"
    figure.colorbar(image, ax=list(panels), label="weight", shrink=0.85, extend=beyond)
    return figure


def segment_maps(panels: Mapping[str, npt.ArrayLike]) -> Figure:
    """Numbered maps (M, T) on one scale, stacked: one modality per row, one segment per column."""
    arrays = {title: np.asarray(values, dtype=float) for title, values in panels.items()}
    figure = new_figure(0.5 + 1.0 * len(arrays))
    top = max(float(array.max()) for array in arrays.values())
    places = figure.subplots(len(arrays), 1, squeeze=False)[:, 0]
    for axes, (title, array) in zip(places, arrays.items(), strict=True):
        heat_map(axes, array, top, MODALITIES, None)
        number_cells(axes, array, top, list(np.ndindex(array.shape)))
        axes.set_title(title)
    axes.set_xlabel("segment")
    return figure


def heat_map(
    axes: Axes,
    array: npt.NDArray[np.float64],
    top: float,
    rows: Sequence[str] | None,
    columns: Sequence[str] | None,
) -> AxesImage:
    """Cells of cividis from 0 to `top`, a tick at each; numbers from 0 where no names are given."""
    image = axes.imshow(array, cmap="cividis", vmin=0.0, vmax=top, aspect="auto")
    axes.set_yticks(range(array.shape[0]), rows or [str(i) for i in range(array.shape[0])], fontsize=8)
    axes.set_xticks(range(array.shape[1]), columns or [str(i) for i in range(array.shape[1])], fontsize=8)
    axes.spines[:].set_visible(False)
    return image


def number_cells(
    axes: Axes, array: npt.NDArray[np.float64], top: float, places: Sequence[tuple[int, ...]]
) -> None:
    """Print the weights at these places (row, column) of a heat map."""
    for row, column in places:
        value = float(array[row, column])
        ink = ink_on(value / top)
        numbered = short_number(value)
        axes.text(column, row, numbered, ha="center", va="center", fontsize=SMALLEST, color=ink)


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
        labels: names of the places; numbers from 0 where they are not given.
    """
    figure = new_figure(height)
    axes = figure.subplots()
    bars_side_by_side(axes, series, labels, short_number if numbers else None)
    if level is not None:
        axes.axhline(level, color=INK, linestyle="--", linewidth=1, zorder=0, label=f"{level:g}")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if len(series) > 1 or level is not None:
        legend_outside(figure, axes, len(series) + 1)
    return figure


def score_bars(systems: Mapping[str, ParsingScores]) -> Figure:
    """The ten scores in percent, segment level above, event level below: one bar per system."""
    figure = new_figure(4.4)
    for axes, level in zip(figure.subplots(2, 1), ("segment", "event"), strict=True):
        names = [name for name in SCORES if name.startswith(level)]
        percent = {system: scores.percent() for system, scores in systems.items()}
        values = {system: [found[name] for name in names] for system, found in percent.items()}
        bars_side_by_side(axes, values, [*map(score_name, names)], "%.0f")
        axes.set(ylim=(0, 108), ylabel="F [%]")
    legend_outside(figure, axes, min(4, len(systems)))
    return figure


def bars_side_by_side(
    axes: Axes,
    series: Mapping[str, npt.ArrayLike],
    labels: Sequence[str] | None,
    numbers: str | Callable[[float], str] | None,
) -> None:
    """Bars of named vectors of equal length; `numbers` formats the values above them."""
    width = 0.8 / len(series)
    for i, ((name, values), style) in enumerate(zip(series.items(), bar_styles(len(series)), strict=True)):
        array = np.asarray(values, dtype=float)
        places = np.arange(array.size) + (i - (len(series) - 1) / 2) * width
        bars = axes.bar(places, array, width, label=name, **style)
        if numbers:
            axes.bar_label(bars, fmt=numbers, fontsize=SMALLEST, padding=1, bbox=BEHIND)
    axes.set_xticks(range(array.size), labels or [str(i) for i in range(array.size)], fontsize=8)


def stacked_bars(parts: Mapping[str, npt.ArrayLike], names: Sequence[str], xlabel: str) -> Figure:
    """Horizontal bars, one per name (the first on top), stacked from `parts`: part -> one number per name."""
    figure = new_figure(1.1 + 0.2 * len(names))
    axes = figure.subplots()
    left = np.zeros(len(names))
    for (part, values), style in zip(parts.items(), bar_styles(len(parts)), strict=True):
        axes.barh(names, values, left=left, label=part, **style)
        left = left + np.asarray(values, dtype=float)
    axes.margins(y=0.02)
    axes.invert_yaxis()
    axes.set_xlabel(xlabel)
    axes.tick_params(axis="y", labelsize=8)
    legend_outside(figure, axes, len(parts))
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
    """Named curves over common x; markers and dashes tell them apart, names stand at their ends."""
    figure = new_figure(height)
    axes = figure.subplots()
    where = np.asarray(x, dtype=float)
    draw_curves(axes, where, series, markers=True)
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


def curve_panels(
    x: npt.ArrayLike,
    panels: Mapping[str, Mapping[str, npt.ArrayLike]],
    xlabel: str,
    ylabel: str,
    mark: float | None = None,
) -> Figure:
    """Curves of the same names over x, in panels side by side; `mark` draws a vertical line."""
    figure = new_figure(3.2)
    places = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, series) in zip(places, panels.items(), strict=True):
        draw_curves(axes, np.asarray(x, dtype=float), series, markers=False)
        if mark is not None:
            axes.axvline(mark, color="grey", linewidth=0.8)
        axes.set(title=title, xlabel=xlabel)
    places[0].set_ylabel(ylabel)
    legend_outside(figure, places[0], len(next(iter(panels.values()))))
    return figure


def draw_curves(
    axes: Axes, x: npt.NDArray[np.float64], series: Mapping[str, npt.ArrayLike], markers: bool
) -> None:
    """Named curves in one panel, each with its shade, its dash and, where few, its markers."""
    for i, ((name, values), shade) in enumerate(zip(series.items(), shades(len(series)), strict=True)):
        marker = MARKERS[i % len(MARKERS)] if markers else ""
        axes.plot(
            x,
            np.asarray(values, dtype=float),
            color=shade,
            marker=marker,
            linestyle=DASHES[i % len(DASHES)],
            markersize=5,
            label=name,
        )


def name_ends(axes: Axes, x: float, ends: Mapping[str, float]) -> None:
    """Write the names of curves beside their ends, each above the one below it where they would overlap."""
    points, above = 72 / axes.figure.dpi, -np.inf
    for name, y in sorted(ends.items(), key=lambda end: end[1]):
        own = axes.transData.transform((x, y))[1] * points
        above = max(own, above + NAME_POINTS)
        axes.annotate(
            name, (x, y), xytext=(8, above - own), textcoords="offset points", va="center", fontsize=9
        )
