"""What is to be heard and seen in a clip: an endless series of scenes, each a matter of its number alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cmpie_lite.events import Event
from cmpie_lite.labels import CLASSES, NUM_CLASSES, NUM_SEGMENTS


class Scene(NamedTuple):
    """What is to be heard and seen in ten seconds."""

    audio: tuple[Event, ...]
    visual: tuple[Event, ...]


def make_scene(seed: int, number: int) -> Scene:
    """Scene `number` of an endless series: up to three classes, in every relation of sound and sight.

    The first two classes are dealt from shuffled decks of all 25: the first 13 scenes show every class.
    Each class is heard and seen together, heard and seen at different times, only heard, or only seen.
    """
    rng = np.random.default_rng([seed, number])
    labels = {_dealt(seed, 2 * number), _dealt(seed, 2 * number + 1)}
    if rng.random() < 0.3:
        labels.add(str(rng.choice(CLASSES)))
    audio: list[Event] = []
    visual: list[Event] = []
    for label in sorted(labels):
        relation = rng.choice(["together", "apart", "heard", "seen"], p=[0.4, 0.2, 0.2, 0.2])
        event = _make_event(label, rng)
        if relation != "seen":
            audio.append(event)
        if relation != "heard":
            visual.append(_make_event(label, rng) if relation == "apart" else event)
    return Scene(tuple(audio), tuple(visual))


def _dealt(seed: int, card: int) -> str:
    deck = np.random.default_rng([seed, card // NUM_CLASSES, 1]).permutation(NUM_CLASSES)
    return CLASSES[deck[card % NUM_CLASSES]]


def _make_event(label: str, rng: np.random.Generator) -> Event:
    seconds = int(rng.integers(2, NUM_SEGMENTS + 1))
    onset = int(rng.integers(0, NUM_SEGMENTS - seconds + 1))
    return Event(float(onset), float(onset + seconds), label)
