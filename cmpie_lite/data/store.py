"""Packed features: three splits of tensors, where they come from, and their digest.

The bytes of a split's file are laid down here, so that a store has its digest whether or not it was ever
written. `cmpie_lite.data.store_files` writes and opens the files.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from cmpie_lite.errors import DataError
from cmpie_lite.labels import AUDIO_DIM, CLASSES, NUM_CLASSES, NUM_SEGMENTS, VISUAL_2D_DIM, VISUAL_3D_DIM
from cmpie_lite.support.text import shown
from cmpie_lite.support.typed import check_no_markup

FORMAT: Final = "cmpie_lite store 1"
SPLITS: Final = ("train", "val", "test")
FEATURES: Final = {  # name -> shape of one video's float32 features
    "audio": (NUM_SEGMENTS, AUDIO_DIM),
    "visual_2d": (NUM_SEGMENTS, VISUAL_2D_DIM),
    "visual_3d": (NUM_SEGMENTS, VISUAL_3D_DIM),
}
DENSE: Final = {name: (NUM_SEGMENTS, NUM_CLASSES) for name in ("dense_audio", "dense_visual")}
LABELS: Final = {"weak": (NUM_CLASSES,), **DENSE}  # name -> shape of one video's bool labels
ID: Final = re.compile(r"[\w-][\w.,=+@ -]{0,199}")  # ids reach pages and the names of files
LONGEST_SOURCE: Final = 200  # characters
CHUNK: Final = 256  # videos read or written at once: 27 MB


@dataclass(frozen=True, eq=False)
class Split:
    """N videos: features, weak labels and, where they are known, the labels of every segment.

    Raises:
        DataError: a shape or dtype is wrong, an id occurs twice or is none, only one modality has dense
            labels.
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
        if odd := [i for i in self.ids if not ID.fullmatch(i)]:
            raise DataError(
                f"id {shown(odd[0])}, expected 1 to 200 letters, digits, spaces or characters of "
                "-_.,=+@, beginning with a letter, a digit, - or _."
            )
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

    def truth(self) -> tuple[Bool[Tensor, "N 10 25"], Bool[Tensor, "N 10 25"]]:
        """The labels of every segment, audio and visual, on the CPU.

        Raises:
            DataError: the split has none, as LLP's training split.
        """
        if self.dense_audio is None or self.dense_visual is None:
            raise DataError(
                f"a split of {len(self)} videos without dense labels cannot be scored: use val or test."
            )
        return self.dense_audio.cpu(), self.dense_visual.cpu()

    def rows(self) -> dict[str, Rows]:
        """The rows of each tensor, for `split_bytes`."""

        def read(tensor: Tensor, start: int) -> Iterator[np.ndarray]:
            for first in range(start, len(tensor), CHUNK):
                yield tensor[first : first + CHUNK].cpu().numpy()

        return {name: partial(read, tensor) for name, tensor in self.tensors().items()}


def check_source(source: str) -> None:
    """Raise DataError unless a text can be the name of data: folders, records and pages will have it."""
    if not source.strip() or len(source) > LONGEST_SOURCE:
        raise DataError(
            f"source = {shown(source)}, expected where the data come from, such as 'LLP-sim', in at most "
            f"{LONGEST_SOURCE} characters."
        )
    check_no_markup(source, "source")


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """Three splits and where they come from; `source` and `digest` go with every table made of them.

    Without a digest (a store made in memory) it is computed: that of the files it would have.

    Raises:
        DataError: the source is no plain name, or a video is in two splits.
    """

    train: Split
    val: Split
    test: Split
    source: str  # "LLP", "LLP-sim", "LLP ids with simulated features", ...
    digest: str = ""
    creation: Mapping[str, Any] = field(default_factory=dict)  # what it was made with; JSON values

    def __post_init__(self) -> None:
        check_source(self.source)
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
        """The three splits by name."""
        return {"train": self.train, "val": self.val, "test": self.test}

    def to(self, device: torch.device | str) -> FeatureStore:
        """The same store with every split resident on `device`."""
        splits = {name: split.to(device) for name, split in self.splits.items()}
        return FeatureStore(**splits, source=self.source, digest=self.digest, creation=self.creation)


# --- the bytes of a split's file: safetensors, 8 bytes of header length, a JSON header, the raw tensors ---


def split_header(ids: Sequence[str], dense: bool) -> bytes:
    """The first bytes of a split's file, all before its tensors; with `dense`, labels of every segment."""
    entries: dict[str, Any] = {
        "__metadata__": {"format": FORMAT, "classes": json.dumps(CLASSES), "ids": json.dumps(list(ids))}
    }
    start = 0
    for name, shape in {**FEATURES, **LABELS}.items():
        if dense or name not in DENSE:
            end = start + len(ids) * row_bytes(name)
            entry = {"dtype": "F32" if name in FEATURES else "BOOL", "shape": [len(ids), *shape]}
            entries[name] = {**entry, "data_offsets": [start, end]}
            start = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


Rows = Callable[[int], Iterable[np.ndarray]]  # a tensor's rows from the n-th video on, some at a time


def split_bytes(
    ids: Sequence[str], rows: Mapping[str, Rows], there: Mapping[str, int] | None = None
) -> Iterator[bytes]:
    """The bytes of a split's file, in chunks; or those that follow what is `there` already.

    Args:
        ids: of the videos.
        rows: tensor -> its rows, float32 or bool as `Split` holds them; in the order of the file.
        there: tensor -> how many of its rows stand behind the header already (`rows_within`); None: nothing
            does, and the header comes first.
    """
    if there is None:
        yield split_header(ids, "dense_audio" in rows)
    for name, rows_from in rows.items():
        for some in rows_from((there or {}).get(name, 0)):
            yield np.ascontiguousarray(some).tobytes()


def rows_within(size: int, videos: int, names: Iterable[str]) -> tuple[int, dict[str, int]]:
    """How many whole rows of each tensor lie in the first `size` bytes behind the header, and their bytes."""
    there, start = {}, 0
    for name in names:
        row = row_bytes(name)
        there[name] = min(max(size - start, 0) // row, videos)
        start += videos * row
    return sum(count * row_bytes(name) for name, count in there.items()), there


def row_bytes(name: str) -> int:
    """The bytes of one video's row of a tensor."""
    return math.prod({**FEATURES, **LABELS}[name]) * (4 if name in FEATURES else 1)


def digest_of(splits: Mapping[str, Split]) -> str:
    """The digest of a store of these splits, whether or not it was ever written."""
    hashes = {}
    for name in SPLITS:
        sha256 = hashlib.sha256()
        for chunk in split_bytes(splits[name].ids, splits[name].rows()):
            sha256.update(chunk)
        hashes[name] = sha256.hexdigest()
    return digest_of_hashes(hashes)


def digest_of_hashes(hashes: Mapping[str, str]) -> str:
    """sha256 of what `sha256sum train.safetensors val.safetensors test.safetensors` prints."""
    lines = "".join(f"{hashes[name]}  {name}.safetensors\n" for name in SPLITS)
    return hashlib.sha256(lines.encode()).hexdigest()
