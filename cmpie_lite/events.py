"""Event lists and event rolls: the same annotation, for people and for tensors.

An *event* is a maximal run of positive segments of one class: half-open in time, onset <= t < offset, in
seconds. An *event roll* is the bool matrix (T, C) that says which class is on in which segment. Going from a
roll to its events and back changes nothing; going from events to a roll merges those that touch or overlap.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int32
from torch import Tensor

from cmpie_lite.errors import DataError
from cmpie_lite.labels import CLASS_INDEX, CLASSES, NUM_CLASSES, NUM_SEGMENTS, SEGMENT_SECONDS
from cmpie_lite.support.names import did_you_mean
from cmpie_lite.support.text import shown


class Event(NamedTuple):
    """One event: heard or seen from `onset` until just before `offset` (seconds, half-open)."""

    onset: float
    offset: float
    label: str


def class_index(label: str) -> int:
    """Return the index of a class in `labels.CLASSES`.

    Raises:
        DataError: the label is unknown; the message names the nearest known one.
    """
    if label in CLASS_INDEX:
        return CLASS_INDEX[label]
    hint = did_you_mean(label, CLASSES) or f" The {NUM_CLASSES} classes are {', '.join(CLASSES)}."
    raise DataError(f"unknown label {shown(str(label))}.{hint}")


def events_to_roll(events: Iterable[Event], *, segments: int = NUM_SEGMENTS) -> Bool[Tensor, "T C"]:
    """Mark every segment that an event covers: roll[t, c] = any(onset <= t < offset) over the events of c.

    Args:
        events: in any order; events of one class that touch or overlap become one.
        segments: T, the length of the video in segments of one second.

    Raises:
        DataError: an unknown label; an event that is empty, lies outside the video, or does not begin and end
            on a border between segments.

    Example:
        >>> events_to_roll([Event(2, 5, "Dog")]).sum().item()
        3
    """
    roll = torch.zeros(segments, NUM_CLASSES, dtype=torch.bool)
    for event in events:
        onset, offset = segment_range(event.onset, event.offset, segments=segments)
        if offset <= onset:
            raise DataError(f"{event} is empty: its offset must lie after its onset.")
        roll[onset:offset, class_index(event.label)] = True
    return roll


def segment_range(onset: float, offset: float, *, segments: int = NUM_SEGMENTS) -> tuple[int, int]:
    """Return (first segment, segment after the last) of the span [onset, offset), given in seconds.

    Raises:
        DataError: a time that is not finite, lies outside the video or is no whole number of segments.
    """
    end = segments * SEGMENT_SECONDS
    for name, time in (("onset", onset), ("offset", offset)):
        if not 0 <= time <= end:  # also false for nan
            raise DataError(f"{name} {time} s lies outside the video, expected a time in 0..{end:g} s.")
        if time % SEGMENT_SECONDS != 0:
            raise DataError(
                f"{name} {time} s lies inside a segment: a roll knows only whole segments of "
                f"{SEGMENT_SECONDS:g} s. Round the event to segment borders first."
            )
    return round(onset / SEGMENT_SECONDS), round(offset / SEGMENT_SECONDS)


def roll_to_events(roll: Bool[Tensor, "T C"] | Bool[np.ndarray, "T C"]) -> list[Event]:
    """List the events of a roll, the earliest first, classes in their order where onsets are equal.

    Raises:
        TypeError: the roll is not bool.
        DataError: the roll is not (T, 25).
    """
    roll = torch.as_tensor(roll)
    if roll.dtype != torch.bool:
        raise TypeError(f"roll has dtype {roll.dtype}, expected torch.bool: threshold probabilities first.")
    if roll.ndim != 2 or roll.shape[1] != NUM_CLASSES:
        raise DataError(f"roll has shape {tuple(roll.shape)}, expected (T, {NUM_CLASSES}): one video.")
    offset = run_bounds(roll)[1]
    starts = run_starts(roll).nonzero().tolist()
    return [Event(t * SEGMENT_SECONDS, int(offset[t, c]) * SEGMENT_SECONDS, CLASSES[c]) for t, c in starts]


def runs(roll: Bool[Tensor, " T"] | Bool[np.ndarray, " T"]) -> list[tuple[int, int]]:
    """The half-open bounds (onset, offset) of every maximal run of one class, in segments, earliest first.

    Example:
        >>> runs(torch.tensor([True, True, False, True]))
        [(0, 2), (3, 4)]
    """
    column = torch.as_tensor(roll)[:, None]
    onset, offset = (bound[run_starts(column)].tolist() for bound in run_bounds(column))
    return list(zip(onset, offset, strict=True))


def run_starts(roll: Bool[Tensor, "*N T C"]) -> Bool[Tensor, "*N T C"]:
    """True in the first segment of every maximal run: roll[t] and not roll[t - 1]."""
    starts = roll.clone()
    starts[..., 1:, :] &= ~roll[..., :-1, :]
    return starts


def segment_index(roll: Bool[Tensor, "*N T C"]) -> Int32[Tensor, "T 1"]:
    """Return 0 .. T-1 as a column, to compare with what `run_bounds` gives."""
    return torch.arange(roll.shape[-2], dtype=torch.int32, device=roll.device)[:, None]


def run_bounds(roll: Bool[Tensor, "*N T C"]) -> tuple[Int32[Tensor, "*N T C"], Int32[Tensor, "*N T C"]]:
    """For every positive segment, the half-open bounds of the maximal run that holds it.

    onset[t] is one more than the last negative segment before t, offset[t] the first negative segment after
    t: a running maximum and a running minimum. At a negative segment onset = t + 1 and offset = t, so that
    offset - onset is the length of the run where there is one, and -1 where there is none.
    """
    t, length = segment_index(roll), roll.shape[-2]
    onset = torch.where(roll, 0, t + 1).cummax(-2).values
    offset = torch.where(roll, length, t).flip(-2).cummin(-2).values.flip(-2)
    return onset, offset
