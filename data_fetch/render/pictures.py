"""Scenes as a person recognises them: a card for each visible class, a sound for each audible one.

Pictures and sounds are functions of time in seconds, so any frame rate and any segment can be made.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cmpie_lite.labels import CLASS_INDEX
from data_fetch.render.pictograms import card
from data_fetch.render.scenes import Scene
from data_fetch.render.sounds import sound
from data_fetch.render.tones import RATE

GROUND: Final = (122, 116, 104)  # near the mean of photographs, so that what is drawn stands out
NOISE_FLOOR: Final = 0.003
PLACES: Final = ((0.285, 0.285), (0.715, 0.285), (0.285, 0.715), (0.715, 0.715))  # x, y of the cards' middles
CARD: Final = 0.4  # side of a card; the networks' crop of 224 out of 256 pixels cuts none of it
SWAY: Final = 0.015


def places(scene: Scene) -> dict[str, int]:
    """Where each class of a scene is drawn: class i in quarter i % 4, or in the next free one."""
    taken: dict[str, int] = {}
    for label in sorted({event.label for event in scene.visual}, key=CLASS_INDEX.__getitem__)[: len(PLACES)]:
        place = CLASS_INDEX[label] % len(PLACES)
        while place in taken.values():
            place = (place + 1) % len(PLACES)
        taken[label] = place
    return taken


def draw(scene: Scene, time: float, size: int) -> np.ndarray:
    """The picture at a time: uint8 (size, size, 3), a swaying card for each visible event on a grey ground.

    A picture has four places; the fifth class that is seen in one scene, and any after it, is not drawn.
    """
    picture = np.empty((size, size, 3), np.uint8)
    picture[:] = GROUND
    side = max(4, round(CARD * size))
    visible = {event.label for event in scene.visual if event.onset <= time < event.offset}
    for label, place in places(scene).items():
        if label in visible:
            turn = 2 * np.pi * (0.5 + 0.05 * (CLASS_INDEX[label] % 7)) * time
            x, y = PLACES[place][0] + SWAY * np.sin(turn), PLACES[place][1] + SWAY * np.sin(2 * turn) / 2
            left, top = round(x * size - side / 2), round(y * size - side / 2)
            under = picture[top : top + side, left : left + side]
            drawn = card(label, side).astype(np.uint16)
            alpha = drawn[..., 3:]
            under[:] = (drawn[..., :3] * alpha + under * (255 - alpha) + 127) // 255
    return picture


def play(scene: Scene, seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """The sound of a scene at 16 kHz: float32 samples in [-1, 1], audible events over faint noise.

    Raises:
        ValueError: another rate; the sounds are made for this one.
    """
    if rate != RATE:
        raise ValueError(f"rate = {rate}, expected {RATE}: the sounds are made for it.")
    n = round(seconds * RATE)
    mix = NOISE_FLOOR * np.random.default_rng(seed).standard_normal(n)
    for event in scene.audio:
        first, last = round(event.onset * RATE), round(event.offset * RATE)
        mix[first:last] += sound(event.label, last - first)[: max(0, n - first)]
    return np.clip(mix, -1.0, 1.0).astype(np.float32)
