"""The ten F-scores against slow loops, and all pairs of patterns."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cmpie_lite.metrics import (
    event_counts,
    parsing_scores,
)
from tests.making_rolls import random_rolls
from tests.oracles import metrics as oracle


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(1, 6)),
    density=st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.8, 1.0]),
)
def test_equals_the_oracle(seed: int, shape: tuple[int, int, int], density: float) -> None:
    rolls = random_rolls(seed, shape, density)
    expected = oracle.parsing_scores(*(x.tolist() for x in rolls))
    found = parsing_scores(*rolls).as_dict()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert abs(found[name] - value) < 1e-12, name


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    iou=st.sampled_from(["0.5", "0.55", "0.6", "2/3", "0.7", "0.75", "0.9", "1"]),
)
def test_event_counts_at_other_thresholds(seed: int, iou: str) -> None:
    pred, _, true, _ = random_rolls(seed, (20, 12, 1), 0.6)
    counts = event_counts(pred, true, iou=float(Fraction(iou)))
    for n in range(20):
        seconds = [x[n, :, 0].tolist() for x in (pred, true)]
        expected = oracle.count_events(*seconds, iou=Fraction(iou))
        assert (counts.tp[n].item(), counts.fp[n].item(), counts.fn[n].item()) == expected


def patterns(length: int) -> list[list[bool]]:
    return [list(bits) for bits in itertools.product([False, True], repeat=length)]


def most_matches_of_one_event(length: int, iou: Fraction) -> int:
    """The most events that any one event matches, in either direction, over all pairs of patterns."""
    runs = [oracle.events(pattern) for pattern in patterns(length)]
    return max(
        sum(oracle.matches(event, other, iou) for other in others)
        for events, others in itertools.product(runs, runs)
        for event in events
    )


@pytest.mark.parametrize("length", range(1, 8))
def test_no_event_matches_two_by_enumeration(length: int) -> None:
    assert most_matches_of_one_event(length, Fraction(1, 2)) == 1


def test_below_one_half_an_event_can_match_two() -> None:
    assert most_matches_of_one_event(5, Fraction(2, 5)) == 2  # '##.##' against '#####'


def test_event_counts_of_all_pairs_of_patterns() -> None:
    every = patterns(6)
    pairs = list(itertools.product(every, every))
    pred, true = (torch.tensor(side)[:, :, None] for side in zip(*pairs, strict=True))
    counts = event_counts(pred, true)
    found = torch.cat([counts.tp, counts.fp, counts.fn], 1).tolist()
    assert found == [list(oracle.count_events(*pair)) for pair in pairs]
