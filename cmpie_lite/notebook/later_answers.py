"""As `answers`, for the exercises of chapters 5 to 7, of Table 2 and of parsing a video."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, get_args, get_origin, get_type_hints

import pandas as pd
import torch
from torch import nn

from cmpie_lite.config import ModelConfig
from cmpie_lite.errors import ConfigError
from cmpie_lite.notebook.answers import Case, seeded
from cmpie_lite.results.published import published_scores

# ---------- chapter 5: pooling ----------


def max_pool(answer: Callable) -> Iterator[Case]:
    """Exercise 5.1."""
    p = torch.sigmoid(seeded(2, 10, 2, 3))
    yield "", answer(p), p.flatten(1, 2).max(dim=1).values


def joint_pool(answer: Callable) -> Iterator[Case]:
    """Exercise 5.2."""
    p, (a, b) = torch.sigmoid(seeded(2, 10, 2, 3)), seeded(2, 2, 10, 2, 3, seed=1)
    weights = (a + b).exp() / (a + b).exp().sum(dim=(1, 2), keepdim=True)
    yield "", answer(p, a, b), (weights * p).sum(dim=(1, 2))


def noisy_or(answer: Callable) -> Iterator[Case]:
    """Exercise 5.3."""
    p = torch.full((1, 10, 2, 1), 0.1)
    yield "twenty doubtful instances", answer(p), [[1 - 0.9**20]]
    certain = p.clone()
    certain[0, 3, 1] = 1.0
    yield "one certain instance", answer(certain), [[1.0]]


# ---------- chapter 6: metrics ----------


def type_at_av(answer: Callable) -> Iterator[Case]:
    """Exercise 6.1."""
    for row, scores in published_scores(1).items():
        cells = [100 * x for x in (scores.segment_audio, scores.segment_visual, scores.segment_av)]
        yield row, answer(*cells), sum(cells) / 3


def least_length(answer: Callable) -> Iterator[Case]:
    """Exercise 6.2."""
    for k in range(1, 5):
        lengths = (length for length in range(k, 40) if 2 * (length - k) >= length + k)
        yield f"{k} s late", answer(k), next(lengths)


def onsets(answer: Callable) -> Iterator[Case]:
    """Exercise 6.3."""
    tracks = [[second == "#" for second in track] for track in (".#.#......", "..##......")]
    for collar, hits in ((1, 2), (0, 0)):
        yield f"collar {collar}", answer(*tracks, collar), hits


# ---------- chapter 7: the whole model ----------


def gains(answer: Callable) -> Iterator[Case]:
    """Exercise 7.1."""
    rows = published_scores(2)
    for row in ("+Seg Attention", "CM-PIE"):
        above = rows[row].event_event - rows["HAN"].event_event
        yield row, answer(row), 100 * above


def how_many(answer: Any, choices: dict[str, tuple[Any, ...]]) -> Iterator[Case]:
    """Exercise 7.2."""
    possible = 0
    for values in product(*choices.values()):
        try:
            ModelConfig(**dict(zip(choices, values, strict=True)))
        except ConfigError:
            continue
        possible += 1
    yield "", answer, possible


def late_mean(answer: Callable, head: nn.Module) -> Iterator[Case]:
    """Exercise 7.3."""
    h, s = seeded(2, 3, 2, 10, 32)
    with torch.no_grad():
        logits = torch.stack([head.classifier(stream.transpose(1, 2)) for stream in (h, s)])  # type: ignore[operator]
        yield "", answer(h, s, head), logits.sigmoid().mean(0)


# ---------- Table 2 ----------


def seeds_needed(answer: Callable) -> Iterator[Case]:
    """Exercise T2.1."""
    for spread, width in ((1.0, 0.5), (2.0, 0.5), (0.5, 1.0)):
        enough = (n for n in range(1, 1000) if 1.96 * spread / math.sqrt(n) <= width)
        yield f"spread {spread:g}, width {width:g}", answer(spread, width), next(enough)


# ---------- parsing a video ----------


def in_the_file(answer: Callable, table: pd.DataFrame) -> Iterator[Case]:
    """Exercise P.1."""
    moved = answer(table, 20.0)
    for name in ("onset", "offset"):
        received = moved[name].tolist() if isinstance(moved, pd.DataFrame) else moved
        yield name, received, [seconds + 20 for seconds in table[name]]


def captions(answer: Callable) -> Iterator[Case]:
    """Exercise P.2."""
    for label, onset, offset in (("Cat", 2.0, 10.0), ("Dog", 0.0, 1.5)):
        events = pd.DataFrame({"onset": [onset, 3.0], "offset": [offset, 5.0], "label": [label, "Car"]})
        cue = f"00:{onset:06.3f} --> 00:{offset:06.3f}\n[{label}]"
        yield label, answer(events.assign(modality=["audio", "visual"])), f"WEBVTT\n\n{cue}"


def choices_of(config: type) -> dict[str, tuple[Any, ...]]:
    """The fields of a config that are words, with the words that each may be."""
    hints = get_type_hints(config).items()
    return {name: get_args(hint) for name, hint in hints if get_origin(hint) is not None}
