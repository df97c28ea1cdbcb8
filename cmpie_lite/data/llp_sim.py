"""LLP-sim: a simulated data set with LLP's label statistics, for those who have not downloaded LLP.

Three steps, each usable by itself and each random per video, from (seed, id) alone:

1. `simulate_weak`: the classes of a video (`llp_sim_labels`);
2. `simulate_dense`: for each class whether it is heard, seen or both, and when (there too);
3. `simulate_features`: what VGGish, ResNet-152 and R(2+1)D-18 might give for such event rolls: latents
   (`llp_sim_latents`) through encoders (`llp_sim_encoders`). It takes any rolls, the real annotations too.

The strengths are set so that HAN scores about what it does on LLP (`python -m tests.benchmarks.calibrate_sim`
shows it). It is not LLP, and every table says so. The book's page on LLP-sim draws how a feature is made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
import torch

from cmpie_lite.data.llp_sim_config import SimConfig
from cmpie_lite.data.llp_sim_encoders import WIDTHS, Floats, encode
from cmpie_lite.data.llp_sim_labels import drop_labels, simulate_dense, simulate_weak, video_generator
from cmpie_lite.data.llp_sim_latents import SEES, spoilt_segments, video_latents
from cmpie_lite.data.llp_sim_rolls import Bools
from cmpie_lite.data.store import FeatureStore, Split
from cmpie_lite.errors import DataError
from cmpie_lite.labels import MODALITIES, NUM_CLASSES, NUM_SEGMENTS
from cmpie_lite.support.fields import override

SOURCE: Final = "LLP-sim"

SMALL: Final = SimConfig()
# With sixteen times the videos HAN needs weaker signals for the same scores. These are the strengths that
# were fitted when both visual encoders saw one latent, 5.1 and 6.0, lowered as the small size's were.
FULL: Final = SimConfig(num_train=10000, num_val=649, num_test=1200, audio_signal=4.7, visual_signal=3.9)
# Sizes of LLP-sim. "smoke" is for tests of the plumbing: its scores mean nothing.
SIZES: Final[dict[str, SimConfig]] = {
    "smoke": override(SMALL, {"num_train": 400, "num_val": 40, "num_test": 40}),
    "small": SMALL,
    "full": FULL,
}


class Features(NamedTuple):
    """Non-negative float32 features: audio (N, T, 128), visual_2d (N, T, 2048), visual_3d (N, T, 512)."""

    audio: Floats
    visual_2d: Floats
    visual_3d: Floats


def simulate_features(ids: Sequence[str], audio: Bools, visual: Bools, config: SimConfig) -> Features:
    """Features for given event rolls (N, T, C), simulated or real.

    Those of a video depend on (config.seed, its id, its rolls), the difficulty and the knobs alone: other
    videos, their order, the number of threads change nothing.

    Raises:
        DataError: ids repeat, or rolls have another shape than (len(ids), T, C).
    """
    ids = list(ids)
    check_ids(ids)
    for name, rolls in (("audio", audio), ("visual", visual)):
        expected = (len(ids), NUM_SEGMENTS, NUM_CLASSES)
        if rolls.shape != expected or rolls.dtype != bool:
            raise DataError(
                f"{name} rolls are {rolls.dtype} {rolls.shape}, expected bool {expected}, time before class."
            )
    features = Features(*(np.empty((len(ids), NUM_SEGMENTS, width), np.float32) for width in WIDTHS.values()))
    gaps = spoilt_segments(ids, config) & (config.corrupt_kind == "gap")
    for n, video in enumerate(ids):
        rng = video_generator(config.seed, "features", video)
        latents = video_latents(rng, video, {"audio": audio[n], "visual": visual[n]}, config)
        for out, (encoder, modality) in zip(features, SEES.items(), strict=True):
            gap = gaps[n, MODALITIES.index(modality)]
            out[n] = encode(rng, encoder, latents[encoder], gap, config.seed, config.feature_noise)
    return features


def check_ids(ids: Sequence[str]) -> None:
    """The first 11 characters of an id name its feature files: DataError unless they are there and differ."""
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


def split_ids(name: Literal["train", "val", "test"], config: SimConfig) -> list[str]:
    """The ids of a split's videos."""
    return [f"{name[:2]}_s{i:07d}_0_10" for i in range(getattr(config, f"num_{name}"))]


def simulate_split(name: Literal["train", "val", "test"], config: SimConfig) -> Split:
    """One split. As in LLP, train has weak labels alone; val and test have event rolls too."""
    ids = split_ids(name, config)
    weak = simulate_weak(ids, "train" if name == "train" else "eval", config.seed)
    rolls = simulate_dense(ids, weak, config.seed, place=config.place, heard_only=config.heard_only)
    features = simulate_features(ids, *rolls, config)
    if name == "train":
        labels = {"weak": drop_labels(ids, weak, config.label_noise, config.seed)}
    else:
        labels = {"weak": weak, "dense_audio": rolls[0], "dense_visual": rolls[1]}
    arrays = features._asdict() | labels
    return Split(tuple(ids), **{key: torch.from_numpy(array) for key, array in arrays.items()})


def simulate(config: SimConfig = SMALL) -> FeatureStore:
    """The whole of LLP-sim in memory; the same bytes for the same config, on any number of threads."""
    return FeatureStore(
        train=simulate_split("train", config),
        val=simulate_split("val", config),
        test=simulate_split("test", config),
        source=SOURCE,
        creation={"simulator": dataclasses.asdict(config)},
    )
