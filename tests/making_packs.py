"""What tests of packing build: features in the authors' layout, and a run of `pack` on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cmpie_lite.data.annotations import Annotations
from cmpie_lite.data.llp_names import feature_name
from data_fetch.layout import LAYOUT
from data_fetch.pack.store import PackReport, pack
from tests.making import SIZES


def all_ids(annotations: Annotations) -> list[str]:
    return [video for name in SIZES for video in getattr(annotations, name).ids]


def write_layout(folder: Path, ids: Sequence[str]) -> Path:
    """Write simulated features of these videos in the authors' layout."""
    for kind, shape in LAYOUT.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for video in ids:
            rng = np.random.default_rng([*video.encode(), *kind.encode()])
            values = np.maximum(rng.standard_normal(shape, dtype=np.float32), 0)
            np.save(folder / kind / f"{feature_name(video)}.npy", values)
    return folder


def run(feats: Path, annotations: Annotations, out: Path, **options: str) -> PackReport:
    return pack(feats, annotations, out, progress=False, **options)  # type: ignore[arg-type]


def file_of(feats: Path, video: str, kind: str) -> Path:
    return feats / kind / f"{feature_name(video)}.npy"


GOOD = np.ones((10, 128), np.float32)
