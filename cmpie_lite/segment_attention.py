"""Segment-based attention (Eq. 4-7): squeeze the features, excite a weight, multiply it back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cmpie_lite.config import ModelConfig
from cmpie_lite.labels import NUM_MODALITIES, NUM_SEGMENTS

Axis = Literal["segment", "global", "channel"]
GLOBAL_REDUCTION: Final = 16  # squeeze-and-excitation's, which has hundreds of channels as "global" has
STILL: Final = 1e-8  # a variance far below this is that of a clip that stands still


def excitation(inputs: int, hidden: int, outputs: int, layers: int) -> nn.Sequential:
    """φ of Eq. 4-5: `layers` linear layers, ReLU between them, a Sigmoid at the end."""
    sizes = [inputs] + [hidden] * (layers - 1) + [outputs]
    steps: list[nn.Module] = []
    for narrow, wide in pairwise(sizes):
        steps += [nn.Linear(narrow, wide), nn.ReLU()]
    return nn.Sequential(*steps[:-1], nn.Sigmoid())


def squeeze(features: Float[Tensor, "B T _"], axis: int, how: str) -> Float[Tensor, "B K"]:
    """What φ reads: one axis of the features averaged, or summed, away.

    "standardised" is the mean with zero mean and unit variance over what is left, the inputs of φ:
    q_k = (m_k - mean(m)) / sqrt(var(m) + 1e-8), m the mean. A mean over hundreds of signed channels is a
    hundred times smaller than the biases of φ, whose gate then hardly depends on the clip. Standardised over
    the K inputs, and not over the channels before the mean, which would then be zero for every segment, the
    clip's profile has the size that φ is initialised for. What is lost is the clip's own level.
    """
    if how == "sum":
        return features.sum(dim=axis)
    mean = features.mean(dim=axis)
    if how == "mean":
        return mean
    return nn.functional.layer_norm(mean, mean.shape[-1:], eps=STILL)


class AxisGate(nn.Module):
    """Weights along one axis of (B, M, T, D) features: squeeze the other axis, then φ.

    W^m = φ(squeeze φ_s^m), in (0, 1), shaped to multiply the features:

    - "segment" squeezes D; φ: T -> T; one weight per segment (B, T, 1);
    - "channel" squeezes T, as Eq. 4 sums; φ: D -> D; one weight per channel (B, 1, D);
    - "global" squeezes T, as Eq. 4 sums; φ: D -> D/16 -> T; one weight per segment (B, T, 1), as the index t
      of W_t and the words ask.
    """

    def __init__(self, axis: Axis, config: ModelConfig) -> None:
        super().__init__()
        self.how = config.sa_squeeze
        self.squeezed = -1 if axis == "segment" else -2  # the axis that φ does not see
        self.spread = -2 if axis == "channel" else -1  # the axis along which all share a weight
        inputs = NUM_SEGMENTS if axis == "segment" else config.dim
        outputs = config.dim if axis == "channel" else NUM_SEGMENTS
        hidden = max(1, inputs // (GLOBAL_REDUCTION if axis == "global" else config.sa_reduction))
        count = 1 if config.sa_sharing == "shared" else NUM_MODALITIES
        self.phi = nn.ModuleList(excitation(inputs, hidden, outputs, config.sa_layers) for _ in range(count))

    def forward(self, features: Sequence[Float[Tensor, "B T _"]]) -> list[Tensor]:
        """One gate per modality, each (B, T, 1) or (B, 1, D)."""
        gates = []
        for m, one in enumerate(features):
            phi = self.phi[min(m, len(self.phi) - 1)]
            gates.append(phi(squeeze(one, self.squeezed, self.how)).unsqueeze(self.spread))
        return gates


class SegmentAttention(nn.Module):
    """The SA module: W_t^m = φ(squeeze of φ_s^m) (Eq. 4-5), f̃_t^m = φ_t^m * W_t^m (Eq. 6-7).

    Source: the paper, section 2.2. Which axis Eq. 4 means, mean or sum, and φ's depth are fields of
    `ModelConfig` (sa_axis, sa_squeeze, sa_layers, sa_reduction, sa_sharing).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        axes: tuple[Axis, ...] = ("segment", "global", "channel")
        chosen = ("segment", "channel") if config.sa_axis == "both" else (config.sa_axis,)
        self.gates = nn.ModuleDict({axis: AxisGate(axis, config) for axis in axes if axis in chosen})

    def forward(self, features: Sequence[Float[Tensor, "B T _"]]) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Gate each modality's features (B, T, width of its own).

        Returns the refined features, and the weights: {"segment" or "global": (B, M, T), "channel":
        (B, M, D)} as far as the axis was asked for.
        """
        refined = list(features)
        weights: dict[str, Tensor] = {}
        for axis, gate in self.gates.items():
            gates = gate(features)
            refined = [one * weight for one, weight in zip(refined, gates, strict=True)]
            weights[axis] = torch.stack([weight.flatten(1) for weight in gates], dim=1)
        return refined, weights
