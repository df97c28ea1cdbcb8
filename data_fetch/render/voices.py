"""The sounds of people and animals: voices, breath and claps."""

from __future__ import annotations

from typing import Final

import numpy as np

from data_fetch.render.tones import RATE, Generator, burst, noise, put, seconds_of, voice, wander

VOWELS: Final = ((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240))

# --- people -----------------------------------------------------------------------------------------


def speech(rng: Generator, n: int) -> np.ndarray:
    """A low voice: five syllables per second on wandering vowels, with hisses between."""
    t = seconds_of(n)
    f0 = 118 * (1 + 0.07 * wander(rng, n, 3) - 0.08 * (t % 2.0))
    vowels = np.array(VOWELS)[rng.integers(0, 5, int(n / RATE * 5) + 2)]
    paths = [np.interp(t * 5, np.arange(len(vowels)), vowels[:, k]) for k in range(3)]
    loud = np.clip(np.sin(np.pi * (t * 5 % 1.0)), 0, 1) ** 0.7 * (0.75 + 0.25 * wander(rng, n, 5).clip(-1, 1))
    spoken = voice(f0, [(paths[0], 130, 1.0), (paths[1], 160, 0.7), (paths[2], 220, 0.4)], 0.4) * loud
    hiss = noise(rng, n, 3500, 7000) * ((t * 5 % 1.0) < 0.16) * (np.floor(t * 5) % 2 == 1)
    return spoken + 0.35 * spoken.std() * hiss


def singing(rng: Generator, n: int) -> np.ndarray:
    """A high voice that holds one note per second on "ah", with a vibrato of 5.5 Hz."""
    t = seconds_of(n)
    notes = 262.0 * 2.0 ** (np.array([4, 7, 9, 12, 11, 7, 9, 5, 4, 0]) / 12)
    at = np.floor(t).astype(int) % len(notes)
    before = notes[(at - 1) % len(notes)]
    f0 = before + (notes[at] - before) * np.clip(t % 1.0 / 0.07, 0, 1)
    f0 = f0 * (1 + 0.014 * np.sin(2 * np.pi * 5.5 * t) * np.clip(t % 1.0 / 0.3, 0, 1))
    return voice(f0, [(800, 180, 1.0), (1200, 200, 0.7), (2900, 400, 0.5)], 0.5) * (
        1 - 0.5 * np.exp(-(t % 1.0) / 0.05)
    )


def cheering(rng: Generator, n: int) -> np.ndarray:
    """A crowd: nine voices that slide upwards on "hey", over a roar, and a whistle."""
    t = seconds_of(n)
    out = 0.5 * noise(rng, n, 500, 3500, 0.6) * (1 + 0.25 * wander(rng, n, 4))
    for _ in range(9):
        turn = (t / rng.uniform(0.7, 1.3) + rng.random()) % 1.0
        f0 = rng.uniform(180, 420) * (1 + 0.35 * turn)
        out += (
            0.5
            * voice(f0, [(650, 200, 1.0), (1750, 300, 0.8), (2600, 300, 0.4)], 0.6)
            * np.sin(np.pi * turn) ** 0.5
        )
    whistle = np.sin(2 * np.pi * np.cumsum(1900 + 900 * (t % 1.0)) / RATE)
    return out + 0.7 * whistle * (t % 2.0 < 0.7)


def baby_laughter(rng: Generator, n: int) -> np.ndarray:
    """Bursts of "ha" at five per second, each second sliding down from a shriek."""
    t = seconds_of(n)
    turn, run = t * 5 % 1.0, t % 1.0
    f0 = 520 * (1 - 0.28 * run) * (1 + 0.16 * np.sin(np.pi * turn))
    ha = (
        voice(f0, [(1000, 260, 1.0), (1700, 320, 0.8), (3600, 500, 0.3)], 0.4)
        * np.sin(np.pi * turn.clip(0.15, 1)) ** 1.5
    )
    breath = noise(rng, n, 1200, 5000) * np.exp(-((turn / 0.12) ** 2))
    return ha * (run < 0.95) + 0.35 * ha.std() * breath


def baby_cry(rng: Generator, n: int) -> np.ndarray:
    """One wail per second: it rises, is held, falls, and breaks off for a gasp."""
    t = seconds_of(n)
    run = t % 1.0
    f0 = 430 + 190 * np.sin(np.pi * np.clip(run / 0.8, 0, 1)) ** 0.6 + 9 * wander(rng, n, 30)
    wail = (
        voice(f0, [(1100, 300, 1.0), (2000, 400, 0.6), (3500, 500, 0.7)], 0.2)
        * np.clip(np.sin(np.pi * run / 0.82), 0, 1) ** 0.4
    )
    gasp = noise(rng, n, 1500, 6000) * ((run > 0.86) & (run < 0.97))
    return wail * (run < 0.82) + 0.3 * wail.std() * gasp


def clapping(rng: Generator, n: int) -> np.ndarray:
    """Six people who clap about four times per second, never quite together."""
    out = np.zeros(n)
    for _ in range(6):
        pace, first = rng.uniform(3.6, 4.4), rng.uniform(0, 0.12)
        low = rng.uniform(700, 1300)
        for k in range(int(n / RATE * pace) + 1):
            clap = burst(rng, 0.06, low, low * 2.6, 0.009)
            put(out, first + k / pace + abs(rng.normal(0, 0.015)), clap * rng.uniform(0.6, 1))
    return out


# --- animals ----------------------------------------------------------------------------------------


def dog(rng: Generator, n: int) -> np.ndarray:
    """Two barks per second: a rough voice that jumps up and falls within a fifth of a second."""
    t = seconds_of(n)
    run = t * 2 % 1.0 / 2  # seconds since the bark began
    f0 = 330 + 260 * np.exp(-(((run - 0.05) / 0.06) ** 2)) - 500 * np.clip(run - 0.12, 0, 0.2)
    loud = np.clip(run / 0.012, 0, 1) * np.exp(-np.clip(run - 0.09, 0, 1) / 0.045)
    bark = voice(np.maximum(f0, 150), [(700, 250, 1.0), (1400, 350, 0.7), (2600, 500, 0.3)], 0.3)
    return loud * (bark + 0.5 * bark.std() * noise(rng, n, 300, 3500, 0.5))


def cat(rng: Generator, n: int) -> np.ndarray:
    """One meow per second: the pitch arches, the mouth opens from "ee" over "ah" to "oo"."""
    t = seconds_of(n)
    run = np.clip(t % 1.0 / 0.85, 0, 1)
    f0 = 540 + 230 * np.sin(np.pi * run) - 90 * run
    mouth = np.interp(run, [0, 0.35, 0.7, 1], [500, 1150, 1000, 500])
    second = np.interp(run, [0, 0.25, 0.7, 1], [2600, 1900, 1500, 1000])
    return (
        voice(f0, [(mouth, 220, 1.0), (second, 300, 0.8), (4200, 500, 0.15)], 0.5)
        * np.sin(np.pi * run) ** 0.7
    )


def rooster(rng: Generator, n: int) -> np.ndarray:
    """Cock-a-doodle-doo in two seconds: three short sweeps and a long one that sags."""
    t = seconds_of(n)
    run = t % 2.0
    knots = [0, 0.18, 0.25, 0.4, 0.47, 0.7, 0.78, 1.2, 1.9, 2.0]
    f0 = np.interp(run, knots, [480, 640, 600, 820, 740, 900, 760, 980, 520, 480])
    loud = np.interp(
        run,
        [0, 0.03, 0.17, 0.2, 0.23, 0.4, 0.44, 0.48, 0.7, 0.74, 0.8, 1.7, 1.9, 2.0],
        [0, 1, 1, 0.1, 1, 1, 0.1, 1, 1, 0.2, 1, 0.8, 0, 0],
    )
    crow = voice(f0, [(1300, 500, 1.0), (2700, 600, 0.9), (4200, 700, 0.4)], 0.1)
    return loud * crow * (1 + 0.25 * np.sin(2 * np.pi * 38 * t))
