"""The small world of the page `book/live.md`: made-up clips whose features a browser can make too.

It follows LLP-sim's recipe (`cmpie_lite.data.llp_sim`) at a smaller size, with LLP-sim's labels. It is not
LLP. A segment of modality m has a latent vector and encoders' views of it:

    z_t = b + n_t + sum_c SIGNAL * e_c(t) * p_c,      feature_t = relu(level + z_t W)

with b the clip's background (unit variance), n_t noise, p_c the unit prototype of class c (classes of one
group are alike), e_c(t) how plainly the class shows. `book/_static/live/clip.js` holds the same formula;
`book.tools.check_live` compares the two. The views are narrower than real encoders' features: they fill the
first columns, and the rest is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from cmpie_lite.data.llp_sim_labels import simulate_dense, simulate_weak
from cmpie_lite.data.llp_sim_latents import ALIKE
from cmpie_lite.data.store import FeatureStore, Split
from cmpie_lite.labels import (
    AUDIO_DIM,
    CLASSES,
    NUM_CLASSES,
    NUM_MODALITIES,
    NUM_SEGMENTS,
    VISUAL_2D_DIM,
    VISUAL_3D_DIM,
)

Reals = npt.NDArray[np.float64]

SEED = 0
LATENT = 32
SIGNAL = (9.0, 8.0)  # norm of a class's evidence in the latents of audio and visual
NOISE = 1.0  # standard deviation of what changes from segment to segment
LEAK = 0.3  # share of an event's strength that reaches the segments next to it
GAIN_SPREAD = 0.3  # standard deviation of the log of an instance's strength
FAINT, FAINT_GAIN = (0.1, 0.2), 0.3  # share of events hardly heard, hardly seen; what is left of them
GHOST, DISTRACTOR = 0.3, 0.2  # evidence without an annotation, and without a label
SIMILARITY = 0.5  # cosine of the prototypes of two classes that are alike
VIEWS = {  # feature -> (modality, width of the view, width of the feature, level)
    "audio": (0, 64, AUDIO_DIM, 0.1),
    "visual_2d": (1, 64, VISUAL_2D_DIM, 0.4),
    "visual_3d": (1, 32, VISUAL_3D_DIM, 0.6),
}


@dataclass(frozen=True)
class World:
    """What all clips share."""

    prototypes: Reals  # (M, C, LATENT), unit rows
    encoders: dict[str, tuple[Reals, Reals]]  # view -> W (LATENT, width), level (width)


def make_world(seed: int = SEED) -> World:
    """Prototypes and encoders, rounded to float16 as they are shipped to the page."""
    rng = np.random.default_rng(seed)

    def unit(x: Reals) -> Reals:
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    def normal(*shape: int) -> Reals:
        return rng.standard_normal(shape)

    group = np.array([next(g for g, names in enumerate(ALIKE) if name in names) for name in CLASSES])
    own = unit(normal(NUM_MODALITIES, NUM_CLASSES, LATENT))
    common = unit(normal(NUM_MODALITIES, len(ALIKE), LATENT))[:, group]
    prototypes = unit(np.sqrt(1 - SIMILARITY) * own + np.sqrt(SIMILARITY) * common)
    encoders = {
        name: (normal(LATENT, width) * 0.3 / np.sqrt(LATENT), level + 0.1 * normal(width))
        for name, (_, width, _, level) in VIEWS.items()
    }
    return World(half(prototypes), {name: (half(w), half(level)) for name, (w, level) in encoders.items()})


def half(x: npt.ArrayLike) -> Reals:
    """Rounded to float16, kept as float64."""
    return np.asarray(x).astype(np.float16).astype(np.float64)


def smear(rolls: Reals) -> Reals:
    """Evidence (..., T, C) from rolls: an event leaks into the segments next to it."""
    around = np.pad(rolls, [(0, 0)] * (rolls.ndim - 2) + [(1, 1), (0, 0)])
    return np.maximum(rolls, LEAK * np.maximum(around[..., :-2, :], around[..., 2:, :]))


def latents(world: World, background: Reals, noise: Reals, evidence: Reals) -> Reals:
    """z (M, T, LATENT) from background (M, LATENT), noise (M, T, LATENT) and evidence (M, T, C)."""
    signal = np.array(SIGNAL)[:, None, None]
    return background[:, None] + noise + signal * (evidence @ world.prototypes)


def views(world: World, z: Reals) -> dict[str, Reals]:
    """What the encoders see of z (M, T, LATENT): view -> (T, width)."""
    return {
        name: np.maximum(level + z[VIEWS[name][0]] @ mixing, 0.0)
        for name, (mixing, level) in world.encoders.items()
    }


def draw_evidence(rng: np.random.Generator, rolls: npt.NDArray[np.bool_]) -> Reals:
    """Evidence (M, T, C) of a simulated clip: gains differ, faint events, ghosts and distractors happen."""
    present = rolls.any(1)  # (M, C)
    gain = np.exp(GAIN_SPREAD * rng.standard_normal(present.shape))
    gain *= np.where(rng.random(present.shape) < np.array(FAINT)[:, None], FAINT_GAIN, 1.0)
    ghost = present[::-1] & ~present & (rng.random(present.shape) < GHOST)
    shown = np.where(ghost[:, None], rolls[::-1], rolls).astype(float)
    for m in range(NUM_MODALITIES):
        if rng.random() < DISTRACTOR:
            onset, extra = rng.integers(NUM_SEGMENTS), rng.integers(NUM_CLASSES)
            shown[m, onset : onset + 1 + rng.integers(NUM_SEGMENTS), extra] = 1.0
    return smear(shown) * gain[:, None]


def make_split(world: World, name: str, videos: int) -> Split:
    """Clips with LLP-sim's labels and this world's features."""
    ids = [f"{name[:2]}_live{i:05d}_0_10" for i in range(videos)]
    weak = simulate_weak(ids, "train" if name == "train" else "eval", SEED)
    dense = np.stack(simulate_dense(ids, weak, SEED), axis=1)  # (N, M, T, C)
    rng = np.random.default_rng([SEED, *name.encode()])
    tensors = {
        view: np.zeros((videos, NUM_SEGMENTS, dim), np.float32) for view, (_, _, dim, _) in VIEWS.items()
    }
    for n in range(videos):
        background = rng.standard_normal((NUM_MODALITIES, LATENT))
        noise = NOISE * rng.standard_normal((NUM_MODALITIES, NUM_SEGMENTS, LATENT))
        seen = views(world, latents(world, background, noise, draw_evidence(rng, dense[n])))
        for view, values in seen.items():
            tensors[view][n, :, : values.shape[1]] = values
    labels = {"weak": weak, "dense_audio": dense[:, 0], "dense_visual": dense[:, 1]}
    return Split(tuple(ids), **{key: torch.from_numpy(x.copy()) for key, x in (tensors | labels).items()})


def make_store(world: World, train: int, val: int, test: int) -> FeatureStore:
    """All three splits."""
    sizes = {"train": train, "val": val, "test": test}
    splits = {name: make_split(world, name, videos) for name, videos in sizes.items()}
    return FeatureStore(**splits, source="live-sim", creation={"seed": SEED})
