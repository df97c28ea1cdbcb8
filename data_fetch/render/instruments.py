"""The sounds of instruments, bells and things that are struck or fried."""

from __future__ import annotations

import numpy as np

from data_fetch.render.tones import (
    RATE,
    Generator,
    burst,
    harmonics,
    noise,
    pluck,
    put,
    ring,
    seconds_of,
    voice,
)

# --- strings, reeds, bells --------------------------------------------------------------------------


def _bowed(
    rng: Generator, n: int, notes: list[float], body: list[tuple[float, float, float]], pace: float
) -> np.ndarray:
    t = seconds_of(n)
    pitches = np.array(notes)[np.floor(t * pace).astype(int) % len(notes)]
    slid = np.convolve(np.pad(pitches, 400, mode="edge"), np.ones(801) / 801, mode="valid")
    f0 = slid * (1 + 0.007 * np.sin(2 * np.pi * 5.7 * t))
    stroke = 0.35 + 0.65 * np.clip(t * pace % 1.0 / 0.25, 0, 1)
    string = voice(f0, [(f, w, g) for f, w, g in body], 0.75)
    return stroke * (string + 0.06 * string.std() * noise(rng, n, 1500, 6500))


def cello(rng: Generator, n: int) -> np.ndarray:
    """A bowed string between 65 and 131 Hz, two notes per second."""
    return _bowed(
        rng,
        n,
        [65.4, 98.0, 130.8, 123.5, 98.0, 87.3],
        [(220, 180, 1.2), (400, 220, 0.9), (900, 500, 0.5), (1900, 800, 0.2)],
        2.0,
    )


def violin(rng: Generator, n: int) -> np.ndarray:
    """A bowed string between 587 and 988 Hz, three notes per second."""
    return _bowed(
        rng,
        n,
        [659.3, 740.0, 880.0, 987.8, 880.0, 587.3],
        [(700, 500, 1.0), (1500, 800, 0.8), (3000, 1100, 0.9)],
        3.0,
    )


def guitar(rng: Generator, n: int) -> np.ndarray:
    """Strummed chords, two per second: six plucked strings that ring on."""
    out = np.zeros(n)
    chords = ((82.4, 123.5, 164.8, 207.7, 246.9, 329.6), (110.0, 164.8, 220.0, 277.2, 329.6, 440.0))
    for k in range(int(n / RATE * 2) + 1):
        for s, hertz in enumerate(chords[k // 4 % 2]):
            put(
                out,
                k / 2 + 0.012 * s,
                pluck(rng, hertz, 1.6, 0.998, soft=3) * np.exp(-seconds_of(25_600) / 0.7),
            )
    return out


def banjo(rng: Generator, n: int) -> np.ndarray:
    """A roll of eight bright, short notes per second."""
    out = np.zeros(n)
    roll = (392.0, 493.9, 587.3, 784.0, 493.9, 587.3, 784.0, 293.7)
    for k in range(int(n / RATE * 8) + 1):
        note = pluck(rng, roll[k % 8], 0.5, 0.985, soft=0)
        put(out, k / 8, note + 0.5 * burst(rng, 0.5, 400, 1800, 0.006))
    return out


def accordion(rng: Generator, n: int) -> np.ndarray:
    """Reeds in pairs a little out of tune: a bass on each beat, a chord after it."""
    t = seconds_of(n)
    reed = [1 / k**0.7 for k in range(1, 26)]
    beat = t * 4 % 2.0
    out = 1.2 * harmonics(np.full(n, 130.8), reed) * (beat < 0.9)
    for hertz in (523.3, 659.3, 784.0):
        for detune in (0.996, 1.004):
            out += 0.4 * harmonics(np.full(n, hertz * detune), reed) * (beat > 1.0)
    return out


def telephone(rng: Generator, n: int) -> np.ndarray:
    """A hammer between two bells, 22 strokes per second, for 0.75 of each second."""
    out = np.zeros(n)
    bells = [[(f * r, a, 0.18) for r, a in ((1, 1.0), (2.76, 0.6), (4.1, 0.25))] for f in (1180.0, 1480.0)]
    for k in range(int(n / RATE * 22) + 1):
        if k / 22 % 1.0 < 0.75:
            put(out, k / 22, ring(bells[k % 2], 0.5))
    return out


def fire_alarm(rng: Generator, n: int) -> np.ndarray:
    """A smoke detector: three beeps of 3.1 kHz per second."""
    t = seconds_of(n)
    return np.sign(np.sin(2 * np.pi * 3100 * t)) * (t * 3 % 1.0 < 0.55)


# --- impacts ----------------------------------------------------------------------------------------


def basketball(rng: Generator, n: int) -> np.ndarray:
    """Two bounces per second: a thud, the hollow ring of the ball, the click of the floor."""
    out = np.zeros(n)
    bounce = ring([(75, 1.6, 0.05), (165, 0.9, 0.05), (880, 0.35, 0.03), (1320, 0.2, 0.02)], 0.4)
    for k in range(int(n / RATE * 2) + 1):
        put(out, k / 2, bounce)
        put(out, k / 2, 0.4 * burst(rng, 0.05, 800, 4500, 0.006))
    return out


def frying(rng: Generator, n: int) -> np.ndarray:
    """A steady hiss with ninety crackles per second."""
    crackle = np.zeros(n)
    for _ in range(int(n / RATE * 90)):
        put(crackle, rng.uniform(0, n / RATE), rng.exponential(1.0) * burst(rng, 0.008, 2000, 7500, 0.0015))
    return 0.5 * noise(rng, n, 2500, 7600, -0.3) + 1.2 * crackle
