"""The 25 event classes drawn and played: each has a place, colour and shape, a pitch and a kind of sound.

No likeness is meant: what matters is that every class can be told from the others by eye and by ear.
Pictures and sounds are functions of time in seconds, so any frame rate and any segment can be made.
"""

from __future__ import annotations

import colorsys
from typing import Final, NamedTuple

import numpy as np

from cmpie_lite.events import Event
from cmpie_lite.labels import CLASS_INDEX, CLASSES, NUM_CLASSES, NUM_SEGMENTS

GROUND: Final = (122, 116, 104)  # near the mean of photographs, so that what is drawn stands out
LOWEST, HIGHEST = 180.0, 6000.0  # pitches of the first and the last class, hertz
LOUDNESS: Final = 0.25
NOISE_FLOOR: Final = 0.003


class Scene(NamedTuple):
    """What is to be heard and seen in ten seconds."""

    audio: tuple[Event, ...]
    visual: tuple[Event, ...]


def make_scene(seed: int, number: int) -> Scene:
    """Scene `number` of an endless series: up to three classes, in every relation of sound and sight.

    The first two classes are dealt from shuffled decks of all 25: the first 13 scenes show every class.
    Each class is heard and seen together, heard and seen at different times, only heard, or only seen.
    """
    rng = np.random.default_rng([seed, number])
    labels = {_dealt(seed, 2 * number), _dealt(seed, 2 * number + 1)}
    if rng.random() < 0.3:
        labels.add(str(rng.choice(CLASSES)))
    audio: list[Event] = []
    visual: list[Event] = []
    for label in sorted(labels):
        relation = rng.choice(["together", "apart", "heard", "seen"], p=[0.4, 0.2, 0.2, 0.2])
        event = _make_event(label, rng)
        if relation != "seen":
            audio.append(event)
        if relation != "heard":
            visual.append(_make_event(label, rng) if relation == "apart" else event)
    return Scene(tuple(audio), tuple(visual))


def _dealt(seed: int, card: int) -> str:
    deck = np.random.default_rng([seed, card // NUM_CLASSES, 1]).permutation(NUM_CLASSES)
    return CLASSES[deck[card % NUM_CLASSES]]


def _make_event(label: str, rng: np.random.Generator) -> Event:
    seconds = int(rng.integers(2, NUM_SEGMENTS + 1))
    onset = int(rng.integers(0, NUM_SEGMENTS - seconds + 1))
    return Event(float(onset), float(onset + seconds), label)


# --- pictures ---------------------------------------------------------------------------------------


def draw(scene: Scene, time: float, size: int) -> np.ndarray:
    """The picture at a time: uint8 (size, size, 3), a swinging shape for each visible event on a grey ground.

    Class i has its place in row i // 5 and column i % 5, one of five shapes, and a hue of its own.
    """
    grid = (np.arange(size) + 0.5) / size * 5.0  # cells of one unit
    y, x = grid[:, None], grid[None, :]
    picture = np.empty((size, size, 3), np.uint8)
    picture[:] = GROUND
    for event in scene.visual:
        if event.onset <= time < event.offset:
            i = CLASS_INDEX[event.label]
            swing = 0.2 * np.sin(2 * np.pi * (0.3 + 0.05 * i) * time)
            mask = _shape(i % 5, (x - i % 5 - 0.5 - swing) / 0.45, (y - i // 5 - 0.5) / 0.45)
            picture[np.broadcast_to(mask, (size, size))] = colour(event.label)
    return picture


def colour(label: str) -> tuple[int, int, int]:
    """Red, green and blue of a class: hues a golden angle apart, none dark."""
    hue = CLASS_INDEX[label] * 0.618034 % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _shape(kind: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Disc, square, ring, triangle or cross around the origin, as a mask."""
    radius = x**2 + y**2
    if kind == 0:
        return radius < 1
    if kind == 1:
        return np.maximum(np.abs(x), np.abs(y)) < 0.85
    if kind == 2:
        return np.abs(radius - 0.7) < 0.3
    if kind == 3:
        return (np.abs(x) < (y + 1) / 2) & (y < 1)
    return np.minimum(np.abs(x), np.abs(y)) < np.where(radius < 1, 0.3, 0.0)


# --- sounds -----------------------------------------------------------------------------------------


def play(scene: Scene, seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """The sound of a scene: float32 samples in [-1, 1], audible events over faint noise."""
    noise = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    mix = NOISE_FLOOR * noise.standard_normal(len(t))
    for event in scene.audio:
        heard = (t >= event.onset) & (t < event.offset)
        mix[heard] += LOUDNESS * _sound(CLASS_INDEX[event.label], t[heard])
    return np.clip(mix, -1.0, 1.0).astype(np.float32)


def pitch(label: str) -> float:
    """Hertz of a class: 25 steps of equal ratio from 180 to 6000."""
    return LOWEST * (HIGHEST / LOWEST) ** (CLASS_INDEX[label] / (NUM_CLASSES - 1))


def _sound(i: int, t: np.ndarray) -> np.ndarray:
    """Steady, trembling, pulsing, wailing or plucked, at the pitch of class i."""
    turns = 2 * np.pi * pitch(CLASSES[i]) * t
    beat = t * (2.0 + 0.25 * i)
    if i % 5 == 0:
        return np.sin(turns)
    if i % 5 == 1:
        return np.sin(turns) * (0.7 + 0.3 * np.sin(2 * np.pi * 2 * beat))
    if i % 5 == 2:
        return np.sin(turns) * (beat % 1.0 < 0.6)
    if i % 5 == 3:
        return np.sin(turns + 2.0 * np.sin(2 * np.pi * beat))
    return 1.5 * np.sin(turns) * np.exp(-2.0 * (beat % 1.0))
