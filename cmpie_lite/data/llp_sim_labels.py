"""The labels of LLP-sim: which classes a video has, heard or seen, and when.

Drawn from counts over LLP's annotations that ship with the package (`llp_statistics.json`, made by
`data_fetch.label_statistics`); no video of LLP is in them. How likely each event roll is, given such counts,
is the matter of `llp_sim_rolls`. Three knobs bend what is drawn: `heard_only`, `place`, `label_noise`.

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

from cmpie_lite.data.llp_sim_rolls import (
    EMPTY,
    FULL_ROLL,
    Bools,
    Reals,
    all_rolls,
    iou_factor,
    raked,
    shrunk,
)
from cmpie_lite.labels import CLASS_INDEX, CLASSES, MODALITIES, NUM_CLASSES, NUM_SEGMENTS

Population = Literal["train", "eval"]  # val and test videos carry more labels each than train videos

SHAPES = (*MODALITIES, "identical")  # rolls of one modality alone, and rolls that are the same in both
SITUATIONS = ("alone", "among_others")  # the one class of a video, or one of several
PRESENCE = ("audible_only", "visible_only", "both")
PSEUDO_SHARE = 5.0  # pseudo-counts of a pooled share in a class's own


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
    shapes = [{s: raked(c["shapes"][s], pooled[s]) for s in SHAPES} for c in classes]
    both = [{k: sum(c[s][k] for s in SITUATIONS) for k in c[SITUATIONS[0]]} for c in classes]
    total = {k: sum(c[k] for c in both) for k in both[0]}

    def habits(c: int, situation: str) -> _Habits:
        """Shares in a situation lean on the class's in both, and those on the pooled ones."""

        def lean(counts: Callable[[Mapping[str, int]], list[int]]) -> Reals:
            own = shrunk(counts(both[c]), counts(total), PSEUDO_SHARE)
            return shrunk(counts(classes[c][situation]), own, PSEUDO_SHARE)

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
    marginals = (raked(pooled[m], pooled[m]) for m in MODALITIES)
    return found_habits, iou_factor(found["iou_of_different"], *marginals)


def simulate_dense(
    ids: Sequence[str], weak: Bools, seed: int, *, place: float = 1.0, heard_only: float | None = None
) -> tuple[Bools, Bools]:
    """Audio and visual event rolls (N, T, C) for given video-level labels (N, C); their union is `weak`.

    Args:
        place: with probability 1 - place the two rolls of a class are shifted together, circularly, by 0 ...
            T - 1 seconds, each as likely. At 0 no second is special, and heard and seen stay as they were to
            each other; an event that crosses the end becomes two.
        heard_only: share of a video's classes that are heard and never seen, the same for every class; the
            others are seen only, or both, in LLP's proportion. None: LLP's shares.
    """
    habits, factor = _dense_counts()
    rolls = all_rolls()
    audio, visual = np.zeros((2, len(ids), NUM_SEGMENTS, NUM_CLASSES), bool)
    for n, video in enumerate(ids):
        rng = video_generator(seed, "dense", video)
        shifts = _shifts(video_generator(seed, "place", video), place)
        present = np.flatnonzero(weak[n])
        for c in present:
            habit = habits["alone" if len(present) == 1 else "among_others"][c]
            heard, seen = _draw_pair(rng, habit, factor, heard_only)
            audio[n, :, c], visual[n, :, c] = (np.roll(rolls[i], shifts[c]) for i in (heard, seen))
    return audio, visual


def _shifts(rng: np.random.Generator, place: float) -> npt.NDArray[np.int64]:
    """By how many seconds each class of a video is shifted, (C,); all 0 where place is 1."""
    moved = rng.random(NUM_CLASSES) >= place
    return np.where(moved, rng.integers(NUM_SEGMENTS, size=NUM_CLASSES), 0)


def drop_labels(ids: Sequence[str], weak: Bools, probability: float, seed: int) -> Bools:
    """Video-level labels (N, C) of which each is missing with this probability; a video may keep none.

    Source: LLP's training labels are incomplete in this way (a class that is there was not named).
    """
    left = [video_generator(seed, "label noise", video).random(NUM_CLASSES) >= probability for video in ids]
    return weak & np.array(left)


def _draw_pair(
    rng: np.random.Generator, habits: _Habits, factor: Reals, heard_only: float | None
) -> tuple[int, int]:
    """Which rolls (indices into `all_rolls()`) a class has in audio and visual."""

    def roll(kind: str, shape: str) -> int:
        return FULL_ROLL if _draw(rng, habits.full[kind]) else _draw(rng, habits.shapes[shape])

    presence = _draw(rng, _presence(habits.presence, heard_only))
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


def _presence(own: Reals, heard_only: float | None) -> Reals:
    """Weights of heard only, seen only, both; `heard_only` replaces the first share, if given."""
    if heard_only is None:
        return own
    return np.array([heard_only, *((1 - heard_only) * own[1:] / own[1:].sum())])
