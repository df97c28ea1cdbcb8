"""Event rolls as a finite set, and how likely each of them is, given counts over LLP's annotations.

A *roll* is one class of one modality of one video: ten bools. There are 2**10 of them, so that a class's
habits are one table of probabilities per modality. Counts fix only some sums over that table (how many runs,
how long, where they begin); `raked` finds a table that has these sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cmpie_lite.events import run_bounds, run_starts
from cmpie_lite.labels import NUM_SEGMENTS

Bools = npt.NDArray[np.bool_]
Reals = npt.NDArray[np.float64]

NUM_ROLLS = 2**NUM_SEGMENTS
EMPTY, FULL_ROLL = 0, NUM_ROLLS - 1  # indices into `all_rolls()`
PSEUDO_SHAPE = 20.0  # pseudo-counts of the pooled histogram in a class's own
SWEEPS = 20  # of raking; every histogram is then within 0.01 of the wanted one


@lru_cache(maxsize=1)
def all_rolls() -> Bools:
    """All 2**T rolls (2**T, T); the first is empty, the last full."""
    return (np.arange(NUM_ROLLS)[:, None] >> np.arange(NUM_SEGMENTS) & 1).astype(bool)


@lru_cache(maxsize=1)
def roll_counts() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of all rolls: number of runs, first onset, and how many runs last d seconds (2**T, T + 1)."""
    rolls = torch.from_numpy(all_rolls())[..., None]  # (2**T, T, 1)
    onset, offset = run_bounds(rolls)
    starts = run_starts(rolls)
    durations = np.zeros((NUM_ROLLS, NUM_SEGMENTS + 1), int)
    np.add.at(durations, (starts.nonzero()[:, 0].numpy(), (offset - onset)[starts].numpy()), 1)
    return durations.sum(1), all_rolls().argmax(1), durations


def shrunk(counts: npt.ArrayLike, pooled: npt.ArrayLike, pseudo: float = PSEUDO_SHAPE) -> Reals:
    """A class's histogram shrunk towards the pooled one: (counts + pseudo * pooled share), as shares."""
    prior = np.asarray(pooled, float) + 1e-3
    mixed = np.asarray(counts, float) + pseudo * prior / prior.sum()
    return mixed / mixed.sum()


def raked(shape: Mapping[str, Any], pooled: Mapping[str, Any]) -> Reals:
    """Probability of each roll that is neither empty nor full, such that its histograms are the given ones.

    The histograms are of the number of runs and, for one run and for many, of durations and first onsets;
    each is `shrunk` towards the pooled one. Iterative proportional fitting ("raking"): beginning with equal
    shares, multiply every roll's share by (wanted / present) of each histogram in turn, and again.

    Source: Deming and Stephan, "On a least squares adjustment of a sampled frequency table when the expected
        marginal totals are known", Annals of Mathematical Statistics 11, 1940.
    """
    number, onset, durations = roll_counts()
    partial = (number > 0) & (durations[:, NUM_SEGMENTS] == 0)
    shares = np.zeros(NUM_ROLLS)
    runs = shrunk(shape["runs"], pooled["runs"])
    for kind, chosen in (("one", partial & (number == 1)), ("many", partial & (number > 1))):
        wanted = [shrunk(shape[f"{k}_{kind}"], pooled[f"{k}_{kind}"]) for k in ("durations", "onsets")]
        counted = [durations[chosen][:, :NUM_SEGMENTS], np.eye(NUM_SEGMENTS)[onset[chosen]]]
        fit = runs[number[chosen]] / np.bincount(number[chosen])[number[chosen]]
        for _ in range(SWEEPS):
            for want, count in zip(wanted, counted, strict=True):
                have = fit @ count
                ratio = want / np.maximum(have / have.sum(), 1e-12)
                fit = fit * np.prod(ratio ** (count / count.sum(1, keepdims=True)), axis=1)
            have = np.bincount(number[chosen], fit, minlength=len(runs))
            fit = fit * (runs / np.maximum(have, 1e-12))[number[chosen]]
        shares[chosen] = fit
    return shares / shares.sum()


def iou_factor(histogram: Sequence[int], audio: Reals, visual: Reals) -> Reals:
    """Share of each bin of IoU over its share if rolls were drawn independently; 0 for identical rolls."""
    rolls = all_rolls().astype(np.float32)
    shared = rolls @ rolls.T
    union = rolls.sum(1)[:, None] + rolls.sum(1)[None] - shared
    bins = np.minimum((shared / np.maximum(union, 1) * len(histogram)).astype(int), len(histogram) - 1)
    independent = np.outer(audio, visual) * (1 - np.eye(len(rolls)))
    expected = np.bincount(bins.ravel(), independent.ravel(), minlength=len(histogram))
    factor = np.asarray(histogram, float) / sum(histogram) / expected
    return factor[bins] * (1 - np.eye(len(rolls)))
