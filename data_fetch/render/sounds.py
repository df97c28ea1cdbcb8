"""The sound of each class: voices, animals, strings, bells and engines, synthesised by this code.

Each function makes n samples that begin with the sound's attack, and every whole second of it is audible.
Loudness is set in `sound`, which is the door to them all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np

from cmpie_lite.labels import CLASS_INDEX, NUM_CLASSES
from data_fetch.render import engines, instruments, voices
from data_fetch.render.tones import RATE, Generator, swell

LOUDNESS: Final = 0.07  # root mean square of every class's sound
LOUDEST: Final = 0.5  # no sample beyond, so that three sounds together hardly ever clip


def sound(label: str, n: int) -> np.ndarray:
    """The first n samples of a class's sound at 16 kHz, always the same, faded out at their end.

    After ten seconds the sound begins again.
    """
    return np.resize(_ten_seconds(label), n) * swell(n, 0.005, 0.03)


@cache
def _ten_seconds(label: str) -> np.ndarray:
    made = SOUNDS[label](np.random.default_rng([NUM_CLASSES, CLASS_INDEX[label]]), 10 * RATE)
    made = LOUDNESS * made / np.sqrt(np.mean(made**2))
    made = LOUDEST * np.tanh(made / LOUDEST)
    made.setflags(write=False)
    return made


SOUNDS: Final[dict[str, Callable[[Generator, int], np.ndarray]]] = {
    "Speech": voices.speech,
    "Car": engines.car,
    "Cheering": voices.cheering,
    "Dog": voices.dog,
    "Cat": voices.cat,
    "Frying_(food)": instruments.frying,
    "Basketball_bounce": instruments.basketball,
    "Fire_alarm": instruments.fire_alarm,
    "Chainsaw": engines.chainsaw,
    "Cello": instruments.cello,
    "Banjo": instruments.banjo,
    "Singing": voices.singing,
    "Chicken_rooster": voices.rooster,
    "Violin_fiddle": instruments.violin,
    "Vacuum_cleaner": engines.vacuum_cleaner,
    "Baby_laughter": voices.baby_laughter,
    "Accordion": instruments.accordion,
    "Lawn_mower": engines.lawn_mower,
    "Motorcycle": engines.motorcycle,
    "Helicopter": engines.helicopter,
    "Acoustic_guitar": instruments.guitar,
    "Telephone_bell_ringing": instruments.telephone,
    "Baby_cry_infant_cry": voices.baby_cry,
    "Blender": engines.blender,
    "Clapping": voices.clapping,
}
