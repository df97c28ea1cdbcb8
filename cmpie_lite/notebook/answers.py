"""What the answers to the book's exercises are compared with, chapter by chapter.

Each function takes a reader's answer, and what the exercise takes from its chapter, and yields cases: what is
checked (empty where it is the only thing), the reader's value, the expected one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, get_args, get_origin, get_type_hints

import pandas as pd
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name

from cmpie_lite.aggregation import CrossModalAggregation
from cmpie_lite.attention import scaled_dot_product_attention
from cmpie_lite.config import ModelConfig
from cmpie_lite.errors import ConfigError
from cmpie_lite.events import Event, events_to_roll, roll_to_events
from cmpie_lite.han import HANLayer
from cmpie_lite.results.published import published_scores
from cmpie_lite.segment_attention import SegmentAttention

Case = tuple[str, Any, Any]


def seeded(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers that are the same each time."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---------- chapter 0: the task ----------


def events_together(answer: Any) -> Iterator[Case]:
    """Exercise 0.1."""
    siren = events_to_roll([Event(0, 4, "Fire_alarm"), Event(6, 10, "Fire_alarm")])
    lamp = events_to_roll([Event(3, 7, "Fire_alarm")])
    yield "", answer, [(e.onset, e.offset) for e in roll_to_events(siren & lamp)]


def wrong_labels(wrong_for: Callable, presence: Any) -> Iterator[Case]:
    """Exercise 0.2."""
    every = presence.to_numpy().sum()
    for modality, kind in (("visual", "heard only"), ("audio", "seen only")):
        yield modality, wrong_for(modality), presence[kind].sum() / every


def asynchrony(answer: Callable) -> Iterator[Case]:
    """Exercise 0.3."""
    for audio, visual, iou in (("##..", ".##.", 1 / 3), ("....", "....", 1), ("####", "..##", 1 / 2)):
        pair = (torch.tensor([second == "#" for second in track]) for track in (audio, visual))
        yield f"{audio} and {visual}", answer(*pair), iou


# ---------- chapter 1: attention ----------


def three_weights(answer: Any) -> Iterator[Case]:
    """Exercise 1.1."""
    query = math.sqrt(2) * torch.tensor([[0, -1]])
    keys = math.log(2) * torch.tensor([[0, 1], [1, 0], [2, 1]])
    yield "", answer, scaled_dot_product_attention(query, keys, keys).weights[0]


def multi_head(answer: Callable) -> Iterator[Case]:
    """Exercise 1.2."""
    queries, keys, values = seeded(3, 5, 12)
    for heads in (1, 4):
        slices = zip(*(x.chunk(heads, dim=-1) for x in (queries, keys, values)), strict=True)
        heads_apart = [scaled_dot_product_attention(*slice_).values for slice_ in slices]
        yield f"{heads} heads", answer(queries, keys, values, heads), torch.cat(heads_apart, dim=-1)


def causal(answer: Callable) -> Iterator[Case]:
    """Exercise 1.3."""
    q, k, v = seeded(3, 6, 4)
    steps = [scaled_dot_product_attention(q[t - 1 : t], k[:t], v[:t]).values for t in range(1, 7)]
    yield "", answer(q, k, v), torch.cat(steps)


# ---------- chapter 2: HAN ----------


def example(c: float = math.sqrt(math.sqrt(2) * math.log(2))) -> tuple[Tensor, Tensor, float]:
    """Audio and visual of the example by hand in chapters 2 and 4, (3, 2) each, and their unit."""
    audio = c * torch.tensor([[1, 0], [0, 1], [0, 0]])
    return audio, c * torch.tensor([[1, 0], [1, 0], [0, 1]]), c


def hybrid_row(answer: Any) -> Iterator[Case]:
    """Exercise 2.1."""
    audio, visual, c = example()
    read = [scaled_dot_product_attention(audio, x, x).values for x in (audio, visual)]
    yield "", answer, (audio + sum(read))[1] / c


def three_modalities(answer: Callable) -> Iterator[Case]:
    """Exercise 2.2."""
    features = seeded(3, 4, 6)
    yield (
        "",
        answer(features),
        [
            x + sum(scaled_dot_product_attention(x, other, other).values for other in features)
            for x in features
        ],
    )


def size_of_a_layer(answer: Callable) -> Iterator[Case]:
    """Exercise 2.3."""
    for d, ffn in ((8, 3), (12, 48), (512, 512)):
        size = sum(p.numel() for p in HANLayer(d, ffn_dim=ffn).parameters())
        yield f"d = {d}, feed-forward width {ffn}", answer(d, ffn), size


# ---------- chapter 3: segment attention ----------


def squeezed(answer: Any, features: Tensor) -> Iterator[Case]:
    """Exercise 3.1."""
    yield "", answer, features.sum(dim=0)


def both_axes(answer: Callable) -> Iterator[Case]:
    """Exercise 3.2."""
    sa, x = SegmentAttention(ModelConfig(sa_axis="both", sa_squeeze="mean", dim=6)), seeded(2, 10, 6)
    gates = [sa.gates[axis].phi[0] for axis in ("segment", "channel")]  # type: ignore[index]
    refined, _ = sa([x])
    yield "", answer(x, *gates), refined[0]


def slide(answer: Callable) -> Iterator[Case]:
    """Exercise 3.3."""
    x, weights = seeded(30, 6), seeded(10, 10, seed=1)

    def gate(pooled: Tensor) -> Tensor:
        return torch.sigmoid(pooled @ weights)

    pieces = [piece * gate(piece.mean(dim=-1))[:, None] for piece in x.split(10)]
    yield "", answer(x, gate), torch.cat(pieces)


def whose_reading(answer: Any) -> Iterator[Case]:
    """The phrases of chapter 3's exercise, in its order: what each asks one weight for."""
    asked = ("either", "segment", "segment", "either", "segment")
    yield "number of phrases", len(answer), len(asked)
    for number, pair in enumerate(zip(answer, asked, strict=True), 1):
        yield f"phrase {number}", *pair


# ---------- chapter 4: cross-modal aggregation ----------


def aggregated_row(answer: Any) -> Iterator[Case]:
    """Exercise 4.1."""
    audio, visual, c = example()
    context = torch.cat([audio, visual])
    yield "", answer, scaled_dot_product_attention(audio, context, context).values[1] / c


class Calls(TorchFunctionMode):
    """Notes the names of the functions of PyTorch that are called inside."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(str(resolve_name(func)).rsplit(".", 1)[-1])
        return func(*args, **(kwargs or {}))


def audio_share(answer: Callable) -> Iterator[Case]:
    """Exercise 4.2."""
    for size in (1, 100):
        x = size * seeded(2, 4, 6)
        maps = scaled_dot_product_attention(x, x.flatten(0, 1), x.flatten(0, 1)).weights
        with Calls() as calls:
            found = answer(x)
        yield f"size {size}", found, maps[..., :4].sum(dim=-1)
        weights = sorted(calls.names & {"softmax", "exp", "exp_", "log_softmax"})
        yield "functions that make attention weights", ", ".join(weights), ""


def by_features(answer: Callable) -> Iterator[Case]:
    """Exercise 4.3."""
    wider = CrossModalAggregation(ModelConfig(dim=6, cma_concat="features", cma_form="projected")).eval()
    for number, parameter in enumerate(wider.parameters()):  # biases begin at zero: drawn, they count
        nn.init.normal_(parameter, generator=torch.Generator().manual_seed(number))
    named = {name.removeprefix("blocks.0."): x for name, x in wider.named_parameters()}
    x = seeded(2, 10, 6)
    yield "", answer(x, named), wider(x[None])[0][0]


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
