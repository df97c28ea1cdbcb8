"""One style for every figure of the book: its width, colours, hatches, lines, and ink that is read on them.

Colours are cividis, and never tell anything alone: a number, a hatch, a marker or a dash says it a second
time. Audio is dark and plain, visual light and hatched. A figure is drawn without pyplot: it shows once, as
the value of its cell, and nothing stays open.
"""

from __future__ import annotations

import re
import textwrap
from io import StringIO
from typing import Any, Final, Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

WIDTH: Final = 7.0  # inches, the widest that a page shows without shrinking
SMALLEST: Final = 7.5  # points: 9 pixels on a telephone, where a figure keeps nine tenths of its size
INK: Final = "#1d2733"
DARK, LIGHT = colormaps["cividis"](0.1), colormaps["cividis"](0.7)
MODALITY_SHADES: Final = {"audio": DARK, "visual": LIGHT}
MODALITY_HATCHES: Final = {"audio": "", "visual": "///"}
HATCHES: Final = ("", "///", "...", "xxx", "\\\\\\")
MARKERS: Final = ("o", "s", "^", "D", "v")
Side = Literal["outside upper center", "outside lower center"]  # of a figure: where its legend stands
ABOVE: Final = "outside upper center"
BELOW: Final = "outside lower center"
DASHES: Final = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))

# matplotlib's settings: dark on white, which the site turns where its page is dark (book/_ext/figures.py).
SETTINGS: dict[str, Any] = {
    "figure.facecolor": "white",
    "figure.dpi": 110,
    "axes.edgecolor": INK,
    "hatch.color": INK,
    "image.cmap": "cividis",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "cmpie",
    "svg.fonttype": "none",  # words stay words
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
}


class Drawing(Figure):
    """A figure that a notebook shows as SVG, the same at each run, so that a page can widen and colour it."""

    def _repr_svg_(self) -> str:
        text = StringIO()
        self.savefig(text, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
        return re.sub(r"\s*\n\s*", " ", text.getvalue())


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, inches high and wide."""
    return Drawing(figsize=(width, height), layout="constrained")


def shades(count: int) -> list[Any]:
    """`count` colours of cividis, dark to light, without the palest: on white it would not show."""
    return [colormaps["cividis"](x) for x in np.linspace(0.05, 0.7, count)]


def ink_on(share: float) -> str:
    """The colour of text on cividis at `share` of its range: white on the dark part, black on the light."""
    return "black" if share > 0.55 else "white"


def short_number(value: float) -> str:
    """Two decimals, without the zero before them: a weight has little room."""
    return f"{value:.2f}".lstrip("0")


def bar_styles(count: int) -> list[dict[str, Any]]:
    """How each of `count` kinds of bars is filled: a shade and a hatch of its own, a white edge."""
    return [
        {"facecolor": shade, "hatch": HATCHES[i % len(HATCHES)], "edgecolor": "white", "linewidth": 0.6}
        for i, shade in enumerate(shades(count))
    ]


def legend_outside(figure: Figure | SubFigure, axes: Axes, columns: int, place: Side = ABOVE) -> None:
    """The legend of `axes` above or below the whole figure, where it hides no data."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc=place, ncols=columns, frameon=False, fontsize=8, handlelength=3)


def title_above(figure: Figure, title: str) -> None:
    """What the figure's data are, in small print above it."""
    letters = int(110 * figure.get_figwidth() / WIDTH)
    title = "\n".join(textwrap.fill(line, letters) for line in title.splitlines())
    figure.suptitle(title, fontsize=8, x=0.01, ha="left")
