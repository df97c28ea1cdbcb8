"""What tests and benchmarks build: feature files in the layout that HAN's authors publish."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cmpie_lite.data.llp_sim import Features, check_ids
from cmpie_lite.data.llp_sim_encoders import GRID, Floats
from cmpie_lite.data.llp_sim_labels import video_generator
from cmpie_lite.labels import FRAMES_PER_SEGMENT


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
