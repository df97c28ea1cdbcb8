"""The labels of LLP-sim: which classes a video has, heard or seen, and when.

Drawn from counts over LLP's annotations that ship with the package (`llp_statistics.json`, made by
`data_fetch.label_statistics`); no video of LLP is in them. A *roll* is one class of one modality of one
video: ten bools. There are 2**10 of them, so that a class's habits are one table of probabilities per
modality.

Every video draws from a generator of its own, keyed by (seed, purpose, id): its labels do not depend on which
other videos there are, nor on their order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cmpie_lite.labels import CLASS_INDEX, CLASSES, MODALITIES, NUM_CLASSES, NUM_SEGMENTS

Bools = npt.NDArray[np.bool_]
Reals = npt.NDArray[np.float64]
Population = Literal["train", "eval"]  # val and test videos carry more labels each than train videos

NUM_ROLLS = 2**NUM_SEGMENTS
EMPTY, FULL_ROLL = 0, NUM_ROLLS - 1  # indices into `_rolls()`
SHAPES = (*MODALITIES, "identical")  # rolls of one modality alone, and rolls that are the same in both
SITUATIONS = ("alone", "among_others")  # the one class of a video, or one of several
PRESENCE = ("audible_only", "visible_only", "both")
PSEUDO_SHAPE = 20.0  # pseudo-counts of the pooled histogram in a class's own
PSEUDO_SHARE = 5.0  # and of a pooled share in a class's own


def video_generator(seed: int, purpose: str, video: str = "") -> np.random.Generator:
    """A generator of its own for one purpose and video; no global state, no dependence on order."""
    key = hashlib.sha256(f"{purpose}\0{video}".encode()).digest()
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence([seed, *np.frombuffer(key, "<u4").tolist()]))
    )


def _draw(rng: np.random.Generator, weights: npt.ArrayLike) -> int:
    """An index with probability proportional to its weight."""
    total = np.cumsum(weights)
    return int(np.searchsorted(total, rng.random() * total[-1], side="right"))


@lru_cache(maxsize=1)
def llp_statistics() -> Mapping[str, Any]:
    """The aggregated counts over LLP's annotations that ship with the package."""
    return json.loads(resources.files("cmpie_lite.data").joinpath("llp_statistics.json").read_text())


class _Weak(NamedTuple):
    sizes: Reals  # (labels per video,)
    alone: Reals  # (C,)
    together: Reals  # (C, C), symmetric


@lru_cache(maxsize=2)
def _weak_counts(population: Population) -> _Weak:
    found = llp_statistics()["weak"][population]
    alone = np.array([found["alone"][name] for name in CLASSES], float)
    together = np.zeros((NUM_CLASSES, NUM_CLASSES))
    for a, others in found["together"].items():
        for b, count in others.items():
            together[CLASS_INDEX[a], CLASS_INDEX[b]] = together[CLASS_INDEX[b], CLASS_INDEX[a]] = count
    return _Weak(np.array(found["labels_per_video"], float), alone, together)


def simulate_weak(ids: Sequence[str], population: Population, seed: int) -> Bools:
    """Video-level labels (N, C), as frequent and as often together as in LLP's train or val + test split."""
    counts = _weak_counts(population)
    weak = np.zeros((len(ids), NUM_CLASSES), bool)
    for row, video in zip(weak, ids, strict=True):
        rng = video_generator(seed, f"weak {population}", video)
        size = _draw(rng, counts.sizes)
        if size == 1:
            row[_draw(rng, counts.alone)] = True
            continue
        row[list(divmod(_draw(rng, counts.together.ravel()), NUM_CLASSES))] = True
        while row.sum() < size:  # a third class: one often found with those already there
            row[_draw(rng, np.where(row, 0.0, np.prod(counts.together[row] + 0.1, axis=0)))] = True
    return weak


@lru_cache(maxsize=1)
def _rolls() -> Bools:
    """All 2**T rolls (2**T, T); the first is empty, the last full."""
    return (np.arange(NUM_ROLLS)[:, None] >> np.arange(NUM_SEGMENTS) & 1).astype(bool)


@lru_cache(maxsize=1)
def _roll_features() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of all rolls: number of runs, first onset, and how many runs last d seconds (2**T, T + 1)."""
    padded = np.pad(_rolls().astype(int), ((0, 0), (1, 1)))
    durations = np.zeros((NUM_ROLLS, NUM_SEGMENTS + 1), int)
    for roll, steps in enumerate(np.diff(padded, axis=1)):
        lengths = np.flatnonzero(steps == -1) - np.flatnonzero(steps == 1)
        np.add.at(durations[roll], lengths, 1)
    return durations.sum(1), _rolls().argmax(1), durations


def _share(counts: npt.ArrayLike, pooled: npt.ArrayLike, pseudo: float = PSEUDO_SHAPE) -> Reals:
    """A class's histogram shrunk towards the pooled one: (counts + pseudo * pooled share), as shares."""
    prior = np.asarray(pooled, float) + 1e-3
    mixed = np.asarray(counts, float) + pseudo * prior / prior.sum()
    return mixed / mixed.sum()


def _roll_shares(shape: Mapping[str, Any], pooled: Mapping[str, Any]) -> Reals:
    """Probability of each roll that is neither empty nor full, raked until its histograms are the given ones.

    The histograms are of the number of runs and, for one run and for many, of durations and first onsets.
    """
    number, onset, durations = _roll_features()
    partial = (number > 0) & (durations[:, NUM_SEGMENTS] == 0)
    shares = np.zeros(NUM_ROLLS)
    runs = _share(shape["runs"], pooled["runs"])
    for kind, chosen in (("one", partial & (number == 1)), ("many", partial & (number > 1))):
        wanted = [_share(shape[f"{k}_{kind}"], pooled[f"{k}_{kind}"]) for k in ("durations", "onsets")]
        counted = [durations[chosen][:, :NUM_SEGMENTS], np.eye(NUM_SEGMENTS)[onset[chosen]]]
        fit = runs[number[chosen]] / np.bincount(number[chosen])[number[chosen]]
        for _ in range(20):
            for want, count in zip(wanted, counted, strict=True):
                have = fit @ count
                ratio = want / np.maximum(have / have.sum(), 1e-12)
                fit = fit * np.prod(ratio ** (count / count.sum(1, keepdims=True)), axis=1)
            have = np.bincount(number[chosen], fit, minlength=len(runs))
            fit = fit * (runs / np.maximum(have, 1e-12))[number[chosen]]
        shares[chosen] = fit
    return shares / shares.sum()


class _Habits(NamedTuple):
    """What one class does in one situation; each entry is a vector of weights for `_draw`."""

    presence: Reals  # audible only, visible only, both
    identical: Reals  # (no, yes), given both
    full: Mapping[str, Reals]  # (no, yes), given audible_only, visible_only, identical
    different: Reals  # audio full, visual full, neither
    shapes: Mapping[str, Reals]  # one of SHAPES -> shares of the rolls that are not full


@lru_cache(maxsize=1)
def _dense_counts() -> tuple[dict[str, list[_Habits]], Reals]:
    """Habits by situation and class; factors (2**T, 2**T) that give rolls that differ LLP's IoU."""
    found = llp_statistics()["dense"]
    classes = [found["by_class"][name] for name in CLASSES]
    histograms = classes[0]["shapes"][SHAPES[0]]
    pooled = {
        s: {h: np.sum([c["shapes"][s][h] for c in classes], axis=0) for h in histograms} for s in SHAPES
    }
    shapes = [{s: _roll_shares(c["shapes"][s], pooled[s]) for s in SHAPES} for c in classes]
    both = [{k: sum(c[s][k] for s in SITUATIONS) for k in c[SITUATIONS[0]]} for c in classes]
    total = {k: sum(c[k] for c in both) for k in both[0]}

    def habits(c: int, situation: str) -> _Habits:
        """Shares in a situation lean on the class's in both, and those on the pooled ones."""

        def lean(counts: Callable[[Mapping[str, int]], list[int]]) -> Reals:
            own = _share(counts(both[c]), counts(total), PSEUDO_SHARE)
            return _share(counts(classes[c][situation]), own, PSEUDO_SHARE)

        def out_of(part: str, whole: str) -> Reals:
            return lean(lambda n: [n[whole] - n[part], n[part]])

        def different(n: Mapping[str, int]) -> list[int]:
            full = [n["different_audio_full"], n["different_visual_full"]]
            return [*full, n["both"] - n["identical"] - sum(full)]

        return _Habits(
            lean(lambda n: [n[kind] for kind in PRESENCE]),
            out_of("identical", "both"),
            {kind: out_of(f"{kind}_full", kind) for kind in (*PRESENCE[:2], "identical")},
            lean(different),
            shapes[c],
        )

    found_habits = {s: [habits(c, s) for c in range(NUM_CLASSES)] for s in SITUATIONS}
    marginals = (_roll_shares(pooled[m], pooled[m]) for m in MODALITIES)
    return found_habits, _iou_factor(found["iou_of_different"], *marginals)


def _iou_factor(histogram: Sequence[int], audio: Any, visual: Any) -> Reals:
    """Share of each bin of IoU over its share if rolls were drawn independently; 0 for identical rolls."""
    rolls = _rolls().astype(np.float32)
    shared = rolls @ rolls.T
    union = rolls.sum(1)[:, None] + rolls.sum(1)[None] - shared
    bins = np.minimum((shared / np.maximum(union, 1) * len(histogram)).astype(int), len(histogram) - 1)
    independent = np.outer(audio, visual) * (1 - np.eye(len(rolls)))
    expected = np.bincount(bins.ravel(), independent.ravel(), minlength=len(histogram))
    factor = np.asarray(histogram, float) / sum(histogram) / expected
    return factor[bins] * (1 - np.eye(len(rolls)))


def simulate_dense(ids: Sequence[str], weak: Bools, seed: int) -> tuple[Bools, Bools]:
    """Audio and visual event rolls (N, T, C) for given video-level labels (N, C); their union is `weak`."""
    habits, factor = _dense_counts()
    rolls = _rolls()
    audio, visual = np.zeros((2, len(ids), NUM_SEGMENTS, NUM_CLASSES), bool)
    for n, video in enumerate(ids):
        rng = video_generator(seed, "dense", video)
        present = np.flatnonzero(weak[n])
        for c in present:
            heard, seen = _draw_pair(rng, habits["alone" if len(present) == 1 else "among_others"][c], factor)
            audio[n, :, c], visual[n, :, c] = rolls[heard], rolls[seen]
    return audio, visual


def _draw_pair(rng: np.random.Generator, habits: _Habits, factor: Reals) -> tuple[int, int]:
    """Which rolls (indices into `_rolls()`) a class has in audio and visual."""

    def roll(kind: str, shape: str) -> int:
        return FULL_ROLL if _draw(rng, habits.full[kind]) else _draw(rng, habits.shapes[shape])

    presence = _draw(rng, habits.presence)
    if presence == 0:
        return roll("audible_only", "audio"), EMPTY
    if presence == 1:
        return EMPTY, roll("visible_only", "visual")
    if _draw(rng, habits.identical):
        both = roll("identical", "identical")
        return both, both
    different = _draw(rng, habits.different)
    if different == 0:
        return FULL_ROLL, _draw(rng, habits.shapes["visual"])
    heard = _draw(rng, habits.shapes["audio"])
    if different == 1:
        return heard, FULL_ROLL
    return heard, _draw(rng, habits.shapes["visual"] * factor[heard])
