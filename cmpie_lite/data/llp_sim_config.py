"""The fields of LLP-sim: sizes, difficulty, and the knobs of the controlled study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cmpie_lite.support.fields import check_fields, require


@dataclass(frozen=True)
class SimConfig:
    """Sizes, difficulty and knobs of LLP-sim. Strengths are in standard deviations of a video's background.

    Each knob draws from a stream of its own per video, so that turning one leaves everything else in a video
    as it was (`heard_only` redraws a video's events).
    """

    # --- sizes ---
    num_train: int = 640  # videos
    num_val: int = 200  # videos
    num_test: int = 400  # videos
    seed: int = 0  # of labels, prototypes and features
    # --- difficulty ---
    audio_signal: float = 9.6  # norm of a class's evidence in the audio latent
    visual_signal: float = 6.4  # and in the visual latent
    gain_spread: float = 0.3  # standard deviation of the log of an instance's strength
    audio_faint: float = 0.1  # probability that an event is hardly heard
    visual_faint: float = 0.2  # probability that an event is hardly seen
    faint_gain: float = 0.3  # what is then left of its strength
    ghost: float = 0.3  # probability that a class annotated in one modality also shows in the other
    distractor: float = 0.2  # probability, per video and modality, of evidence of a class without label
    similarity: float = 0.5  # cosine of the prototypes of two classes that are alike
    segment_noise: float = 1.0  # standard deviation of what changes from segment to segment
    leak: float = 0.3  # share of an event's strength that reaches the segments next to it
    feature_noise: float = 0.05  # standard deviation of the noise on each feature, in feature units
    # --- knobs: of the labels ---
    place: float = 1.0  # how far events keep LLP's habits of time; 0: every second is as likely as another
    heard_only: float | None = None  # share of a video's classes that are heard and never seen; None: LLP's
    label_noise: float = 0.0  # probability that a training video's label is missing
    # --- knobs: of the latents and the encoders ---
    corrupt: float = 0.0  # share of segments, of each modality by itself, that are spoilt
    corrupt_kind: Literal["noise", "gap"] = "noise"  # three times the noise, or nothing to hear or see
    shared: float = 0.0  # share of an event's evidence that is one instance, the same in both modalities
    private: float = 0.5  # share of the visual latent that only the 2D, or only the 3D encoder sees
    background_memory: float = 1.0  # correlation of the background from one second to the next
    noise_memory: float = 0.0  # correlation of what changes, from one second to the next

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("num_train", "num_val", "num_test"):
            require(self, name, 1 <= getattr(self, name) < 10**7, "an integer in [1, 10**7)")
        require(self, "seed", 0 <= self.seed < 2**31, "an integer in [0, 2**31)")
        shares = "audio_faint visual_faint faint_gain ghost distractor leak similarity"
        knobs = "place label_noise corrupt shared private background_memory noise_memory"
        for name in f"{shares} {knobs}".split():
            require(self, name, 0.0 <= getattr(self, name) <= 1.0, "a number in [0, 1]")
        for name in ("audio_signal", "visual_signal", "gain_spread", "segment_noise", "feature_noise"):
            require(self, name, 0.0 <= getattr(self, name) <= 100.0, "a number in [0, 100]")
        heard, number = self.heard_only, type(self.heard_only) in (int, float)
        good = heard is None or (number and 0.0 <= heard <= 1.0)
        require(self, "heard_only", good, "a number in [0, 1], or None for LLP's own shares")
