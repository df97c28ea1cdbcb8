"""From probabilities to events: Eq. GATE, the last step of parsing."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor

from cmpie_lite.labels import AUDIO, VISUAL

THRESHOLD = 0.5


class Predictions(NamedTuple):
    """Probabilities of N videos, on the CPU, in the order of the split."""

    video: Float[Tensor, "N C"]
    audio: Float[Tensor, "N C"]
    visual: Float[Tensor, "N C"]
    segments: Float[Tensor, "N T M C"]


def decode(
    predictions: Predictions, threshold: float = THRESHOLD
) -> tuple[Bool[Tensor, "N T C"], Bool[Tensor, "N T C"]]:
    """Eq. GATE, audible and visible events: segment p >= threshold AND (the gate) video p >= threshold.

    Raises:
        ValueError: if the threshold is outside [0, 1].
    """
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"threshold = {threshold}, expected a probability in [0, 1].")
    gate = (predictions.video >= threshold)[:, None, :]
    active = predictions.segments >= threshold
    return active[:, :, AUDIO] & gate, active[:, :, VISUAL] & gate
