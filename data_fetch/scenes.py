"""Six event classes drawn and played: a shape with a colour and a motion, a sound with a timbre.

Pictures and sounds are functions of time in seconds, so any frame rate and any segment can be made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from cmpie_lite.events import Event
from cmpie_lite.labels import NUM_SEGMENTS

Sound = Callable[[np.ndarray, np.random.Generator], np.ndarray]
Shape = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Look(NamedTuple):
    """How a class looks and sounds."""

    colour: tuple[int, int, int]
    shape: Shape  # (x, y) around its centre, in units of its radius -> mask
    speed: float  # turns per second around the middle of the picture
    sound: Sound  # (seconds, noise) -> samples in [-1, 1]


class Scene(NamedTuple):
    """What is to be heard and seen in ten seconds."""

    audio: tuple[Event, ...]
    visual: tuple[Event, ...]


def _pulses(t: np.ndarray, rate: float, decay: float) -> np.ndarray:
    """An envelope that jumps to 1 `rate` times a second and decays."""
    return np.exp(-decay * (t * rate % 1.0) / rate)


def _harmonics(t: np.ndarray, pitch: float, count: int, slope: float) -> np.ndarray:
    tones = [np.sin(2 * np.pi * k * pitch * t) / k**slope for k in range(1, count + 1)]
    return np.sum(tones, axis=0) / count**0.5


def _speech(t: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    return _harmonics(t, 140.0, 12, 0.7) * (0.55 + 0.45 * np.sin(2 * np.pi * 4.0 * t))


def _dog(t: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    return (0.6 * _harmonics(t, 430.0, 5, 1.0) + 0.4 * noise.standard_normal(len(t))) * _pulses(t, 2.0, 14.0)


def _violin(t: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    vibrato = 0.004 * np.sin(2 * np.pi * 6.0 * t)
    return _harmonics(t + vibrato / (2 * np.pi), 880.0, 6, 1.0)


def _fire_alarm(t: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    return np.sin(2 * np.pi * 3100.0 * t) * (t * 3.0 % 1.0 < 0.6)


def _basketball(t: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    thud = np.sin(2 * np.pi * 180.0 * t) + 0.2 * noise.standard_normal(len(t))
    return thud * _pulses(t, 1.5, 25.0)


def _motorcycle(t: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    return 0.5 * noise.standard_normal(len(t)) * _pulses(t, 28.0, 40.0) + 0.5 * _harmonics(t, 28.0, 20, 0.4)


LOOKS: Final[dict[str, Look]] = {
    "Speech": Look((240, 190, 150), lambda x, y: x**2 + (y / 1.3) ** 2 < 1, 0.05, _speech),
    "Dog": Look((150, 80, 30), lambda x, y: (np.abs(x) < (y + 1) / 2) & (y < 1), 0.30, _dog),
    "Violin_fiddle": Look((60, 200, 60), lambda x, y: (np.abs(x) < 0.35) & (np.abs(y) < 1.5), 0.15, _violin),
    "Fire_alarm": Look((230, 30, 30), lambda x, y: np.maximum(np.abs(x), np.abs(y)) < 0.8, 0.0, _fire_alarm),
    "Basketball_bounce": Look((250, 140, 0), lambda x, y: x**2 + y**2 < 0.8, 0.75, _basketball),
    "Motorcycle": Look((60, 90, 250), lambda x, y: np.abs(x**2 + y**2 - 0.8) < 0.35, 0.5, _motorcycle),
}


def make_scene(rng: np.random.Generator) -> Scene:
    """One to three classes, each heard and seen together, at different times, only heard or only seen."""
    audio: list[Event] = []
    visual: list[Event] = []
    for label in rng.choice(list(LOOKS), size=rng.integers(1, 4), replace=False):
        mode = rng.choice(["together", "apart", "heard", "seen"], p=[0.4, 0.2, 0.2, 0.2])
        event = _make_event(str(label), rng)
        if mode != "seen":
            audio.append(event)
        if mode != "heard":
            visual.append(_make_event(str(label), rng) if mode == "apart" else event)
    return Scene(tuple(audio), tuple(visual))


def _make_event(label: str, rng: np.random.Generator) -> Event:
    seconds = int(rng.integers(2, NUM_SEGMENTS + 1))
    onset = int(rng.integers(0, NUM_SEGMENTS - seconds + 1))
    return Event(float(onset), float(onset + seconds), label)


def draw(scene: Scene, time: float, size: int) -> np.ndarray:
    """The picture at a time: uint8 (size, size, 3), a shape for each visible event on a dark ground."""
    grid = (np.arange(size) + 0.5) / size * 2 - 1
    y, x = grid[:, None], grid[None, :]
    picture = np.empty((size, size, 3), np.uint8)
    picture[:] = (24, 26, 32)
    for event in scene.visual:
        if event.onset <= time < event.offset:
            look = LOOKS[event.label]
            home = 2 * np.pi * list(LOOKS).index(event.label) / len(LOOKS)
            angle = home + 0.5 * np.sin(2 * np.pi * look.speed * time)
            centre = 0.55 * np.cos(angle), 0.55 * np.sin(angle)
            mask = look.shape((x - centre[0]) / 0.3, (y - centre[1]) / 0.3)
            picture[np.broadcast_to(mask, (size, size))] = look.colour
    return picture


def play(scene: Scene, seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """The sound of a scene: float32 samples in [-1, 1], audible events over faint noise."""
    noise = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    mix = 0.003 * noise.standard_normal(len(t))
    for event in scene.audio:
        heard = (t >= event.onset) & (t < event.offset)
        mix[heard] += 0.3 * LOOKS[event.label].sound(t[heard], noise)
    return np.clip(mix, -1.0, 1.0).astype(np.float32)
