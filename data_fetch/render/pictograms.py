"""A card for each of the 25 classes: a pictogram on a ground of the class's own colour."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final

import numpy as np

from cmpie_lite.labels import CLASS_INDEX
from data_fetch.render import living, things
from data_fetch.render.pen import Pen

PICTOGRAMS: Final[dict[str, Callable[[Pen], None]]] = {
    "Speech": living.speech,
    "Car": things.car,
    "Cheering": living.cheering,
    "Dog": living.dog,
    "Cat": living.cat,
    "Frying_(food)": things.frying_pan,
    "Basketball_bounce": things.basketball,
    "Fire_alarm": things.fire_alarm,
    "Chainsaw": things.chainsaw,
    "Cello": things.cello,
    "Banjo": things.banjo,
    "Singing": living.singing,
    "Chicken_rooster": living.rooster,
    "Violin_fiddle": things.violin,
    "Vacuum_cleaner": things.vacuum_cleaner,
    "Baby_laughter": living.baby_laughter,
    "Accordion": things.accordion,
    "Lawn_mower": things.lawn_mower,
    "Motorcycle": things.motorcycle,
    "Helicopter": things.helicopter,
    "Acoustic_guitar": things.guitar,
    "Telephone_bell_ringing": things.telephone,
    "Baby_cry_infant_cry": living.baby_cry,
    "Blender": things.blender,
    "Clapping": living.clapping,
}


def colour(label: str) -> tuple[int, int, int]:
    """Red, green and blue of a class's card: hues a golden angle apart, four classes bright, four darker."""
    i = CLASS_INDEX[label]
    red, green, blue = colorsys.hsv_to_rgb(i * 0.618034 % 1.0, 0.65, (1.0, 0.75)[i // 4 % 2])
    return round(255 * red), round(255 * green), round(255 * blue)


@lru_cache(maxsize=256)
def card(label: str, size: int) -> np.ndarray:
    """The class's card as uint8 (size, size, 4): red, green, blue, and how opaque it is."""
    pixels = _drawn(label).pixels(size)
    pixels.setflags(write=False)
    return pixels


@cache
def _drawn(label: str) -> Pen:
    pen = Pen(colour(label))
    PICTOGRAMS[label](pen)
    return pen
