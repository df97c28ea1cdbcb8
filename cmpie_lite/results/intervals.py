"""95 % intervals of a mean paired difference: over training seeds, or over seeds and test videos.

Two questions, two intervals. `student_interval`, over seeds: what would other seeds give on these videos? A
simulator gives as many test videos as one likes, so there it is the interval that counts. `two_way_interval`,
over seeds and videos: what would other seeds give on other videos of the same kind? A real test split is
fixed and small, so its videos are a sample too.

Few seeds tell little. If two systems were equally good, all n paired differences would still fall on one
side of zero with probability 2^(1-n): 1 in 4 for three seeds, 1 in 16 for five, 1 in 32 for six. So below
`MIN_SEEDS` an interval is shown, but no verdict rests on it.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, lgamma, log, pi
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

MIN_SEEDS: Final = 6  # the least n with 2^(1-n) < 0.05
LEVEL: Final = 0.95

Over = Literal["seeds", "seeds and test videos"]
METHODS: Final[dict[Over, str]] = {
    "seeds": "Student's t over paired seeds, on these test videos",
    "seeds and test videos": "two-way variance of seeds and test videos, Satterthwaite's degrees of freedom",
}


class Interval(NamedTuple):
    """A mean and its 95 % interval, in the unit of the values; nan where one value is all there is."""

    mean: float
    low: float
    high: float
    seeds: int
    videos: int  # 0: the interval is over seeds alone


def side_of_zero(low: float | None, high: float | None) -> int:
    """Where an interval lies: 1 above zero, -1 below it, 0 where it holds zero or has no limits."""
    return int((low or 0.0) > 0) - int((high or 0.0) < 0)


def student_interval(values: npt.ArrayLike, *, level: float = LEVEL) -> Interval:
    """The mean of one value per seed, (S,), and Student's interval: mean ± t * sd / sqrt(S).

    t is the quantile with S - 1 degrees of freedom. Give differences of two systems with the same seeds for
    a paired interval. One seed has a mean and no limits (nan).

    Raises:
        ValueError: values that are not (S,), empty or not finite; a level outside (0, 1).
    """
    array = checked(values, 1, level)
    seeds = len(array)
    if seeds == 1:
        return Interval(float(array[0]), np.nan, np.nan, 1, 0)
    half = student_quantile((1 + level) / 2, seeds - 1) * float(array.std(ddof=1)) / seeds**0.5
    mean = float(array.mean())
    return Interval(mean, mean - half, mean + half, seeds, 0)


def two_way_interval(values: npt.ArrayLike, *, level: float = LEVEL) -> Interval:
    """The mean of one value per seed and video, (S, N), and its interval over other seeds and other videos.

    The model is y[s, n] = mean + seed effect + video effect + rest. With the mean squares MS of the three,
    the variance of the mean is (MS_seed + MS_video - MS_rest) / (S N), and its degrees of freedom are
    Satterthwaite's: (sum of the terms)^2 / sum of (term^2 / degrees of freedom of the term). Videos whose
    mean square is not above that of the rest have no effect of their own: what is left is `student_interval`.

    Raises:
        ValueError: values that are not (S, N), with two videos or more, or are not finite; a level outside
            (0, 1).

    Source: Satterthwaite, "An approximate distribution of estimates of variance components", 1946.
    """
    array = checked(values, 2, level)
    seeds, videos = array.shape
    if videos < 2:
        raise ValueError(f"values of {videos} video, expected two or more: give the seeds' means alone.")
    mean = float(array.mean())
    if seeds == 1:
        return Interval(mean, np.nan, np.nan, 1, videos)
    by_seed, by_video = array.mean(axis=1, keepdims=True), array.mean(axis=0, keepdims=True)
    free = np.array([seeds - 1, videos - 1, (seeds - 1) * (videos - 1)])
    squares = np.array(
        [
            videos * ((by_seed - mean) ** 2).sum(),
            seeds * ((by_video - mean) ** 2).sum(),
            ((array - by_seed - by_video + mean) ** 2).sum(),
        ]
    )
    of_seed, of_video, rest = squares / free
    terms = np.array([of_seed, of_video, -rest] if of_video > rest else [of_seed, 0.0, 0.0])
    total = float(terms.sum())
    degrees = max(1.0, total**2 / float((terms**2 / free).sum())) if total > 0 else 1.0
    half = student_quantile((1 + level) / 2, degrees) * (total / array.size) ** 0.5
    return Interval(mean, mean - half, mean + half, seeds, videos)


def checked(values: npt.ArrayLike, axes: int, level: float) -> npt.NDArray[np.float64]:
    """The values as an array of that many axes; ValueError where they have no mean, or the level is none."""
    array = np.asarray(values, dtype=float)
    if array.ndim != axes or not array.size or not np.isfinite(array).all():
        kind = ("(S,)", "(S, N)")[axes - 1]
        raise ValueError(f"values of shape {array.shape}, expected {kind}, finite and not empty.")
    if not 0 < level < 1:
        raise ValueError(f"level = {level}, expected one in (0, 1).")
    return array


@lru_cache
def student_quantile(p: float, df: float) -> float:
    """Quantile of Student's t with df >= 1 degrees of freedom, whole or not, to five digits.

    The density is summed from 0 outwards on a grid that widens with the distance, by the trapezoidal rule.

    Raises:
        ValueError: p outside (0.0001, 0.9999), or df below 1.
    """
    if not 1e-4 < p < 1 - 1e-4 or not df >= 1:
        raise ValueError(f"p = {p}, df = {df}: expected 0.0001 < p < 0.9999 and df >= 1.")
    x = np.sinh(np.linspace(0, 10, 8001))
    scale = exp(lgamma((df + 1) / 2) - lgamma(df / 2) - log(df * pi) / 2)
    density = scale * np.exp(-(df + 1) / 2 * np.log1p(x**2 / df))
    share = np.concatenate([[0], np.cumsum(np.diff(x) * (density[1:] + density[:-1]) / 2)])
    return float(np.copysign(np.interp(abs(p - 0.5), share, x), p - 0.5))
