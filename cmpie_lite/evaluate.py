"""From a model to predictions, from predictions to events, from events to the ten scores."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cmpie_lite.data import Split
from cmpie_lite.errors import DataError
from cmpie_lite.labels import AUDIO, VISUAL
from cmpie_lite.metrics import ParsingScores, parsing_scores

THRESHOLD = 0.5


class Predictions(NamedTuple):
    """Probabilities of N videos, on the CPU, in the order of the split."""

    video: Float[Tensor, "N C"]
    audio: Float[Tensor, "N C"]
    visual: Float[Tensor, "N C"]
    segments: Float[Tensor, "N T M C"]


def predict(model: nn.Module, split: Split, batch_size: int = 256) -> Predictions:
    """Parse every video of a split, in evaluation mode, on the device of the model.

    Raises:
        ValueError: if batch_size is not positive.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size = {batch_size}, expected an integer >= 1.")
    was_training = model.training
    device = next(model.parameters()).device
    batches = []
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(split), batch_size):
                rows = slice(start, start + batch_size)
                features = (x[rows].to(device) for x in (split.audio, split.visual_2d, split.visual_3d))
                batches.append([probs.float().cpu() for probs in model(*features)[:4]])
    finally:
        model.train(was_training)
    return Predictions(*(torch.cat(parts) for parts in zip(*batches, strict=True)))


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


def truth(split: Split) -> tuple[Bool[Tensor, "N T C"], Bool[Tensor, "N T C"]]:
    """The dense labels of a split; `DataError` where it has none."""
    if split.dense_audio is None or split.dense_visual is None:
        raise DataError(
            f"a split of {len(split)} videos without dense labels cannot be scored: use val or test."
        )
    return split.dense_audio.cpu(), split.dense_visual.cpu()


def score(predictions: Predictions, split: Split, threshold: float = THRESHOLD) -> ParsingScores:
    """The ten F-scores of predictions, as fractions."""
    return parsing_scores(*decode(predictions, threshold), *truth(split))


def evaluate(model: nn.Module, split: Split, threshold: float = THRESHOLD) -> ParsingScores:
    """The ten F-scores of a model on a split, as fractions."""
    return score(predict(model, split), split, threshold)
