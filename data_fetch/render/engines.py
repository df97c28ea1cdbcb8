"""The sounds of engines and motors: strokes, whines, blades and rushing air."""

from __future__ import annotations

import numpy as np

from data_fetch.render.tones import Generator, harmonics, noise, pulses, seconds_of, wander


def car(rng: Generator, n: int) -> np.ndarray:
    """An engine that pulls away each two seconds, tyres, and a horn of two tones per second."""
    t = seconds_of(n)
    engine = pulses(45 + 40 * (t % 2.0) / 2 + wander(rng, n, 8), 40.0)
    low, high = (harmonics(np.full(n, f), [1, 0.8, 0.6, 0.5, 0.3, 0.2]) for f in (415.0, 523.0))
    horn = (low + high) * (t % 1.0 > 0.45) * (t % 1.0 < 0.9)
    return engine / engine.std() + 0.3 * noise(rng, n, 200, 900, 0.5) + 0.9 * horn


def motorcycle(rng: Generator, n: int) -> np.ndarray:
    """Two cylinders that fire unevenly, revved up once per second."""
    t = seconds_of(n)
    pace = 26 + 46 * np.clip(np.sin(2 * np.pi * (t % 1.0)), 0, 1) ** 2
    strokes = pulses(pace, 14.0) + 0.8 * np.roll(pulses(pace, 14.0), 240)
    return strokes / strokes.std() * (1 + 0.2 * noise(rng, n, 200, 2500, 0.4))


def lawn_mower(rng: Generator, n: int) -> np.ndarray:
    """One cylinder at 48 strokes per second, and the blade's noise once per turn."""
    t = seconds_of(n)
    strokes = pulses(48 + 0.8 * wander(rng, n, 6), 7.0)
    blade = noise(rng, n, 700, 4500, 0.4) * (0.7 + 0.3 * np.sin(2 * np.pi * 24 * t))
    return strokes / strokes.std() + 0.4 * blade


def chainsaw(rng: Generator, n: int) -> np.ndarray:
    """A small two-stroke that screams up from 90 to 170 strokes per second, and the chain in the wood."""
    t = seconds_of(n)
    pace = (
        90
        + 80 * np.clip(t % 1.0 / 0.3, 0, 1)
        - 30 * np.clip((t % 1.0 - 0.8) / 0.2, 0, 1)
        + 2 * wander(rng, n, 20)
    )
    buzz = harmonics(pace, [k**-0.45 for k in range(1, 60)])
    return buzz / buzz.std() + 0.25 * noise(rng, n, 1500, 7000) * (
        1 + 0.4 * np.sin(2 * np.pi * np.cumsum(pace / 4) / 16_000)
    )


def helicopter(rng: Generator, n: int) -> np.ndarray:
    """Eleven chops of the blades per second, low and slapping, under a turbine's whine."""
    t = seconds_of(n)
    turn = t * 11 % 1.0
    chop = np.exp(-turn / 0.22) * np.clip(turn / 0.03, 0, 1)
    thump = np.sin(2 * np.pi * 62 * t) * chop
    return (
        1.5 * thump
        + 1.1 * noise(rng, n, 80, 1400, 0.7) * chop
        + 0.07 * harmonics(np.full(n, 1750.0), [1, 0.5, 0.3])
    )


def vacuum_cleaner(rng: Generator, n: int) -> np.ndarray:
    """Rushing air over the steady whine of a motor that has just run up."""
    t = seconds_of(n)
    pitch = 330 * (1 - 0.7 * np.exp(-t / 0.15))
    whine = harmonics(pitch, [0.5, 1, 0.3, 0.7, 0.2, 0.3, 0.1, 0.15])
    return 0.45 * whine + noise(rng, n, 200, 6500, 0.45)


def blender(rng: Generator, n: int) -> np.ndarray:
    """A whirr that strains twice per second, as lumps meet the knife, rich up to the highest partials."""
    t = seconds_of(n)
    pitch = 215 * (1 - 0.5 * np.exp(-t / 0.1)) - 22 * np.exp(-(t * 2 % 1.0) / 0.25) + 2 * wander(rng, n, 15)
    whirr = harmonics(pitch, [1.0 if k % 4 == 0 else 0.35 for k in range(1, 34)])
    lumps = noise(rng, n, 800, 5000) * np.exp(-(t * 7 % 1.0) / 0.3)
    return whirr / whirr.std() + 0.3 * lumps
