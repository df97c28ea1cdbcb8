"""What tests and benchmarks build: stores, feature files, annotations, runs' records."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.llp_sim import Features, check_ids
from cmpie_lite.data.llp_sim_encoders import GRID, Floats
from cmpie_lite.data.llp_sim_labels import video_generator
from cmpie_lite.data.store import FeatureStore, Split
from cmpie_lite.data.store_files import write_store
from cmpie_lite.labels import FRAMES_PER_SEGMENT
from cmpie_lite.metrics import SCORES
from cmpie_lite.systems.build import config_to_facts
from cmpie_lite.systems.rows import SYSTEMS

TINY = {"dim": 16, "ffn_dim": 16}  # overrides of a model that trains in a moment


def tiny_split(n: int, seed: int) -> Split:
    g = torch.Generator().manual_seed(seed)
    audio, visual = (torch.rand(n, 10, 25, generator=g) < 0.1 for _ in range(2))
    audio[torch.arange(n), 0, torch.arange(n) % 25] = True
    widths = {"audio": 128, "visual_2d": 2048, "visual_3d": 512}
    return Split(
        ids=tuple(f"{seed}-{i}" for i in range(n)),
        **{name: torch.rand(n, 10, width, generator=g) for name, width in widths.items()},
        weak=(audio | visual).any(1),
        dense_audio=audio,
        dense_visual=visual,
    )


def tiny_store(folder: Path) -> FeatureStore:
    """A store of random numbers, also written to a folder."""
    made = FeatureStore(tiny_split(32, 0), tiny_split(6, 1), tiny_split(8, 2), source="random numbers")
    write_store(folder, made)
    return made


def write_official_layout(folder: str | Path, ids: Sequence[str], features: Features, seed: int = 0) -> None:
    """Write feats/{vggish,res152,r2plus1d_18}/<first 11 characters of the id>.npy under `folder`.

    res152 becomes (8 T, 2048): frames that differ, whose mean over a second is exactly the segment's feature.
    """
    check_ids(ids)
    feats = Path(folder) / "feats"
    for name in ("vggish", "res152", "r2plus1d_18"):
        (feats / name).mkdir(parents=True, exist_ok=True)
    for video, audio, visual_2d, visual_3d in zip(ids, *features, strict=True):
        around = frames(visual_2d, video_generator(seed, "frames", video))
        for name, array in (("vggish", audio), ("res152", around), ("r2plus1d_18", visual_3d)):
            np.save(feats / name / f"{video[:11]}.npy", array)


def frames(segments: Floats, rng: np.random.Generator) -> Floats:
    """Frames (8 T, D) around segment features (T, D): jitter in pairs that cancel, on the grid, >= 0."""
    pairs = FRAMES_PER_SEGMENT // 2
    share = rng.random((len(segments), pairs, segments.shape[1]), np.float32)
    jitter = np.floor(0.3 * share * segments[:, None] / GRID) * GRID
    around = segments[:, None] + np.concatenate([jitter, -jitter], axis=1)
    return around.astype(np.float32).reshape(-1, segments.shape[1])


def record(
    model: str, seed: int, base: float, *, source: str = "LLP-sim", digest: str = "a" * 64, epochs: int = 40,
    train: int = 800, **overrides: Any,
) -> dict[str, Any]:  # fmt: skip
    """A run record whose ten scores are base, base + 0.001, base + 0.002 and so on."""
    config = config_to_facts(SYSTEMS[model].config) | overrides
    return {
        "model": model,
        "config": config,
        "recipe": dataclasses.asdict(TrainConfig(seed=seed, epochs=epochs)),
        "data": {"source": source, "sha256": digest, "videos": {"train": train, "val": 20, "test": 40}},
        "environment": {"device": "cpu", "cores": 2, "platform": "x", "torch": "2", "commit": "abc"},
        "finished": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
        "best_epoch": 1,
        "history": [],
        "test": {name: base + 0.001 * i for i, name in enumerate(SCORES)},
    }
