"""What tests and benchmarks build: stores, feature files, annotations."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cmpie_lite.data.annotations import Annotations, SplitAnnotations
from cmpie_lite.data.llp_sim import Features, check_ids
from cmpie_lite.data.llp_sim_encoders import GRID, Floats
from cmpie_lite.data.llp_sim_labels import video_generator
from cmpie_lite.data.store import FeatureStore, Split, split_bytes
from cmpie_lite.data.store_files import install
from cmpie_lite.labels import FRAMES_PER_SEGMENT
from cmpie_lite.support.turns import alone_in

ROOT = Path(__file__).resolve().parents[1]
TINY = {"dim": 16, "ffn_dim": 16}  # overrides of a model that trains in a moment


# ---------- stores ----------


def write_store(folder: str | Path, store: FeatureStore) -> None:
    """Write a store as `pack` does: split files in a folder of their own, then `install`."""
    folder = Path(folder)
    staging = folder / ".staging"
    with alone_in(folder):
        try:
            staging.mkdir(exist_ok=True)
            for name, split in store.splits.items():
                with (staging / f"{name}.safetensors").open("wb") as file:
                    file.writelines(split_bytes(split.ids, split.rows()))
            counts = {name: len(split) for name, split in store.splits.items()}
            install(staging, folder, store.source, store.creation, counts)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def subset(split: Split, rows: Sequence[int]) -> Split:
    """The videos of these positions, in this order (copied)."""
    chosen = {name: tensor[list(rows)] for name, tensor in split.tensors().items()}
    return Split(tuple(split.ids[i] for i in rows), **chosen)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def readable(folder: Path) -> list[str]:
    """What in a folder others than its owner may read."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.stat().st_mode & 0o077)


def split_file(folder: Path, name: str) -> Path:
    """Where a store has a split."""
    return folder / json.loads((folder / "store.json").read_text())["splits"][name]["file"]


def store_files(folder: Path) -> set[str]:
    """The names of the files that a store has, as its manifest says."""
    return {"store.json", *(split_file(folder, name).name for name in ("train", "val", "test"))}


def as_before(folder: Path) -> None:
    """Make a store one that was written before split files were called by their content."""
    manifest = json.loads((folder / "store.json").read_text())
    for name, entry in manifest["splits"].items():
        (folder / entry.pop("file")).rename(folder / f"{name}.safetensors")
    (folder / "store.json").write_text(json.dumps(manifest))


def some_split(name: str, count: int, *, dense: bool = True, seed: int = 0) -> Split:
    rng = torch.Generator().manual_seed(seed)

    def flips(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=rng) < 0.3

    return Split(
        ids=tuple(f"{name}_{seed}_{i}" for i in range(count)),
        audio=torch.rand((count, 10, 128), generator=rng),
        visual_2d=torch.randn((count, 10, 2048), generator=rng),
        visual_3d=torch.randn((count, 10, 512), generator=rng),
        weak=flips(count, 25),
        dense_audio=flips(count, 10, 25) if dense else None,
        dense_visual=flips(count, 10, 25) if dense else None,
    )


def some_store(seed: int = 0, **more: Any) -> FeatureStore:
    return FeatureStore(
        train=some_split("train", 5, dense=False, seed=seed),
        val=some_split("val", 3, seed=seed),
        test=some_split("test", 2, seed=seed),
        source="made for a test",
        **more,
    )


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


def planted_split(n: int, seed: int, prefix: str) -> Split:
    """Videos whose features carry their labels plainly: class c lights feature c of its modality."""
    g = torch.Generator().manual_seed(seed)
    dense = torch.zeros(2, n, 10, 25, dtype=torch.bool)
    for i in range(n):
        for modality in range(2):
            onset, length = torch.randint(0, 6, (1,), generator=g).item(), 4
            dense[modality, i, onset : onset + length, (i + 7 * modality * (i % 2)) % 25] = True
    features = [0.1 * torch.rand(n, 10, width, generator=g) for width in (128, 2048, 512)]
    for modality, x in zip((0, 1, 1), features, strict=True):
        x[..., :25] += 3.0 * dense[modality]
    return Split(
        tuple(f"{prefix}{i:08d}" for i in range(n)), *features, dense.any(2).any(0), dense[0], dense[1]
    )


def planted_store() -> FeatureStore:
    splits = {
        name: planted_split(n, seed, name)
        for seed, (name, n) in enumerate({"train": 100, "val": 30, "test": 30}.items())
    }
    return FeatureStore(**splits, source="planted")


def mixed_split(n: int, seed: int, prefix: str) -> Split:
    """Random features in which a class adds to a channel of its modality where it occurs."""
    g = torch.Generator().manual_seed(seed)
    dense = torch.zeros(2, n, 10, 25, dtype=torch.bool)
    for i in range(n):
        onset, modality = (
            int(torch.randint(0, 6, (1,), generator=g)),
            int(torch.randint(0, 3, (1,), generator=g)),
        )
        dense[[0, 1] if modality == 2 else modality, i, onset : onset + 4, i % 25] = True
    features = [torch.rand(n, 10, width, generator=g) for width in (128, 2048, 512)]
    for modality, x in zip((0, 1, 1), features, strict=True):
        x[..., :25] += 2.0 * dense[modality]
    ids = tuple(f"{prefix}{i:08d}" for i in range(n))
    return Split(ids, *features, dense.any(2).any(0), dense[0], dense[1])


def mixed_store() -> FeatureStore:
    sizes = {"train": 53, "val": 20, "test": 5}
    return FeatureStore(
        **{name: mixed_split(n, seed, name) for seed, (name, n) in enumerate(sizes.items())},
        source="planted",
    )


# ---------- annotations ----------

SIZES = {"train": 5, "val": 3, "test": 2}


def make_annotations(sizes: dict[str, int] = SIZES) -> Annotations:
    rng = np.random.default_rng(7)

    def split(name: str, count: int) -> SplitAnnotations:
        ids = tuple(f"{name:_<5}{i:06d}_{10 * i}_{10 * i + 10}" for i in range(count))
        dense = [None if name == "train" else rng.random((count, 10, 25)) < 0.1 for _ in range(2)]
        return SplitAnnotations(ids, rng.random((count, 25)) < 0.2, *dense)

    splits = {name: split(name, count) for name, count in sizes.items()}
    return Annotations(**splits, version="2024", faults=())
