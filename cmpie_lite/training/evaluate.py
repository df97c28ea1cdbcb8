"""From a model to predictions on a split, and from predictions to the ten scores."""

from __future__ import annotations

import torch
from torch import nn

from cmpie_lite.data.store import Split
from cmpie_lite.decoding import HANS, PROTOCOLS, DecodeConfig, Predictions, decode
from cmpie_lite.metrics import ParsingScores, parsing_scores


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
                batches.append([probs.float().cpu() for probs in model(*features).predictions()])
    finally:
        model.train(was_training)
    return Predictions(*(torch.cat(parts) for parts in zip(*batches, strict=True)))


def score(predictions: Predictions, split: Split, how: DecodeConfig | float = HANS) -> ParsingScores:
    """The ten F-scores of predictions, as fractions, decoded as `decode` takes `how`."""
    return parsing_scores(*decode(predictions, how), *split.truth())


def evaluate(model: nn.Module, split: Split, how: DecodeConfig | float = HANS) -> ParsingScores:
    """The ten F-scores of a model on a split, as fractions."""
    return score(predict(model, split), split, how)


def score_by_protocol(predictions: Predictions, split: Split) -> dict[str, ParsingScores]:
    """One set of predictions under the gate and thresholds of each of `PROTOCOLS`, and without a gate.

    Their rules for choosing an epoch are not applied: the predictions are of one.
    """
    ways = {name: protocol.decoding for name, protocol in PROTOCOLS.items()}
    ways["no gate"] = DecodeConfig("none")
    return {name: score(predictions, split, how) for name, how in ways.items()}
