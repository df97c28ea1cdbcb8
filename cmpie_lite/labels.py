"""The task's constants: the only place where they are written down.

Conventions: a *segment* lasts one second; a video has ten; time comes before class in every tensor;
modalities are ordered (audio, visual). Axis letters used in shapes everywhere:

    B, N  videos in a batch, in a split        D  feature dimension (512)
    T     segments (10)                        M  modalities: 0 audio, 1 visual
    C     event classes (25)                   S  seeds (models trained side by side)
"""

from __future__ import annotations

from typing import Final

# The order is that of the LLP annotations' authors, so that released weights and predictions line up.
CLASSES: Final[tuple[str, ...]] = (
    "Speech", "Car", "Cheering", "Dog", "Cat",
    "Frying_(food)", "Basketball_bounce", "Fire_alarm", "Chainsaw", "Cello",
    "Banjo", "Singing", "Chicken_rooster", "Violin_fiddle", "Vacuum_cleaner",
    "Baby_laughter", "Accordion", "Lawn_mower", "Motorcycle", "Helicopter",
    "Acoustic_guitar", "Telephone_bell_ringing", "Baby_cry_infant_cry", "Blender", "Clapping",
)  # fmt: skip
CLASS_INDEX: Final[dict[str, int]] = {name: i for i, name in enumerate(CLASSES)}

MODALITIES: Final[tuple[str, str]] = ("audio", "visual")
AUDIO: Final = 0
VISUAL: Final = 1

NUM_CLASSES: Final = len(CLASSES)
NUM_MODALITIES: Final = len(MODALITIES)
NUM_SEGMENTS: Final = 10
SEGMENT_SECONDS: Final = 1.0

# The features that the field uses, per segment: VGGish; ResNet-152, 8 frames per second; R(2+1)D-18.
AUDIO_DIM: Final = 128
VISUAL_2D_DIM: Final = 2048
VISUAL_3D_DIM: Final = 512
FRAMES_PER_SEGMENT: Final = 8
