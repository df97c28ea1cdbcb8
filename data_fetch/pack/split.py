"""One split of a store, packed so that it can be interrupted.

Each tensor of a store comes from one kind of file, so a split's file is written front to back, one video at
a time: memory does not grow with the set, and after a kill the length of the unfinished file tells how far
it came.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypedDict

import numpy as np
from tqdm import tqdm

from cmpie_lite.data.annotations import SplitAnnotations
from cmpie_lite.data.llp_names import feature_name
from cmpie_lite.data.store import (
    CHUNK,
    FEATURES,
    LABELS,
    SPLITS,
    Rows,
    rows_within,
    split_bytes,
    split_header,
)
from cmpie_lite.errors import DataError
from cmpie_lite.labels import FRAMES_PER_SEGMENT
from cmpie_lite.support.files import cannot_write, sweep, whole_file
from cmpie_lite.support.reading import read_text
from cmpie_lite.support.typed import conform, load_json
from data_fetch.layout import TENSORS, check_feature, read_feature

SUFFIXES: Final = ("safetensors", "part", "json")  # of a split that is packed: finished, begun, what is known


class BadFile(NamedTuple):
    """A feature file that cannot be used, and the video that needs it."""

    id: str
    file: str  # below the folder of the features
    reason: str


class Row(TypedDict):
    """A `BadFile` as JSON."""

    id: str
    file: str
    reason: str


class State(TypedDict):
    """What is written down of an unfinished split."""

    stamp: str
    not_finite: list[Row]


@dataclass(frozen=True)
class Job:
    """What one split's file will hold."""

    name: str
    ids: tuple[str, ...]
    labels: tuple[np.ndarray, ...]  # weak, then dense_audio and dense_visual where they are known
    bad: tuple[BadFile, ...]
    stamp: str  # changes with any label, and with size or time of any feature file

    def without(self, bad: Sequence[BadFile]) -> Job:
        """The same job without the videos of these files."""
        names = {row.id for row in bad}
        keep = np.array([video not in names for video in self.ids], dtype=bool)
        ids = tuple(video for video in self.ids if video not in names)
        labels = tuple(rows[keep] for rows in self.labels)
        return Job(self.name, ids, labels, (*self.bad, *bad), self.stamp)


def plan(name: str, split: SplitAnnotations, feats: Path) -> Job:
    """Look at the header of every feature file of a split."""
    bad, stamp = [], hashlib.sha256()
    labels = tuple(rows for rows in (split.weak, split.dense_audio, split.dense_visual) if rows is not None)
    for rows in labels:
        stamp.update(np.ascontiguousarray(rows).tobytes())
    for video in split.ids:
        for kind in TENSORS:
            file = _file(video, kind)
            try:
                status = check_feature(feats / file, kind)
                stamp.update(f"{video} {file} {status.st_size} {status.st_mtime_ns}\n".encode())
            except DataError as error:
                bad.append(BadFile(video, file, str(error)))
    return Job(name, split.ids, labels, (), stamp.hexdigest()).without(bad)


def complete(job: Job, feats: Path, staging: Path, progress: bool) -> tuple[Job, list[str]]:
    """Bring a split's file to its end; return what it holds and its videos with negative audio features.

    Videos whose values turn out not to be finite are left out, for which the file is written anew.

    Raises:
        DataError: no video is left, or a feature file was damaged since it was looked at.
        OSError: the file cannot be written; what there is of it is kept.
    """
    done, part, state = (staging / f"{job.name}.{suffix}" for suffix in SUFFIXES)
    not_finite: list[BadFile] = []
    try:
        saved = load_json(read_text(state))
        conform(saved, State)
        resumed = saved["stamp"] == job.stamp
        not_finite = [BadFile(**row) for row in saved["not_finite"]] if resumed else []
    except (OSError, ValueError):
        resumed = False
    for path in (done, part):
        if path.is_dir() and not path.is_symlink():
            raise cannot_write(path, IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)))
    odd = any(path.is_symlink() or (path.exists() and not path.is_file()) for path in (done, part))
    if not resumed or odd:  # a link would be written through, a pipe waited for
        done.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
    job = job.without(not_finite)
    while job.ids:
        with whole_file(state) as temporary:
            rows = [row._asdict() for row in not_finite]
            temporary.write_text(json.dumps({"stamp": job.stamp, "not_finite": rows}), encoding="utf-8")
        if not done.exists():
            _fill(part, job, feats, progress)
            os.replace(part, done)
        found, negative = _inspect(done, job.ids)
        if not found:
            return job, negative
        done.unlink()
        job, not_finite = job.without(found), not_finite + found
    clear(staging)
    first = f"{job.bad[0].file}: {job.bad[0].reason}" if job.bad else "it has no ids"
    raise DataError(f"No video of {job.name} has features that can be used; first reason: {first}.")


def clear(staging: Path) -> None:
    """Remove what packing has left in its folder; what is not its own stays there."""
    sweep(staging)
    for name in SPLITS:
        for suffix in SUFFIXES:
            (staging / f"{name}.{suffix}").unlink(missing_ok=True)
    with suppress(OSError):
        staging.rmdir()


def _fill(part: Path, job: Job, feats: Path, progress: bool) -> None:
    """Write a split's file from where it ends: whole rows that are there stay."""
    videos, header = len(job.ids), split_header(job.ids, dense=len(job.labels) > 1)
    bar = tqdm(total=len(TENSORS) * videos, desc=f"pack {job.name}", unit="file", disable=not progress)

    def read(kind: str, start: int) -> Iterator[np.ndarray]:
        bar.update(start)
        for video in job.ids[start:]:
            yield _read(feats, video, kind)
            bar.update()

    rows: dict[str, Rows] = {tensor: partial(read, kind) for kind, tensor in TENSORS.items()}
    rows |= {name: partial(_rest, labels) for name, labels in zip(LABELS, job.labels, strict=False)}
    part.touch()
    with bar, part.open("r+b") as file:
        if file.read(len(header)) == header:
            size, there = rows_within(file.seek(0, os.SEEK_END) - len(header), videos, rows)
            file.truncate(len(header) + size)
        else:
            there = None
            file.truncate(0)
        file.seek(0, os.SEEK_END)
        file.writelines(split_bytes(job.ids, rows, there))
        file.flush()
        os.fsync(file.fileno())


def _rest(labels: np.ndarray, start: int) -> Iterator[np.ndarray]:
    yield labels[start:]


def pool_frames(frames: np.ndarray) -> np.ndarray:
    """The mean of each 8 frames, (80, D) -> (10, D): summed in float64, rounded to float32 once."""
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, which is found later
        pooled = frames.reshape(-1, FRAMES_PER_SEGMENT, frames.shape[1]).mean(axis=1, dtype=np.float64)
    return pooled.astype(np.float32)


def _read(feats: Path, video: str, kind: str) -> np.ndarray:
    """One video's row of a tensor."""
    try:
        values = read_feature(feats / _file(video, kind), kind)
    except DataError as error:
        raise DataError(f"{_file(video, kind)}: {error}. It was whole before: run again.") from error
    return pool_frames(values) if TENSORS[kind] == "visual_2d" else values


def _inspect(path: Path, ids: Sequence[str]) -> tuple[list[BadFile], list[str]]:
    """Read a split's features once: files with values that are not finite, videos with negative audio."""
    bad, negative = [], []
    with path.open("rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        for kind, tensor in TENSORS.items():
            size = math.prod(FEATURES[tensor])
            for start in range(0, len(ids), CHUNK):
                videos = ids[start : start + CHUNK]
                rows = np.fromfile(file, np.float32, size * len(videos)).reshape(len(videos), size)
                whole = np.isfinite(rows).all(axis=1)
                bad += [
                    BadFile(videos[i], _file(videos[i], kind), "not finite")
                    for i in np.flatnonzero(~whole).tolist()
                ]
                if tensor == "audio":
                    below = whole & (rows < 0).any(axis=1)
                    negative += [videos[i] for i in np.flatnonzero(below).tolist()]
    return bad, negative


def _file(video: str, kind: str) -> str:
    return f"{kind}/{feature_name(video)}.npy"
