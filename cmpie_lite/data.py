"""Packed features: three splits of tensors, written once as safetensors, read back memory-mapped.

A store is a folder of four files. `train.safetensors`, `val.safetensors` and `test.safetensors` hold the
tensors of `Split`; `store.json` names the source and lists counts, sizes and sha256 of the three. It is
written last: a folder without it is no store. The digest of a store can be had without this package:

    sha256sum train.safetensors val.safetensors test.safetensors | sha256sum
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Bool, Float32
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cmpie_lite.errors import DataError
from cmpie_lite.labels import AUDIO_DIM, CLASSES, NUM_CLASSES, NUM_SEGMENTS, VISUAL_2D_DIM, VISUAL_3D_DIM

FORMAT: Final = "cmpie_lite store 1"
MANIFEST: Final = "store.json"
SPLITS: Final = ("train", "val", "test")
FEATURES: Final = {  # name -> shape of one video's float32 features
    "audio": (NUM_SEGMENTS, AUDIO_DIM),
    "visual_2d": (NUM_SEGMENTS, VISUAL_2D_DIM),
    "visual_3d": (NUM_SEGMENTS, VISUAL_3D_DIM),
}
DENSE: Final = {name: (NUM_SEGMENTS, NUM_CLASSES) for name in ("dense_audio", "dense_visual")}
LABELS: Final = {"weak": (NUM_CLASSES,), **DENSE}  # name -> shape of one video's bool labels
CHUNK: Final = 256  # videos read or written at once: 27 MB


@dataclass(frozen=True, eq=False)
class Split:
    """N videos: features, weak labels and, where they are known, the labels of every segment.

    Raises:
        DataError: a shape or dtype is wrong, an id occurs twice, only one modality has dense labels.
    """

    ids: tuple[str, ...]
    audio: Float32[Tensor, "N 10 128"]
    visual_2d: Float32[Tensor, "N 10 2048"]
    visual_3d: Float32[Tensor, "N 10 512"]
    weak: Bool[Tensor, "N 25"]
    dense_audio: Bool[Tensor, "N 10 25"] | None = None
    dense_visual: Bool[Tensor, "N 10 25"] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.ids, tuple) or not all(isinstance(i, str) and i for i in self.ids):
            raise DataError(f"ids = {str(self.ids)[:80]}, expected a tuple of non-empty strings.")
        if not self.ids:
            raise DataError("A split without a video. Expected at least one id.")
        (most_common, count), *_ = Counter(self.ids).most_common(1)
        if count > 1:
            raise DataError(f"Video id {most_common!r} occurs {count} times. Expected unique ids.")
        if (self.dense_audio is None) != (self.dense_visual is None):
            raise DataError(
                "Dense labels of one modality only. Give dense_audio and dense_visual, or neither."
            )
        for name, tensor in self.tensors().items():
            kind, shape = (torch.float32, FEATURES[name]) if name in FEATURES else (torch.bool, LABELS[name])
            if not isinstance(tensor, Tensor) or tensor.dtype != kind:
                found = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
                raise DataError(f"{name} is {found}, expected a tensor of {kind}. Convert it before.")
            if tuple(tensor.shape) != (len(self.ids), *shape):
                raise DataError(
                    f"{name} has shape {tuple(tensor.shape)}, expected {(len(self.ids), *shape)}: "
                    f"{len(self.ids)} ids, then time before class or feature."
                )

    def __len__(self) -> int:
        return len(self.ids)

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name, in the order of the file; no dense labels where they are not known."""
        named = {name: getattr(self, name) for name in (*FEATURES, *LABELS)}
        return {name: tensor for name, tensor in named.items() if tensor is not None}

    def to(self, device: torch.device | str) -> Split:
        """The same split, resident on `device`. On the CPU a memory-mapped split stays memory-mapped."""
        return Split(self.ids, **{name: tensor.to(device) for name, tensor in self.tensors().items()})

    def subset(self, indices: Sequence[int] | np.ndarray | Tensor) -> Split:
        """The videos of these positions, in this order (copied). Raises DataError where there is no such."""
        rows = np.asarray(indices.cpu() if isinstance(indices, Tensor) else indices)
        if rows.ndim != 1 or not np.issubdtype(rows.dtype, np.integer):
            raise DataError(
                f"Indices of dtype {rows.dtype}, shape {rows.shape}: expected a list of integers."
            )
        if wrong := [i for i in rows.tolist() if not 0 <= i < len(self)]:
            raise DataError(f"No video {wrong[0]} in a split of {len(self)}: expected 0 to {len(self) - 1}.")
        index = torch.as_tensor(rows, dtype=torch.long, device=self.audio.device)
        chosen = {name: tensor[index] for name, tensor in self.tensors().items()}
        return Split(tuple(self.ids[i] for i in rows.tolist()), **chosen)


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """Three splits and where they come from; `source` and `digest` go with every table made of them.

    Without a digest (a store made in memory) it is computed: that of the files `write_store` would write.
    """

    train: Split
    val: Split
    test: Split
    source: str  # "LLP", "LLP-sim", "LLP ids with simulated features", ...
    digest: str = ""
    creation: Mapping[str, Any] = field(default_factory=dict)  # what it was made with; JSON values

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise DataError(
                f"source = {self.source!r}, expected where the data come from, such as 'LLP-sim'."
            )
        seen: dict[str, str] = {}
        for name, split in self.splits.items():
            if shared := [i for i in split.ids if i in seen]:
                raise DataError(
                    f"Video {shared[0]!r} is in {seen[shared[0]]} and in {name}: splits may not meet."
                )
            seen.update(dict.fromkeys(split.ids, name))
        if not self.digest:
            object.__setattr__(self, "digest", digest_of(self.splits))

    @property
    def splits(self) -> dict[str, Split]:
        return {"train": self.train, "val": self.val, "test": self.test}

    def to(self, device: torch.device | str) -> FeatureStore:
        """The same store with every split resident on `device`."""
        splits = {name: split.to(device) for name, split in self.splits.items()}
        return FeatureStore(**splits, source=self.source, digest=self.digest, creation=self.creation)


def check_finite(split: Split) -> None:
    """Raise `DataError` naming the first video with a NaN or an infinity. Reads every feature once."""
    for name in FEATURES:
        for start, rows in zip(range(0, len(split), CHUNK), getattr(split, name).split(CHUNK), strict=True):
            finite = torch.isfinite(rows).flatten(1).all(dim=1)
            if not finite.all():
                video = split.ids[start + int(finite.logical_not().nonzero()[0])]
                raise DataError(
                    f"{name} of video {video!r} is not finite. Repair its feature file and pack again."
                )


def check_trainable(split: Split) -> None:
    """Raise `DataError` unless every class has a training example and every feature is finite."""
    counts = split.weak.sum(dim=0).tolist()
    if not any(counts):
        raise DataError(f"None of the {len(split)} training videos has a weak label. Training needs them.")
    if missing := [name for name, count in zip(CLASSES, counts, strict=True) if count == 0]:
        raise DataError(
            f"{len(missing)} of {NUM_CLASSES} classes have no training example: {', '.join(missing)}. "
            "Train on a split in which every class occurs."
        )
    check_finite(split)


# --- writing: the safetensors format is 8 bytes of header length, a JSON header, then the raw tensors ---


def split_header(ids: Sequence[str], dense: bool) -> bytes:
    """The first bytes of a split's file, all before its tensors; with `dense`, labels of every segment."""
    entries: dict[str, Any] = {
        "__metadata__": {"format": FORMAT, "classes": json.dumps(CLASSES), "ids": json.dumps(list(ids))}
    }
    start = 0
    for name, shape in {**FEATURES, **LABELS}.items():
        if dense or name not in DENSE:
            end = start + len(ids) * math.prod(shape) * (4 if name in FEATURES else 1)
            entry = {"dtype": "F32" if name in FEATURES else "BOOL", "shape": [len(ids), *shape]}
            entries[name] = {**entry, "data_offsets": [start, end]}
            start = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def split_bytes(split: Split) -> Iterator[bytes]:
    """The bytes of a split's file, in chunks."""
    yield split_header(split.ids, split.dense_audio is not None)
    for tensor in split.tensors().values():
        for rows in tensor.split(CHUNK):
            yield rows.cpu().contiguous().numpy().tobytes()


def digest_of(splits: Mapping[str, Split]) -> str:
    """The digest of a store of these splits, whether or not it was ever written."""
    hashes = {}
    for name in SPLITS:
        sha256 = hashlib.sha256()
        for chunk in split_bytes(splits[name]):
            sha256.update(chunk)
        hashes[name] = sha256.hexdigest()
    return digest_of_hashes(hashes)


def digest_of_hashes(hashes: Mapping[str, str]) -> str:
    """sha256 of what `sha256sum train.safetensors val.safetensors test.safetensors` prints."""
    lines = "".join(f"{hashes[name]}  {name}.safetensors\n" for name in SPLITS)
    return hashlib.sha256(lines.encode()).hexdigest()


def file_hash(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def write_store(folder: str | Path, store: FeatureStore) -> None:
    """Write a store, replacing one that stands there. After a full disk or a kill there is the old store or
    none, never a mixture.

    Raises:
        DataError: a feature is not finite, or the files cannot be written (the old store is then untouched).
    """
    folder = Path(folder)
    staging = folder / ".staging"
    try:
        staging.mkdir(parents=True, exist_ok=True)
        for name, split in store.splits.items():
            check_finite(split)
            write_file(staging / f"{name}.safetensors", split_bytes(split))
        install(staging, folder, store.source, store.creation, {k: len(v) for k, v in store.splits.items()})
    except OSError as error:
        raise DataError(
            f"Cannot write a store to {folder}: {error}. Free space or choose another folder."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def install(
    staging: Path, folder: Path, source: str, creation: Mapping[str, Any], counts: Mapping[str, int]
) -> str:
    """Make the split files that are finished in `staging` the store of `folder`; return its digest.

    Everything is on the disk before the old manifest goes; the new one comes last.
    """
    files = {name: staging / f"{name}.safetensors" for name in SPLITS}
    hashes = {name: file_hash(path) for name, path in files.items()}
    manifest = {
        "format": FORMAT,
        "source": source,
        "digest": digest_of_hashes(hashes),
        "splits": {
            name: {"count": counts[name], "bytes": path.stat().st_size, "sha256": hashes[name]}
            for name, path in files.items()
        },
        "features": {name: list(shape) for name, shape in FEATURES.items()},
        "classes": list(CLASSES),
        "creation": dict(creation),
    }
    write_file(staging / MANIFEST, [json.dumps(manifest, indent=1, allow_nan=False).encode()])
    (folder / MANIFEST).unlink(missing_ok=True)
    for path in (*files.values(), staging / MANIFEST):
        os.replace(path, folder / path.name)
    return str(manifest["digest"])


# --- reading -----------------------------------------------------------------------------------------


def open_store(folder: str | Path, *, verify: bool = False) -> FeatureStore:
    """Open a store memory-mapped: nothing is read until it is used, and the system may drop it again.

    Names, counts, shapes, dtypes and classes are always checked. `verify` reads everything once and checks
    the hashes and that all features are finite.

    Raises:
        DataError: there is no store, a file is missing, truncated, foreign or does not match the manifest.
    """
    folder = Path(folder)
    manifest = read_manifest(folder / MANIFEST)
    splits = {}
    for name in SPLITS:
        path, entry = folder / f"{name}.safetensors", manifest["splits"][name]
        if not path.is_file():
            raise DataError(f"{path} is missing although {MANIFEST} lists it. Make the store again.")
        if path.stat().st_size != entry["bytes"]:
            raise DataError(
                f"{path} has {path.stat().st_size} bytes, expected {entry['bytes']}. Make it again."
            )
        if verify and (found := file_hash(path)) != entry["sha256"]:
            raise DataError(f"{path} has sha256 {found}, expected {entry['sha256']}. Make the store again.")
        splits[name] = open_split(path)
        if len(splits[name]) != entry["count"]:
            raise DataError(f"{path} has {len(splits[name])} videos, {MANIFEST} says {entry['count']}.")
        if verify:
            check_finite(splits[name])
    digest = digest_of_hashes({name: manifest["splits"][name]["sha256"] for name in SPLITS})
    return FeatureStore(**splits, source=manifest["source"], digest=digest, creation=manifest["creation"])


def read_manifest(path: Path) -> dict[str, Any]:
    """Read and check store.json."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise DataError(
                f"{path} has format {manifest['format']!r}, expected {FORMAT!r}. Make the store again."
            )
        if manifest["classes"] != list(CLASSES):
            raise DataError(f"{path} has other classes than cmpie_lite.labels.CLASSES. Make the store again.")
        for name in SPLITS:
            entry = manifest["splits"][name]
            kinds = [type(entry[key]) for key in ("count", "bytes", "sha256")]
            if kinds != [int, int, str]:
                raise DataError(f"{path}: entry of {name} is {entry!r}, expected count, bytes and sha256.")
        if not (isinstance(manifest["source"], str) and isinstance(manifest["creation"], dict)):
            raise DataError(f"{path}: source must be a string and creation an object. Make the store again.")
    except FileNotFoundError:
        raise DataError(
            f"No store in {path.parent}: there is no {path.name}. Make or pack one first."
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        reason = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path} is not the manifest of a store: {reason}. Make the store again.") from error
    return manifest


def open_split(path: Path) -> Split:
    """Open one split's file, memory-mapped. Raises DataError where it is not such a file."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        if metadata.get("format") != FORMAT:
            raise DataError(f"{path} is a safetensors file, but not of a store ({FORMAT!r}).")
        if json.loads(metadata["classes"]) != list(CLASSES):
            raise DataError(f"{path} has other classes than cmpie_lite.labels.CLASSES. Make the store again.")
        ids = tuple(json.loads(metadata["ids"]))
    except (SafetensorError, OSError, RuntimeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read as a split: {error}. Make the store again.") from error
    required, known = {*FEATURES, "weak"}, {*FEATURES, *LABELS}
    if not required <= tensors.keys() <= known:
        raise DataError(
            f"{path} holds {sorted(tensors)}, expected {sorted(required)}, at most {sorted(known)}."
        )
    try:
        split = Split(ids=ids, **tensors)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    for name in LABELS.keys() & tensors.keys():
        if int(tensors[name].view(torch.uint8).max()) > 1:
            raise DataError(f"{path}: {name} has bytes other than 0 and 1. Make the store again.")
    return split
