"""The latents of LLP-sim: what there is to hear and to see in each second, before any encoder.

Segment t of modality m has a latent vector of 64 numbers,

    z_t = b_t + n_t + sum_c signal * g_c * e_c(t) * u_c,        u_c = sqrt(1 - s) p_c + sqrt(s) i_c

with b the video's background and n what changes from segment to segment (see `remembered`), p_c the unit
prototype of class c (classes of one group are alike), i_c the unit vector of this video's instance of the
class, the same in both modalities (s: the knob `shared`), g_c how plainly the instance shows, e_c(t) its
roll, smeared by `leak`. Some events are faint, some classes show in a modality where nobody annotated them,
some videos hold evidence of a class without any label.

The two visual encoders may see different things: with the knob `private` = p each gets
sqrt(1 - p) z + sqrt(p) z', where z' is a latent of its own over the same events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from cmpie_lite.data.llp_sim_config import SimConfig
from cmpie_lite.data.llp_sim_labels import video_generator
from cmpie_lite.data.llp_sim_rolls import Bools, Reals
from cmpie_lite.labels import CLASSES, MODALITIES, NUM_CLASSES, NUM_MODALITIES, NUM_SEGMENTS

LATENT_DIM: Final = 64
SPOILT_NOISE: Final = 3.0  # times the noise, in a segment that is spoilt
SEES: Final = {"vggish": "audio", "res152": "visual", "r2plus1d_18": "visual"}  # encoder -> modality

# Classes that sound or look alike: their prototypes share a direction.
ALIKE: Final[tuple[tuple[str, ...], ...]] = (
    ("Speech", "Singing", "Baby_laughter", "Baby_cry_infant_cry"),
    ("Car", "Motorcycle", "Helicopter"),
    ("Chainsaw", "Lawn_mower", "Vacuum_cleaner", "Blender"),
    ("Cheering", "Clapping", "Basketball_bounce"),
    ("Dog", "Cat", "Chicken_rooster"),
    ("Cello", "Violin_fiddle", "Accordion"),
    ("Banjo", "Acoustic_guitar"),
    ("Fire_alarm", "Telephone_bell_ringing"),
    ("Frying_(food)",),
)


def unit(x: Reals) -> Reals:
    """Rows of length one."""
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@lru_cache(maxsize=16)
def prototypes(name: str, seed: int, similarity: float) -> Reals:
    """(C, LATENT_DIM) unit rows: how each class shows in a modality, or to one visual encoder alone.

    Two classes of one group have a cosine of about `similarity`.
    """
    group = np.array([next(g for g, names in enumerate(ALIKE) if one in names) for one in CLASSES])
    rng = video_generator(seed, f"prototypes {name}")
    own = unit(rng.standard_normal((NUM_CLASSES, LATENT_DIM)))
    common = unit(rng.standard_normal((len(ALIKE), LATENT_DIM)))[group]
    return unit(np.sqrt(1 - similarity) * own + np.sqrt(similarity) * common)


def spoilt_segments(ids: Sequence[str], config: SimConfig) -> Bools:
    """Which segments are spoilt, (N, M, T): each of a share `corrupt`, of each modality by itself."""
    streams = (video_generator(config.seed, "spoilt", video) for video in ids)
    return np.array([rng.random((NUM_MODALITIES, NUM_SEGMENTS)) < config.corrupt for rng in streams])


def gains(rng: np.random.Generator, modality: str, config: SimConfig) -> Reals:
    """g_c, (C,): how plainly each class shows; a faint one at `faint_gain` of its strength."""
    plain = np.exp(config.gain_spread * rng.standard_normal(NUM_CLASSES))
    faint = rng.random(NUM_CLASSES) < getattr(config, f"{modality}_faint")
    return plain * np.where(faint, config.faint_gain, 1.0)


def evidence(rng: np.random.Generator, roll: Bools, other: Bools, config: SimConfig) -> Reals:
    """e_c(t), (T, C): the roll of one modality, with ghosts of the other's and a distractor, smeared."""
    ghost = other.any(0) & ~roll.any(0) & (rng.random(NUM_CLASSES) < config.ghost)
    shown = np.where(ghost, other, roll).astype(float)
    if rng.random() < config.distractor:
        onset, extra = rng.integers(NUM_SEGMENTS), rng.integers(NUM_CLASSES)
        shown[onset : onset + 1 + rng.integers(NUM_SEGMENTS), extra] = 1.0
    around = np.pad(shown, ((1, 1), (0, 0)))
    return np.maximum(shown, config.leak * np.maximum(around[:-2], around[2:]))


@lru_cache(maxsize=16)
def weights_of(memory: float) -> Reals:
    """(T, T): how much of step s is left in second t, for `remembered`."""
    lag = np.subtract.outer(np.arange(NUM_SEGMENTS), np.arange(NUM_SEGMENTS))
    fresh = np.where(np.arange(NUM_SEGMENTS) == 0, 1.0, np.sqrt(1 - memory**2))
    return np.where(lag < 0, 0.0, float(memory) ** np.maximum(lag, 0) * fresh)


def remembered(steps: Reals, memory: float) -> Reals:
    """x_0 = step_0, x_t = memory x_(t-1) + sqrt(1 - memory^2) step_t: of unit variance where the steps are.

    The correlation from one second to the next is `memory`: 1 keeps the first step, 0 keeps every step.
    """
    return np.einsum("ts,sd->td", weights_of(memory), steps)


def video_latents(
    rng: np.random.Generator, video: str, rolls: Mapping[str, Bools], config: SimConfig
) -> dict[str, Reals]:
    """The latent (T, LATENT_DIM) that each encoder sees of one video, from its rolls by modality.

    Args:
        rng: the video's main stream, which the encoders' noise continues; knobs have streams of their own.
    """
    spoilt = spoilt_segments([video], config)[0]
    vectors = video_generator(config.seed, "instances", video).standard_normal((NUM_CLASSES, LATENT_DIM))
    instances = unit(vectors)
    seen: dict[str, Reals] = {}

    def latent(rng: np.random.Generator, name: str, modality: str, shown: Reals) -> Reals:
        own = prototypes(name, config.seed, config.similarity)
        directions = np.sqrt(1 - config.shared) * own + np.sqrt(config.shared) * instances
        drift = video_generator(config.seed, f"drift {name}", video)
        start = rng.standard_normal((1, LATENT_DIM))
        steps = np.concatenate([start, drift.standard_normal((NUM_SEGMENTS - 1, LATENT_DIM))])
        background = remembered(steps, config.background_memory)
        changing = remembered(rng.standard_normal((NUM_SEGMENTS, LATENT_DIM)), config.noise_memory)
        louder = spoilt[MODALITIES.index(modality)] & (config.corrupt_kind == "noise")
        noise = config.segment_noise * changing * np.where(louder, SPOILT_NOISE, 1.0)[:, None]
        signal = getattr(config, f"{modality}_signal")
        return background + noise + signal * np.einsum("tc,cl->tl", shown, directions)

    shown: dict[str, Reals] = {}
    for modality, other in zip(MODALITIES, reversed(MODALITIES), strict=True):
        plain = gains(rng, modality, config)
        shown[modality] = evidence(rng, rolls[modality], rolls[other], config)
        seen[modality] = latent(rng, modality, modality, shown[modality] * plain)
    if not config.private:
        return {encoder: seen[modality] for encoder, modality in SEES.items()}
    for encoder in ("res152", "r2plus1d_18"):
        alone = video_generator(config.seed, f"private {encoder}", video)
        own = latent(alone, encoder, "visual", shown["visual"] * gains(alone, "visual", config))
        seen[encoder] = np.sqrt(1 - config.private) * seen["visual"] + np.sqrt(config.private) * own
    return {"vggish": seen["audio"], "res152": seen["res152"], "r2plus1d_18": seen["r2plus1d_18"]}
