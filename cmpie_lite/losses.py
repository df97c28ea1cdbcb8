"""The weak-label loss: three binary cross-entropies against the video-level labels.

The paper states no loss; this is that of HAN, on whose head CM-PIE stands.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

CLAMP = (
    1e-7  # probabilities are held in [CLAMP, 1 - CLAMP], so that a wrong certainty costs 16.1, not infinity
)


class WeakLabelLoss(NamedTuple):
    """Mean losses in nats; `total` is what is minimised."""

    audio: Float[Tensor, ""]
    visual: Float[Tensor, ""]
    video: Float[Tensor, ""]

    @property
    def total(self) -> Float[Tensor, ""]:
        """Eq. LOSS: the sum of the three, in nats."""
        return self.audio + self.visual + self.video


def smooth(labels: Float[Tensor, "*shape"], smoothing: float) -> Float[Tensor, "*shape"]:
    """Eq. SMOOTH: (1 - s) y + s / 2, a label that admits it may be wrong. With s = 0.1: 0.9 y + 0.05.

    Raises:
        ValueError: if smoothing is outside [0, 1).
    """
    if not 0.0 <= smoothing < 1.0:
        raise ValueError(f"smoothing = {smoothing}, expected a number in [0, 1).")
    return (1.0 - smoothing) * labels + smoothing / 2


def binary_cross_entropy(
    probs: Float[Tensor, "*shape"], targets: Float[Tensor, "*shape"]
) -> Float[Tensor, ""]:
    """Eq. BCE: mean of -(y log p + (1 - y) log(1 - p)), p clamped to [1e-7, 1 - 1e-7]."""
    probs = probs.float().clamp(CLAMP, 1.0 - CLAMP)
    return -(targets * probs.log() + (1.0 - targets) * (1.0 - probs).log()).mean()


def weak_label_loss(
    audio: Float[Tensor, "B C"],
    visual: Float[Tensor, "B C"],
    video: Float[Tensor, "B C"],
    labels: Float[Tensor, "B C"],
    visual_smoothing: float = 0.1,
) -> WeakLabelLoss:
    """Eq. LOSS: BCE(audio, y) + BCE(visual, 0.9 y + 0.05) + BCE(video, y).

    A video-level label need not hold in both modalities. Events of LLP are more often audible than visible,
    hence the smoothed visual target.
    """
    return WeakLabelLoss(
        audio=binary_cross_entropy(audio, labels),
        visual=binary_cross_entropy(visual, smooth(labels, visual_smoothing)),
        video=binary_cross_entropy(video, labels),
    )
