"""Events and rolls: a round trip, its errors, and the bounds of runs."""

from __future__ import annotations

from inspect import unwrap

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from cmpie_lite.errors import DataError
from cmpie_lite.events import Event, events_to_roll, roll_to_events, run_bounds, run_starts, runs
from cmpie_lite.labels import CLASS_INDEX, CLASSES
from tests.oracles.metrics import events as oracle_runs

rolls = npst.arrays(bool, (10, 25), elements=st.booleans(), fill=st.just(False))
spans = st.tuples(st.integers(0, 9), st.integers(1, 10)).filter(lambda span: span[0] < span[1])
events = st.builds(lambda span, label: Event(*span, label), spans, st.sampled_from(CLASSES))


@settings(deadline=None, derandomize=True)
@given(roll=rolls)
def test_a_roll_survives_the_round_trip(roll: np.ndarray) -> None:
    listed = roll_to_events(roll)
    assert events_to_roll(listed).numpy().tobytes() == roll.tobytes()
    assert len(listed) == len(set(listed))
    assert listed == sorted(listed, key=lambda event: (event.onset, CLASS_INDEX[event.label]))


@settings(deadline=None, derandomize=True)
@given(roll=rolls)
def test_runs_of_one_class_and_their_starts(roll: np.ndarray) -> None:
    starts = run_starts(torch.from_numpy(roll))
    for c in range(25):
        expected = [(min(run), max(run) + 1) for run in oracle_runs(roll[:, c].tolist())]
        assert runs(roll[:, c]) == runs(torch.from_numpy(roll)[:, c]) == expected
        assert starts[:, c].nonzero()[:, 0].tolist() == [onset for onset, _ in expected]


@settings(deadline=None, derandomize=True)
@given(given_events=st.lists(events, max_size=8))
def test_a_roll_marks_exactly_what_its_events_cover(given_events: list[Event]) -> None:
    roll = events_to_roll(given_events)
    for t in range(10):
        on = {event.label for event in given_events if event.onset <= t < event.offset}
        assert {CLASSES[c] for c in roll[t].nonzero().flatten().tolist()} == on


def test_touching_and_overlapping_events_become_one() -> None:
    listed = [
        Event(0, 3, "Dog"),
        Event(3, 5, "Dog"),
        Event(4, 7, "Dog"),
        Event(8, 9, "Dog"),
        Event(0, 1, "Cat"),
    ]
    merged = [Event(0.0, 7.0, "Dog"), Event(0.0, 1.0, "Cat"), Event(8.0, 9.0, "Dog")]
    assert roll_to_events(events_to_roll(listed)) == merged
    assert roll_to_events(torch.zeros(10, 25, dtype=torch.bool)) == []


def test_other_lengths_of_video() -> None:
    assert events_to_roll([Event(10, 12, "Dog")], segments=12).shape == (12, 25)
    assert roll_to_events(torch.ones(3, 25, dtype=torch.bool))[24] == Event(0.0, 3.0, CLASSES[24])


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (Event(0, 1, "dog"), r"unknown label 'dog'\. Did you mean 'Dog'\?"),
        (Event(0, 1, "Violin"), r"Did you mean 'Violin_fiddle'\?"),
        (Event(0, 1, "zzz"), r"The 25 classes are Speech, Car"),
        (Event(-1, 1, "Dog"), r"onset -1 s lies outside the video, expected a time in 0\.\.10 s"),
        (Event(0, 11, "Dog"), r"offset 11 s lies outside the video"),
        (Event(0, float("nan"), "Dog"), r"offset nan s lies outside"),
        (
            Event(0.5, 2, "Dog"),
            r"onset 0\.5 s lies inside a segment: a roll knows only whole segments of 1 s",
        ),
        (Event(3, 3, "Dog"), r"is empty: its offset must lie after its onset"),
        (Event(9, 0, "Dog"), r"is empty"),
    ],
)
def test_an_impossible_event_is_refused(event: Event, message: str) -> None:
    with pytest.raises(DataError, match=message):
        events_to_roll([event])


def test_a_roll_of_another_kind_is_refused() -> None:
    plain = unwrap(roll_to_events)  # outside tests no shape checker stands before it
    with pytest.raises(TypeError, match=r"dtype torch\.float32, expected torch\.bool: threshold"):
        plain(torch.zeros(10, 25))
    with pytest.raises(DataError, match=r"shape \(10, 24\), expected \(T, 25\)"):
        plain(torch.zeros(10, 24, dtype=torch.bool))
    with pytest.raises(DataError, match=r"shape \(2, 10, 25\), expected \(T, 25\)"):
        plain(np.zeros((2, 10, 25), dtype=bool))


def test_run_bounds_of_every_pattern_of_eight() -> None:
    patterns = torch.arange(256)[:, None] >> torch.arange(8) & 1 == 1
    onset, offset = run_bounds(patterns.T)  # 256 classes
    for i, pattern in enumerate(patterns.tolist()):
        expected = {(min(run), max(run) + 1, t) for run in oracle_runs(pattern) for t in run}
        found = {(int(onset[t, i]), int(offset[t, i]), t) for t in range(8) if pattern[t]}
        assert found == expected
    length = offset - onset
    assert (length[~patterns.T] == -1).all()
    batched = run_bounds(patterns.T.reshape(8, 4, 64).transpose(0, 1))
    assert torch.equal(batched[0].transpose(0, 1).reshape(8, 256), onset)
    assert torch.equal(batched[1].transpose(0, 1).reshape(8, 256), offset)
