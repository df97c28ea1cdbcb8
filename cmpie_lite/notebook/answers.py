"""What the answers to the book's exercises are compared with, chapters 0 to 4.

Each function takes a reader's answer, and what the exercise takes from its chapter, and yields cases: what is
checked (empty where it is the only thing), the reader's value, the expected one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name

from cmpie_lite.aggregation import CrossModalAggregation
from cmpie_lite.attention import scaled_dot_product_attention
from cmpie_lite.config import ModelConfig
from cmpie_lite.events import Event, events_to_roll, roll_to_events
from cmpie_lite.han import HANLayer
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
