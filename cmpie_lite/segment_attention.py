"""Segment-based attention (Eq. 4-7): squeeze the features, excite a weight, multiply it back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cmpie_lite.config import ModelConfig
from cmpie_lite.labels import NUM_MODALITIES, NUM_SEGMENTS


def excitation(width: int, layers: int, reduction: int) -> nn.Sequential:
    """φ of Eq. 4-5: `layers` linear layers, ReLU between them, a Sigmoid at the end."""
    hidden = max(1, width // reduction)
    sizes = [width] + [hidden] * (layers - 1) + [width]
    steps: list[nn.Module] = []
    for narrow, wide in pairwise(sizes):
        steps += [nn.Linear(narrow, wide), nn.ReLU()]
    return nn.Sequential(*steps[:-1], nn.Sigmoid())


class AxisGate(nn.Module):
    """Weights along one axis of (B, M, T, D) features: squeeze the other axis, then φ.

    W^m = φ(squeeze φ_s^m), in (0, 1), shaped to multiply the features. Squeezing D gives a weight per
    segment (B, M, T, 1); squeezing T, as Eq. 4 sums, gives one per channel (B, M, 1, D).
    """

    def __init__(self, axis: Literal["segment", "channel"], config: ModelConfig) -> None:
        super().__init__()
        self.squeezed = -1 if axis == "segment" else -2
        self.squeeze = torch.mean if config.sa_squeeze == "mean" else torch.sum
        width = NUM_SEGMENTS if axis == "segment" else config.dim
        count = 1 if config.sa_sharing == "shared" else NUM_MODALITIES
        self.phi = nn.ModuleList(
            excitation(width, config.sa_layers, config.sa_reduction) for _ in range(count)
        )

    def forward(self, features: Sequence[Float[Tensor, "B T _"]]) -> list[Tensor]:
        """One gate a modality, each (B, T, 1) or (B, 1, D)."""
        gates = []
        for m, one in enumerate(features):
            phi = self.phi[min(m, len(self.phi) - 1)]
            gates.append(phi(self.squeeze(one, dim=self.squeezed)).unsqueeze(self.squeezed))
        return gates


class SegmentAttention(nn.Module):
    """The SA module: W_t^m = φ(squeeze of φ_s^m) (Eq. 4-5), f̃_t^m = φ_t^m * W_t^m (Eq. 6-7).

    Source: the paper, section 2.2. Which axis Eq. 4 means, mean or sum, and φ's depth are fields of
    `ModelConfig` (sa_axis, sa_squeeze, sa_layers, sa_reduction, sa_sharing).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        axes: tuple[Literal["segment", "channel"], ...] = ("segment", "channel")
        self.gates = nn.ModuleDict(
            {axis: AxisGate(axis, config) for axis in axes if config.sa_axis in (axis, "both")}
        )

    def forward(self, features: Sequence[Float[Tensor, "B T _"]]) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Gate each modality's features (B, T, width of its own).

        Returns the refined features, and the weights: {"segment": (B, M, T), "channel": (B, M, D)} as far
        as the axis was asked for.
        """
        refined = list(features)
        weights: dict[str, Tensor] = {}
        for axis, gate in self.gates.items():
            gates = gate(features)
            refined = [one * weight for one, weight in zip(refined, gates, strict=True)]
            weights[axis] = torch.stack([weight.flatten(1) for weight in gates], dim=1)
        return refined, weights
