"""What SA and CMA do with segments of which one knows whether they are spoilt: pure functions of weights.

A score says that a block helps; these say whether it helps by what it is there for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cmpie_lite.labels import AUDIO, NUM_MODALITIES
from cmpie_lite.results.analysis import gate_spread

GATES: Final = ("sa.segment", "sa.global")  # weights per segment, (N, M, T), among a model's `weights`
# What `mechanism` measures, and what it would be for a block that does not look.
MEASURES: Final[dict[str, str]] = {
    "gate_auc": "how well SA's 1 - W tells spoilt segments from others (AUC; 0.5: not at all)",
    "gate_videos": "spread of W over videos (0: the gate reads no content)",
    "gate_places": "spread of W over places (0: all seconds are treated alike)",
    "cma_clean": "share of CMA's attention on segments that are not spoilt, above chance",
    "cma_audio": "share of CMA's attention on audio (0.5: as much as on visual)",
}


def auc(scores: Float[Tensor, " K"], labels: Bool[Tensor, " K"]) -> float:
    """The probability that a positive scores higher than a negative, ties counted half; nan without both.

    Equals the area under the ROC curve (Mann and Whitney's U over the number of pairs).
    """
    positive, negative = int(labels.sum()), int((~labels).sum())
    if not positive or not negative:
        return float("nan")
    ranks = pd.Series(scores.double().numpy()).rank().to_numpy()
    wins = ranks[labels.numpy()].sum() - positive * (positive + 1) / 2
    return float(wins / (positive * negative))


def gate_measures(gate: Float[Tensor, "N M T"], spoilt: Bool[Tensor, "N M T"]) -> dict[str, float]:
    """The three measures of SA's weights W; `gate_auc` is nan where nothing is spoilt.

    gate_videos, gate_places: as `analysis.gate_spread`.
    """
    videos, places = gate_spread(gate)
    return {
        "gate_auc": auc(1 - gate.flatten(), spoilt.flatten()),
        "gate_videos": videos,
        "gate_places": places,
    }


def attention_measures(
    maps: Iterable[Float[Tensor, "N T K"]], spoilt: Bool[Tensor, "N M T"]
) -> dict[str, float]:
    """The two measures of CMA's attention over 2T keys, audio's first; empty where keys are not tokens.

    cma_clean: the mean weight that queries give to keys that are not spoilt, less the share of such keys.
    cma_audio: the mean weight that they give to audio's keys.
    """
    clean = (~spoilt).flatten(1).double()  # (N, 2T), in the order of the keys
    segments = spoilt.shape[2]
    found = [map_.double().mean(1) for map_ in maps if map_.shape[-1] == NUM_MODALITIES * segments]
    if not found:
        return {}
    weight = torch.stack(found).mean(0)  # (N, 2T): mean over blocks and queries
    audio = weight.unflatten(1, (NUM_MODALITIES, segments))[:, AUDIO].sum(1)
    return {
        "cma_clean": float((weight * clean).sum(1).mean() - clean.mean()),
        "cma_audio": float(audio.mean()),
    }


def mechanism(weights: Mapping[str, Tensor], spoilt: Bool[Tensor, "N M T"]) -> dict[str, float]:
    """Every measure of `MEASURES` from a model's `weights`; nan for blocks that it does not have."""
    found = dict.fromkeys(MEASURES, np.nan)
    for name in GATES:
        if name in weights:
            found |= gate_measures(weights[name], spoilt)
    maps = [map_ for name, map_ in weights.items() if ".cma." in name]
    return found | attention_measures(maps, spoilt)
