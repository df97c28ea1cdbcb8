"""Attentive MMIL pooling: from segment probabilities to video probabilities.

A video is a bag, its segments in two modalities are the instances; only bags have labels. Source: HAN
(Tian et al., ECCV 2020), which the paper uses unchanged.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cmpie_lite.labels import NUM_CLASSES, NUM_MODALITIES


class Pooled(NamedTuple):
    """Video-level probabilities and the attention weights behind them.

    `audio` and `visual` are weighted means of segment probabilities, hence in [0, 1]. `video` is not: its
    weights A_t A_m sum to anything in (0, 2), so it may exceed 1; the loss clamps it, as HAN's authors do.
    """

    video: Float[Tensor, "B C"]
    audio: Float[Tensor, "B C"]
    visual: Float[Tensor, "B C"]
    temporal: Float[Tensor, "B T M C"]  # sums to one over T
    modality: Float[Tensor, "B T M C"]  # sums to one over M


def mmil_pool(
    segment_probs: Float[Tensor, "B T M C"],
    temporal_logits: Float[Tensor, "B T M C"],
    modality_logits: Float[Tensor, "B T M C"],
) -> Pooled:
    """Eq. MMIL: pool segment probabilities by attention over time and over modalities.

    A_t = softmax over T, A_m = softmax over M;
    video = Σ_t Σ_m A_t A_m p, audio = Σ_t A_t p[audio], visual = Σ_t A_t p[visual].

    Raises:
        ValueError: if the three tensors differ in shape, or axis M is not 2.
    """
    shapes = [tuple(x.shape) for x in (segment_probs, temporal_logits, modality_logits)]
    if len(set(shapes)) != 1 or segment_probs.ndim != 4 or shapes[0][2] != NUM_MODALITIES:
        raise ValueError(f"shapes {shapes}, expected three times (B, T, 2, C) with M = (audio, visual).")
    temporal = torch.softmax(temporal_logits, dim=1)
    modality = torch.softmax(modality_logits, dim=2)
    weighted = temporal * segment_probs
    audio, visual = weighted.sum(dim=1).unbind(dim=1)
    video = (weighted * modality).sum(dim=(1, 2))
    return Pooled(video, audio, visual, temporal, modality)


class MMILPooling(nn.Module):
    """The head: three linear maps of the features, p = σ(W z) and the logits of A_t and A_m.

    The two attention maps have no bias: it would shift every logit of a softmax alike.
    """

    def __init__(self, dim: int = 512, classes: int = NUM_CLASSES) -> None:
        super().__init__()
        self.classifier = nn.Linear(dim, classes)
        self.temporal = nn.Linear(dim, classes, bias=False)
        self.modality = nn.Linear(dim, classes, bias=False)

    def forward(self, features: Float[Tensor, "B 2 T D"]) -> tuple[Float[Tensor, "B T 2 C"], Pooled]:
        """Returns segment probabilities (B, T, M, C) and what they pool to."""
        maps = (self.classifier, self.temporal, self.modality)
        logits, temporal, modality = (linear(features).transpose(1, 2) for linear in maps)
        segments = torch.sigmoid(logits)
        return segments, mmil_pool(segments, temporal, modality)
