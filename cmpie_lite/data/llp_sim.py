"""LLP-sim: a simulated data set with LLP's label statistics, for those who have not downloaded LLP.

Three steps, each usable by itself and each random per video, from (seed, id) alone:

1. `simulate_weak`: the classes of a video;
2. `simulate_dense`: for each class whether it is heard, seen or both, and when (both: `synthetic_labels`);
3. `simulate_features`: what VGGish, ResNet-152 and R(2+1)D-18 might give for such event rolls. It takes any
   rolls, the real annotations too.

The feature model. Segment t of modality m has a latent vector, and three linear views of it:

    z_t = b + n_t + sum_c signal * g_c * e_c(t) * p_c,      feature_t = relu(level + W z_t + noise)

with b the video's background (unit variance), n_t noise of the segment, p_c the unit prototype of class c
(classes of one group are alike), g_c how plainly this instance shows, e_c(t) its roll, smeared by `leak`.
Some events are faint, some classes show in a modality where nobody annotated them, some videos hold evidence
of a class without any label. The strengths are set so that HAN scores about what it does on LLP
(`python -m tests.benchmarks.calibrate_sim` shows it). It is not LLP, and every table says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from cmpie_lite.data.llp_sim_labels import Bools, Reals, simulate_dense, simulate_weak, video_generator
from cmpie_lite.data.store import FeatureStore, Split
from cmpie_lite.errors import DataError
from cmpie_lite.labels import (
    AUDIO_DIM,
    CLASSES,
    FRAMES_PER_SEGMENT,
    MODALITIES,
    NUM_CLASSES,
    NUM_SEGMENTS,
    VISUAL_2D_DIM,
    VISUAL_3D_DIM,
)
from cmpie_lite.support.fields import check_fields, override, require

Floats = npt.NDArray[np.float32]

SOURCE = "LLP-sim"
LATENT_DIM = 64
GRID = 2.0**-10  # features are multiples of this: sums of frames are exact, and rounding hides the last bits

# Classes that sound or look alike: their prototypes share a direction.
ALIKE: tuple[tuple[str, ...], ...] = (
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


@dataclass(frozen=True)
class SimConfig:
    """Sizes and difficulty of LLP-sim. Strengths are in standard deviations of a video's background."""

    num_train: int = 640  # videos
    num_val: int = 200  # videos
    num_test: int = 400  # videos
    seed: int = 0  # of labels, prototypes and features
    audio_signal: float = 10.5  # norm of a class's evidence in the audio latent
    visual_signal: float = 9.8  # and in the visual latent
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

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("num_train", "num_val", "num_test"):
            require(self, name, 1 <= getattr(self, name) < 10**7, "an integer in [1, 10**7)")
        require(self, "seed", 0 <= self.seed < 2**31, "an integer in [0, 2**31)")
        shares = ("audio_faint", "visual_faint", "faint_gain", "ghost", "distractor", "leak", "similarity")
        for name in shares:
            require(self, name, 0.0 <= getattr(self, name) <= 1.0, "a number in [0, 1]")
        for name in ("audio_signal", "visual_signal", "gain_spread", "segment_noise", "feature_noise"):
            require(self, name, 0.0 <= getattr(self, name) <= 100.0, "a number in [0, 100]")


SMALL = SimConfig()
# With sixteen times the videos HAN needs weaker signals for the same scores: with these it comes within
# 3 points of all ten that it has on LLP (40 epochs of one seed, in bfloat16).
FULL = SimConfig(num_train=10000, num_val=649, num_test=1200, audio_signal=5.1, visual_signal=6.0)


class Features(NamedTuple):
    """Non-negative float32 features: audio (N, T, 128), visual_2d (N, T, 2048), visual_3d (N, T, 512)."""

    audio: Floats
    visual_2d: Floats
    visual_3d: Floats


class _World(NamedTuple):
    """What all videos of one seed share."""

    prototypes: Mapping[str, Reals]  # modality -> (C, LATENT_DIM), unit rows
    views: tuple[tuple[str, Reals, Reals], ...]  # modality, W, bias


@lru_cache(maxsize=4)
def _world(seed: int, similarity: float) -> _World:
    def unit(x: Reals) -> Reals:
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    group = np.array([next(g for g, names in enumerate(ALIKE) if name in names) for name in CLASSES])
    prototypes = {}
    for modality in MODALITIES:
        rng = video_generator(seed, f"prototypes {modality}")
        own = unit(rng.standard_normal((NUM_CLASSES, LATENT_DIM)))
        common = unit(rng.standard_normal((len(ALIKE), LATENT_DIM)))[group]
        prototypes[modality] = unit(np.sqrt(1 - similarity) * own + np.sqrt(similarity) * common)
    views = []
    # How an average feature looks: VGGish is sparse, averaged ResNet maps seldom vanish.
    for name, modality, dim, level in (
        ("vggish", "audio", AUDIO_DIM, 0.1),
        ("res152", "visual", VISUAL_2D_DIM, 0.4),
        ("r2plus1d_18", "visual", VISUAL_3D_DIM, 0.6),
    ):
        rng = video_generator(seed, f"projection {name}")
        mixing = rng.standard_normal((LATENT_DIM, dim)) * (0.3 / np.sqrt(LATENT_DIM))
        views.append((modality, mixing, level + 0.1 * rng.standard_normal(dim)))
    return _World(prototypes, tuple(views))


def _latent(
    rng: np.random.Generator, roll: Bools, other: Bools, modality: str, prototypes: Reals, config: SimConfig
) -> Reals:
    """The latent vectors (T, LATENT_DIM) of one modality of one video, from its rolls and the other's."""
    signal, faint = (getattr(config, f"{modality}_{name}") for name in ("signal", "faint"))
    here, there = roll.any(0), other.any(0)
    gain = np.exp(config.gain_spread * rng.standard_normal(NUM_CLASSES))
    gain *= np.where(rng.random(NUM_CLASSES) < faint, config.faint_gain, 1.0)
    ghost = there & ~here & (rng.random(NUM_CLASSES) < config.ghost)
    evidence = np.where(ghost, other, roll).astype(float)
    if rng.random() < config.distractor:
        onset, extra = rng.integers(NUM_SEGMENTS), rng.integers(NUM_CLASSES)
        evidence[onset : onset + 1 + rng.integers(NUM_SEGMENTS), extra] = 1.0
    around = np.pad(evidence, ((1, 1), (0, 0)))
    evidence = np.maximum(evidence, config.leak * np.maximum(around[:-2], around[2:]))
    background = rng.standard_normal(LATENT_DIM)
    noise = config.segment_noise * rng.standard_normal((NUM_SEGMENTS, LATENT_DIM))
    return background + noise + signal * np.einsum("tc,cl->tl", evidence * gain, prototypes)


def simulate_features(ids: Sequence[str], audio: Bools, visual: Bools, config: SimConfig) -> Features:
    """Features for given event rolls (N, T, C), simulated or real.

    Those of a video depend on (config.seed, its id, its rolls) and the difficulty fields alone: other videos,
    their order, the number of threads change nothing. Products are summed in a fixed order, not by a BLAS.

    Raises:
        DataError: ids repeat, or rolls have another shape than (len(ids), T, C).
    """
    ids = list(ids)
    _check_ids(ids)
    for name, rolls in (("audio", audio), ("visual", visual)):
        expected = (len(ids), NUM_SEGMENTS, NUM_CLASSES)
        if rolls.shape != expected or rolls.dtype != bool:
            raise DataError(
                f"{name} rolls are {rolls.dtype} {rolls.shape}, expected bool {expected}, time before class."
            )
    world = _world(config.seed, config.similarity)
    features = Features(
        *(np.empty((len(ids), NUM_SEGMENTS, mixing.shape[1]), np.float32) for _, mixing, _ in world.views)
    )
    for n, video in enumerate(ids):
        rng = video_generator(config.seed, "features", video)
        pairs = {"audio": (audio[n], visual[n]), "visual": (visual[n], audio[n])}
        latent = {m: _latent(rng, *pairs[m], m, world.prototypes[m], config) for m in MODALITIES}
        for out, (modality, mixing, level) in zip(features, world.views, strict=True):
            value = level + np.einsum("tl,ld->td", latent[modality], mixing)
            value += config.feature_noise * rng.standard_normal(value.shape, np.float32)
            out[n] = np.maximum(np.rint(value / GRID) * GRID, 0.0)
    return features


def _check_ids(ids: Sequence[str]) -> None:
    """The first 11 characters of an id name its feature files: they must be there and differ."""
    seen: dict[str, str] = {}
    for video in ids:
        name = video[:11]
        if len(name) < 11 or name in seen:
            met = f"but {seen[name]!r} came before" if name in seen else "but it is shorter"
            raise DataError(
                f"id {video!r}: expected ids whose first 11 characters, the feature file's name, "
                f"are unique, {met}."
            )
        seen[name] = video


def simulate_split(name: Literal["train", "val", "test"], config: SimConfig) -> Split:
    """One split. As in LLP, train has weak labels alone; val and test have event rolls too."""
    count = getattr(config, f"num_{name}")
    ids = [f"{name[:2]}_s{i:07d}_0_10" for i in range(count)]
    weak = simulate_weak(ids, "train" if name == "train" else "eval", config.seed)
    audio, visual = simulate_dense(ids, weak, config.seed)
    features = simulate_features(ids, audio, visual, config)
    tensors = {**features._asdict(), "weak": weak}
    if name != "train":
        tensors |= {"dense_audio": audio, "dense_visual": visual}
    return Split(tuple(ids), **{key: torch.from_numpy(array) for key, array in tensors.items()})


def simulate(config: SimConfig = SMALL) -> FeatureStore:
    """The whole of LLP-sim in memory; the same bytes for the same config, on any number of threads."""
    return FeatureStore(
        train=simulate_split("train", config),
        val=simulate_split("val", config),
        test=simulate_split("test", config),
        source=SOURCE,
        creation={"simulator": dataclasses.asdict(config)},
    )


def write_official_layout(folder: str | Path, ids: Sequence[str], features: Features, seed: int = 0) -> None:
    """Write feats/{vggish,res152,r2plus1d_18}/<first 11 characters of the id>.npy under `folder`.

    res152 becomes (8 T, 2048): frames that differ, whose mean over a second is exactly the segment's feature.
    """
    _check_ids(ids)
    feats = Path(folder) / "feats"
    for name in ("vggish", "res152", "r2plus1d_18"):
        (feats / name).mkdir(parents=True, exist_ok=True)
    for video, audio, visual_2d, visual_3d in zip(ids, *features, strict=True):
        frames = _frames(visual_2d, video_generator(seed, "frames", video))
        for name, array in (("vggish", audio), ("res152", frames), ("r2plus1d_18", visual_3d)):
            np.save(feats / name / f"{video[:11]}.npy", array)


def _frames(segments: Floats, rng: np.random.Generator) -> Floats:
    """Frames (8 T, D) around segment features (T, D): jitter in pairs that cancel, on the grid, >= 0."""
    pairs = FRAMES_PER_SEGMENT // 2
    share = rng.random((len(segments), pairs, segments.shape[1]), np.float32)
    jitter = np.floor(0.3 * share * segments[:, None] / GRID) * GRID
    frames = segments[:, None] + np.concatenate([jitter, -jitter], axis=1)
    return frames.astype(np.float32).reshape(-1, segments.shape[1])


# Sizes of LLP-sim. "smoke" is for tests of the plumbing: its scores mean nothing.
SIZES: dict[str, SimConfig] = {
    "smoke": override(SMALL, {"num_train": 400, "num_val": 40, "num_test": 40}),
    "small": SMALL,
    "full": FULL,
}
