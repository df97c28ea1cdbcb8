"""Building blocks of sounds: harmonics, filtered noise, plucked strings, bursts. Samples per second: `RATE`.

Every function is of its arguments alone; noise comes from the generator that it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

RATE: Final = 16_000
HIGHEST: Final = 7_600.0  # hertz; nothing above, so nothing is folded back

Generator = np.random.Generator


def seconds_of(n: int) -> np.ndarray:
    """The times of n samples."""
    return np.arange(n) / RATE


def phase(hertz: np.ndarray) -> np.ndarray:
    """Radians of an oscillator whose frequency is `hertz`, sample by sample."""
    return 2 * np.pi * np.cumsum(hertz) / RATE


def harmonics(hertz: np.ndarray, weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """Sum of w_k sin(k phase): harmonic k = 1, 2 ... is silent where it would lie above `HIGHEST`."""
    turn = np.exp(1j * phase(hertz))
    wave, out = np.ones(len(hertz), complex), np.zeros(len(hertz))
    for k, weight in enumerate(weights, start=1):
        wave *= turn
        out += np.where(k * hertz < HIGHEST, weight, 0.0) * wave.imag
    return out


def voice(
    hertz: np.ndarray, formants: Sequence[tuple[ArrayLike, float, float]], slope: float = 1.0
) -> np.ndarray:
    """A voice: harmonics of `hertz` weighted by formants (centre and width in hertz, gain).

    Harmonic k has the weight k^-slope times the sum of the formants' bell curves at its frequency. Weights
    are found 200 times per second, and straight between.
    """
    n, step = len(hertz), RATE // 200
    coarse = np.arange(0, n + step, step).clip(max=n - 1)
    turn = np.exp(1j * phase(hertz))
    wave, out = np.ones(n, complex), np.zeros(n)
    centres = [np.broadcast_to(np.asarray(f, float), n)[coarse] for f, _, _ in formants]
    for k in range(1, int(HIGHEST / max(60.0, hertz.min())) + 1):
        wave *= turn
        at = k * hertz[coarse]
        bells = [g * np.exp(-(((at - c) / w) ** 2)) for c, (_, w, g) in zip(centres, formants, strict=True)]
        weight = np.where(at < HIGHEST, sum(bells, np.full(len(at), 0.01)) * k**-slope, 0.0)
        out += np.interp(np.arange(n), coarse, weight) * wave.imag
    return out


def noise(rng: Generator, n: int, low: float, high: float, tilt: float = 0.0) -> np.ndarray:
    """Noise between two frequencies, of variance 1; amplitudes fall with frequency to the power `tilt`."""
    f = np.fft.rfftfreq(n, 1 / RATE)
    shape = ((f >= low) & (f <= high)) * np.maximum(f, 20.0) ** -tilt
    out = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * shape, n)
    return out / max(float(out.std()), 1e-9)


def wander(rng: Generator, n: int, hertz: float) -> np.ndarray:
    """A slow random curve, of variance 1, that changes about `hertz` times per second."""
    knots = rng.standard_normal(int(n / RATE * hertz) + 3)
    return np.interp(np.arange(n) / RATE * hertz, np.arange(len(knots)), knots)


def put(out: np.ndarray, start: float, sound: np.ndarray) -> None:
    """Add a sound to `out` at a time in seconds, as far as there is room."""
    first = round(start * RATE)
    room = min(len(sound), len(out) - first)
    if room > 0:
        out[first : first + room] += sound[:room]


def ring(partials: Sequence[tuple[float, float, float]], seconds: float) -> np.ndarray:
    """Something struck: partials (hertz, amplitude, seconds until it has fallen to 1/e)."""
    t = seconds_of(round(seconds * RATE))
    out = np.zeros(len(t))
    for hertz, weight, decay in partials:
        out += weight * np.sin(2 * np.pi * hertz * t) * np.exp(-t / decay)
    return out


def burst(rng: Generator, seconds: float, low: float, high: float, decay: float) -> np.ndarray:
    """Noise between two frequencies that dies away."""
    n = round(seconds * RATE)
    return noise(rng, n, low, high) * np.exp(-seconds_of(n) / decay)


def pluck(rng: Generator, hertz: float, seconds: float, keep: float = 0.996, soft: int = 1) -> np.ndarray:
    """A plucked string, by Karplus and Strong (1983): noise in a loop of one period, each turn smoother.

    Args:
        keep: how much is left after one turn.
        soft: how often the first period is smoothed; a soft finger against a pick.
    """
    period, n = round(RATE / hertz), round(seconds * RATE)
    out = np.zeros((n // period + 2) * period + 1)
    start = rng.uniform(-1, 1, period)
    for _ in range(soft):
        start = (start + np.roll(start, 1)) / 2
    out[1 : period + 1] = start
    for first in range(period + 1, len(out), period):
        before = out[first - period - 1 : first]
        out[first : first + period] = keep * (before[1:] + before[:-1]) / 2
    return out[1 : n + 1]


def swell(n: int, attack: float, release: float) -> np.ndarray:
    """A loudness of 1 that rises from 0 and falls to 0 within seconds."""
    t = seconds_of(n)
    return np.minimum(1.0, np.minimum(t / attack, (n / RATE - t) / release))


def pulses(hertz: np.ndarray, sharp: float) -> np.ndarray:
    """A train of strokes, one per turn of `hertz`: exp(-sharp (1 - cos)), without its mean over the train."""
    out = np.exp(-sharp * (1 - np.cos(phase(hertz))))
    return out - out.mean()
