"""`python -m data_fetch pack`: features in the authors' layout -> a packed store.

    feats/vggish/<11-char id>.npy        float32 (10, 128)
    feats/res152/<11-char id>.npy        float32 (80, 2048), 8 frames a second, pooled to (10, 2048)
    feats/r2plus1d_18/<11-char id>.npy   float32 (10, 512)

Each tensor of a store comes from one kind of file, so a split's file is written front to back, one video at
a time: memory does not grow with the set, and after a kill the length of the unfinished file tells how far
it came. Unfinished work stands in `.packing` of the output folder until a later run completes it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal, NamedTuple

import numpy as np
from tqdm import tqdm

from cmpie_lite.annotations import Annotations, SplitAnnotations, feature_name
from cmpie_lite.data import CHUNK, FEATURES, SPLITS, split_header
from cmpie_lite.errors import DataError
from cmpie_lite.labels import FRAMES_PER_SEGMENT, NUM_SEGMENTS
from cmpie_lite.store_files import install
from data_fetch.files import require_space, whole_file, write_rows

KINDS: Final = {  # folder -> tensor of the store, shape of a file; in the order of the tensors
    "vggish": ("audio", (10, 128)),
    "res152": ("visual_2d", (NUM_SEGMENTS * FRAMES_PER_SEGMENT, 2048)),
    "r2plus1d_18": ("visual_3d", (10, 512)),
}
MISSING: Final = "missing.csv"
VIDEO_BYTES: Final = 4 * sum(math.prod(shape) for shape in FEATURES.values())
SOURCE_FILE: Final = "source.txt"  # beside the three folders: what features are that are not LLP's own


class BadFile(NamedTuple):
    """A feature file that cannot be used, and the video that needs it."""

    id: str
    file: str  # below the folder of the features
    reason: str


@dataclass(frozen=True)
class PackReport:
    """What was packed and what there is to know about it."""

    folder: Path
    source: str
    digest: str
    counts: dict[str, int]  # videos of each split
    bad: tuple[BadFile, ...]  # left out, with on_missing="skip"
    negative_audio: tuple[str, ...]  # videos with negative VGGish values: LLP's are raw, never negative
    shared: tuple[tuple[str, ...], ...]  # videos that share the files of one 11-character id

    def __str__(self) -> str:
        videos = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        lines = [f"{self.folder}: {self.source}, {videos} videos, digest {self.digest[:12]}"]
        if self.bad:
            left_out = len({bad.id for bad in self.bad})
            lines.append(
                f"{left_out} videos left out for {len(self.bad)} bad files: see {self.folder / MISSING}"
            )
        if self.negative_audio:
            lines.append(
                f"WARNING: {len(self.negative_audio)} videos have negative VGGish values, first "
                f"{self.negative_audio[0]}. LLP's are raw and never negative: is this another embedding?"
            )
        lines += [f"WARNING: one set of features stands for {' and '.join(ids)}" for ids in self.shared]
        return "\n".join(lines)


# --- one feature file ---------------------------------------------------------------------------------


def check_feature(path: Path, kind: str) -> os.stat_result:
    """Check a feature file of `kind` (a key of `KINDS`) without reading its values; return its status.

    Raises:
        DataError: missing, not a .npy file, truncated, wrong shape or dtype. The message is the reason only.
    """
    with _opened(path, kind) as (file, _):
        return os.fstat(file.fileno())


def read_feature(path: Path, kind: str) -> np.ndarray:
    """Read a feature file of `kind`: float32 of the shape in `KINDS`, values as they are.

    Raises:
        DataError: as `check_feature`.
    """
    shape = KINDS[kind][1]
    with _opened(path, kind) as (file, fortran):
        values = np.fromfile(file, np.float32, math.prod(shape))
    if values.size != math.prod(shape):
        raise DataError("became shorter while it was read")
    return values.reshape(shape[::-1]).T if fortran else values.reshape(shape)


def pool_frames(frames: np.ndarray) -> np.ndarray:
    """The mean of each 8 frames, (80, D) -> (10, D): summed in float64, rounded to float32 once."""
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, which is found later
        pooled = frames.reshape(-1, FRAMES_PER_SEGMENT, frames.shape[1]).mean(axis=1, dtype=np.float64)
    return pooled.astype(np.float32)


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[tuple[BinaryIO, bool]]:
    """The file, standing at its values, and whether they are in Fortran order."""
    try:
        if path.exists() and not path.is_file():
            raise DataError("not a file")
        with path.open("rb") as file:
            yield file, _read_header(file, KINDS[kind][1])
    except FileNotFoundError:
        raise DataError("missing") from None
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})") from error


def _read_header(file: BinaryIO, expected: tuple[int, ...]) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # files of Python 2 are fine
            first = np.lib.format.read_magic(file) == (1, 0)
            read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
    except Exception as error:  # numpy's parser raises a dozen kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"not a .npy file ({reason[:100]})") from error
    if dtype.hasobject:
        raise DataError("a pickled object array, expected float32; pickles are never loaded")
    if dtype != np.float32:
        raise DataError(f"dtype {dtype.str}, expected float32; save it with .astype(numpy.float32)")
    if shape != expected:
        raise DataError(f"shape {shape}, expected {expected}")
    found, size = os.fstat(file.fileno()).st_size - file.tell(), 4 * math.prod(expected)
    if found != size:
        raise DataError(f"{found} bytes of values, expected {size}{' (truncated)' if found < size else ''}")
    return bool(fortran)


# --- a data set ---------------------------------------------------------------------------------------


def pack(
    features_dir: str | Path,
    annotations: Annotations,
    out_dir: str | Path,
    *,
    on_missing: Literal["error", "skip"] = "error",
    source: str | None = None,
    progress: bool = True,
) -> PackReport:
    """Pack the features of every annotated video into a store (see `cmpie_lite.store_files.open_store`).

    Killed at any moment and run again it goes on where it was and ends with the same bytes. A feature file
    that changes in between is noticed by its size and time, and its split packed anew.

    Args:
        features_dir: the folder of `vggish`, `res152` and `r2plus1d_18`, or the one above (with `feats`).
        annotations: ids and labels of the three splits.
        out_dir: folder of the store; an old store there is replaced when the new one is complete.
        on_missing: "skip" leaves out videos without usable features and lists them in `missing.csv`.
        source: name of the data; by default what `source.txt` beside the three folders says, or "LLP".
        progress: show a progress bar.

    Raises:
        DataError: a feature file is missing or unusable (all are looked at before, the first are named);
            a split would be empty; the output cannot be written (what is packed so far is kept).
    """
    if on_missing not in ("error", "skip"):
        raise DataError(f"on_missing = {on_missing!r}, expected 'error' or 'skip'.")
    feats, out_dir = _find_layout(Path(features_dir)), Path(out_dir)
    source = _find_source(feats) if source is None else source
    if not source.strip():
        raise DataError(f"source = {source!r}, expected the name of the data, such as 'LLP'.")
    staging = out_dir / ".packing"
    jobs = [_plan(name, getattr(annotations, name), feats) for name in SPLITS]
    if on_missing == "error":
        _refuse([row for job in jobs for row in job.bad], staging)
    negative: list[str] = []
    try:
        kept = sum(path.stat().st_size for path in staging.glob("*"))
        require_space(out_dir, VIDEO_BYTES * sum(len(job.ids) for job in jobs) - kept, "the store")
        staging.mkdir(parents=True, exist_ok=True)
        for i, job in enumerate(jobs):
            jobs[i], found = _complete(job, feats, staging, progress)
            negative += found
        bad = tuple(row for job in jobs for row in job.bad)
        if on_missing == "error":  # what could only be seen in the values
            _refuse(bad, staging)
            (out_dir / MISSING).unlink(missing_ok=True)
        else:
            write_rows(out_dir / MISSING, BadFile._fields, [row._asdict() for row in bad])
        counts = {job.name: len(job.ids) for job in jobs}
        creation = {"annotations": annotations.version, "left_out": len({row.id for row in bad})}
        digest = install(staging, out_dir, source, creation, counts)
        shutil.rmtree(staging)
    except OSError as error:
        raise DataError(
            f"Cannot pack to {out_dir}: {error}. What is packed so far is kept: free space and run again."
        ) from error
    users = defaultdict(list)
    for job in jobs:
        for video in job.ids:
            users[feature_name(video)].append(video)
    shared = tuple(tuple(ids) for ids in users.values() if len(ids) > 1)
    return PackReport(out_dir, source, digest, counts, bad, tuple(negative), shared)


@dataclass(frozen=True)
class _Job:
    """What one split's file will hold."""

    name: str
    ids: tuple[str, ...]
    labels: tuple[np.ndarray, ...]  # weak, then dense_audio and dense_visual where they are known
    bad: tuple[BadFile, ...]
    stamp: str  # changes with any label, and with size or time of any feature file

    def without(self, bad: Sequence[BadFile]) -> _Job:
        """The same job without the videos of these files."""
        names = {row.id for row in bad}
        keep = np.array([video not in names for video in self.ids], dtype=bool)
        ids = tuple(video for video in self.ids if video not in names)
        labels = tuple(rows[keep] for rows in self.labels)
        return _Job(self.name, ids, labels, (*self.bad, *bad), self.stamp)


def _find_layout(folder: Path) -> Path:
    for feats in (folder, folder / "feats"):
        if all((feats / kind).is_dir() for kind in KINDS):
            return feats
    raise DataError(f"{folder} has no folders {', '.join(KINDS)}, nor has its folder feats. Give theirs.")


def _find_source(feats: Path) -> str:
    try:
        return (feats / SOURCE_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return "LLP"
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{feats / SOURCE_FILE} cannot be read: {error}. Expected one line of text."
        ) from error


def _file(video: str, kind: str) -> str:
    return f"{kind}/{feature_name(video)}.npy"


def _plan(name: str, split: SplitAnnotations, feats: Path) -> _Job:
    """Look at the header of every feature file of a split."""
    bad, stamp = [], hashlib.sha256()
    labels = tuple(rows for rows in (split.weak, split.dense_audio, split.dense_visual) if rows is not None)
    for rows in labels:
        stamp.update(np.ascontiguousarray(rows).tobytes())
    for video in split.ids:
        for kind in KINDS:
            file = _file(video, kind)
            try:
                status = check_feature(feats / file, kind)
                stamp.update(f"{video} {file} {status.st_size} {status.st_mtime_ns}\n".encode())
            except DataError as error:
                bad.append(BadFile(video, file, str(error)))
    return _Job(name, split.ids, labels, (), stamp.hexdigest()).without(bad)


def _refuse(bad: Sequence[BadFile], staging: Path) -> None:
    if bad:
        shutil.rmtree(staging, ignore_errors=True)
        shown = "\n  ".join(f"{row.file}: {row.reason}" for row in bad[:5])
        raise DataError(
            f"{len(bad)} feature files of {len({row.id for row in bad})} videos cannot be used:\n  {shown}"
            f"{' ...' if len(bad) > 5 else ''}\n"
            "Repair them, or leave those videos out with on_missing='skip'."
        )


def _complete(job: _Job, feats: Path, staging: Path, progress: bool) -> tuple[_Job, list[str]]:
    """Bring a split's file to its end; return what it holds and its videos with negative audio features.

    Videos whose values turn out not to be finite are left out, for which the file is written anew.
    """
    done, part, state = (staging / f"{job.name}.{suffix}" for suffix in ("safetensors", "part", "json"))
    not_finite: list[BadFile] = []
    try:
        saved = json.loads(state.read_text(encoding="utf-8"))
        resumed = saved["stamp"] == job.stamp
        not_finite = [BadFile(*row) for row in saved["not_finite"]] if resumed else []
    except (OSError, ValueError, KeyError, TypeError):
        resumed = False
    if not resumed:
        done.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
    job = job.without(not_finite)
    while job.ids:
        with whole_file(state) as temporary:
            temporary.write_text(json.dumps({"stamp": job.stamp, "not_finite": not_finite}), encoding="utf-8")
        if not done.exists():
            _fill(part, job, feats, progress)
            os.replace(part, done)
        found, negative = _inspect(done, job.ids)
        if not found:
            return job, negative
        done.unlink()
        job, not_finite = job.without(found), not_finite + found
    shutil.rmtree(staging)
    first = f"{job.bad[0].file}: {job.bad[0].reason}" if job.bad else "it has no ids"
    raise DataError(f"No video of {job.name} has features that can be used; first reason: {first}.")


def _fill(part: Path, job: _Job, feats: Path, progress: bool) -> None:
    """Write a split's file from where it ends: whole rows that are there stay."""
    header = split_header(job.ids, dense=len(job.labels) > 1)
    part.touch()
    with part.open("r+b") as file:
        if file.read(len(header)) != header:
            file.seek(0)
            file.truncate()
            file.write(header)
        size, start = file.seek(0, os.SEEK_END), len(header)
        bar = tqdm(
            total=len(KINDS) * len(job.ids), desc=f"pack {job.name}", unit="file", disable=not progress
        )
        with bar:
            for kind, (tensor, _) in KINDS.items():
                row_bytes = 4 * math.prod(FEATURES[tensor])
                rows = min(max(size - start, 0) // row_bytes, len(job.ids))
                file.seek(start + rows * row_bytes)
                bar.update(rows)
                for video in job.ids[rows:]:
                    values = _read(feats, video, kind)
                    file.write((pool_frames(values) if tensor == "visual_2d" else values).tobytes())
                    bar.update()
                start += len(job.ids) * row_bytes
        for labels in job.labels:
            file.write(labels.tobytes())
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _read(feats: Path, video: str, kind: str) -> np.ndarray:
    try:
        return read_feature(feats / _file(video, kind), kind)
    except DataError as error:
        raise DataError(f"{_file(video, kind)}: {error}. It was whole before: run again.") from error


def _inspect(path: Path, ids: Sequence[str]) -> tuple[list[BadFile], list[str]]:
    """Read a split's features once: files with values that are not finite, videos with negative audio."""
    bad, negative = [], []
    with path.open("rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        for kind, (tensor, _) in KINDS.items():
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
