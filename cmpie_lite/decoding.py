"""From probabilities to events: Eq. GATE, the last step of parsing, and the ways in which papers take it.

Papers that share a table do not share this step. The same predictions score differently under their gates and
thresholds, so these are a config of their own, and the default is that of HAN's authors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cmpie_lite.labels import AUDIO, VISUAL
from cmpie_lite.support.fields import check_fields, require

THRESHOLD = 0.5

Gate = Literal["global", "modality", "either", "none", "audio_global_visual_own"]


class Predictions(NamedTuple):
    """Probabilities of N videos, on the CPU, in the order of the split."""

    video: Float[Tensor, "N C"]
    audio: Float[Tensor, "N C"]
    visual: Float[Tensor, "N C"]
    segments: Float[Tensor, "N T M C"]


@dataclass(frozen=True)
class DecodeConfig:
    """Which class of a video may have events at all (the gate), and from which probability on.

    - "global": the video's probability, the same for both modalities;
    - "modality": each modality's own;
    - "either": at least one of the two modalities' own, the same for both;
    - "audio_global_visual_own": the video's for audio, the visual one for visual;
    - "none": every class may.

    Which epoch's weights are decoded is no part of it: that is chosen while training.

    Raises:
        ConfigError: an unknown gate, or a threshold outside [0, 1].
    """

    gate: Gate = "global"
    video_threshold: float = THRESHOLD
    segment_threshold: float = THRESHOLD

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("video_threshold", "segment_threshold"):
            require(self, name, 0.0 <= getattr(self, name) <= 1.0, "a probability in [0, 1]")


HANS: Final = DecodeConfig()


def decode(
    predictions: Predictions, how: DecodeConfig | float = HANS
) -> tuple[Bool[Tensor, "N T C"], Bool[Tensor, "N T C"]]:
    """Eq. GATE, audible and visible events: segment p >= threshold AND (the gate) video p >= threshold.

    Args:
        predictions: probabilities of videos and segments.
        how: gate and thresholds; a number stands for HAN's gate with both thresholds there.

    Raises:
        ValueError: if a threshold is outside [0, 1].
    """
    if not isinstance(how, DecodeConfig):
        how = DecodeConfig(video_threshold=how, segment_threshold=how)
    video, audio, visual = (probs >= how.video_threshold for probs in predictions[:3])
    gates = {
        "global": (video, video),
        "modality": (audio, visual),
        "either": (audio | visual, audio | visual),
        "audio_global_visual_own": (video, visual),
        "none": (torch.ones_like(video), torch.ones_like(video)),
    }
    heard, seen = (gate[:, None, :] for gate in gates[how.gate])
    active = predictions.segments >= how.segment_threshold
    return active[:, :, AUDIO] & heard, active[:, :, VISUAL] & seen


class Protocol(NamedTuple):
    """How some papers turn predictions into scores, and what of it no decoding can repeat."""

    papers: str
    decoding: DecodeConfig
    selection: str  # of the epoch whose weights are scored
    beside: str = ""  # what else they do


# By the paper that gives a protocol its name. Second-hand: others read it from the papers' public code. The
# numbers that a paper states rest on its protocol and its selection together.
PROTOCOLS: Final[dict[str, Protocol]] = {
    "HAN": Protocol("HAN, MM-Pyramid, MGN, VALOR, Jatin et al.", HANS, "best validation segment Type@AV"),
    "MA": Protocol("MA, CPSP", DecodeConfig("modality"), "the last epoch"),
    "JoMoLD": Protocol("JoMoLD, LSLD", DecodeConfig("modality"), "best validation event Audio"),
    "DHHN": Protocol(
        "DHHN", DecodeConfig("modality"), "three checkpoints: one each for audio, visual and both"
    ),
    "LEAP": Protocol("LEAP", DecodeConfig("either"), "best validation segment Type@AV"),
    "MM-CSE": Protocol("MM-CSE", DecodeConfig("audio_global_visual_own"), "best validation segment Type@AV"),
    "CMPAE": Protocol(
        "CMPAE",
        DecodeConfig("modality", video_threshold=0.45, segment_threshold=0.25),
        "best mean of the ten on validation",
        "visual thresholds tuned per class on validation; predictions with and without cross-attention mixed",
    ),
    "CoLeaF": Protocol(
        "CoLeaF",
        DecodeConfig("modality", video_threshold=0.52, segment_threshold=0.25),
        "best mean of the ten on validation",
    ),
    "CVCMS": Protocol(
        "CVCMS", HANS, "best event score on the test split", "selected on what it is scored on"
    ),
}
