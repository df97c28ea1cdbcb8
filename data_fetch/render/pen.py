"""A pen on a card of 100 x 100 units: what it draws large is then shrunk, so edges are smooth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np

from cmpie_lite.support.extras import need

UNITS: Final = 100.0
CANVAS: Final = 400  # pixels of the card while it is drawn
INK: Final = "#1d2733"
WHITE: Final = "#ffffff"
BROWN, DARK_BROWN, RED, ORANGE, YELLOW = "#8a4b21", "#57301a", "#c62f2f", "#e8762c", "#ffd54a"
SKIN, GREY, STEEL, GREEN, PINK = "#f2c6a0", "#6d7886", "#b9c2cc", "#3f8f4f", "#e58aa0"

Point = tuple[float, float]


class Pen:
    """Draws on a square card whose corners are (0, 0), top left, and (100, 100)."""

    def __init__(self, ground: tuple[int, int, int]) -> None:
        need("PIL", "extract")
        from PIL import Image, ImageDraw

        self._image = Image.new("RGBA", (CANVAS, CANVAS), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._image)
        self._turn, self._centre = 0.0, (50.0, 50.0)
        edge = CANVAS - 1
        self._draw.rounded_rectangle((0, 0, edge, edge), radius=CANVAS * 0.14, fill=(*ground, 255))

    @contextmanager
    def turned(self, degrees: float, centre: Point = (50.0, 50.0)) -> Iterator[None]:
        """Shapes drawn inside stand turned about a point, clockwise."""
        before = self._turn, self._centre
        self._turn, self._centre = math.radians(degrees), centre
        yield
        self._turn, self._centre = before

    def shape(self, points: Sequence[Point], fill: str = INK) -> None:
        """A filled polygon."""
        self._draw.polygon([self._place(p) for p in points], fill=fill)

    def oval(self, x: float, y: float, rx: float, ry: float | None = None, fill: str = INK) -> None:
        """A filled ellipse around (x, y); a disc where one radius is given."""
        self.shape(_arc(x, y, rx, rx if ry is None else ry, 0.0, 360.0), fill)

    def box(
        self, x: float, y: float, width: float, height: float, fill: str = INK, radius: float = 2.0
    ) -> None:
        """A filled rectangle from its corner at the top left, its corners rounded."""
        r = min(radius, width / 2, height / 2)
        corners = ((x + width - r, y + height - r, 0), (x + r, y + height - r, 90), (x + r, y + r, 180))
        points: list[Point] = []
        for cx, cy, first in (*corners, (x + width - r, y + r, 270)):
            points += _arc(cx, cy, r, r, first, first + 90)
        self.shape(points, fill)

    def line(self, points: Sequence[Point], width: float = 4.0, fill: str = INK) -> None:
        """A line through points, with round ends and joints."""
        placed = [self._place(p) for p in points]
        thick = width * CANVAS / UNITS
        self._draw.line(placed, fill=fill, width=round(thick))
        for px, py in placed:
            r = thick / 2
            self._draw.ellipse((px - r, py - r, px + r, py + r), fill=fill)

    def arc(
        self, x: float, y: float, r: float, first: float, last: float, width: float = 4.0, fill: str = INK
    ) -> None:
        """Part of a circle; angles in degrees, clockwise from the right."""
        self.line(_arc(x, y, r, r, first, last), width, fill)

    def pixels(self, size: int) -> np.ndarray:
        """The card as uint8 (size, size, 4): red, green, blue, and how opaque it is."""
        from PIL.Image import Resampling

        return np.asarray(self._image.resize((size, size), Resampling.BOX))

    def _place(self, point: Point) -> Point:
        x, y = point[0] - self._centre[0], point[1] - self._centre[1]
        c, s = math.cos(self._turn), math.sin(self._turn)
        placed = self._centre[0] + c * x - s * y, self._centre[1] + s * x + c * y
        return placed[0] * CANVAS / UNITS, placed[1] * CANVAS / UNITS


def _arc(x: float, y: float, rx: float, ry: float, first: float, last: float) -> list[Point]:
    steps = max(2, math.ceil(abs(last - first) / 6))
    angles = [math.radians(first + (last - first) * k / steps) for k in range(steps + 1)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]
