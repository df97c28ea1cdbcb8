"""`python -m data_fetch pack`: features in the authors' layout -> a packed store.

    feats/vggish/<11-char id>.npy        float32 (10, 128)
    feats/res152/<11-char id>.npy        float32 (80, 2048), 8 frames per second, pooled to (10, 2048)
    feats/r2plus1d_18/<11-char id>.npy   float32 (10, 512)

All files are looked at before any is read. Unfinished work stands in `.packing` of the output folder until a
later run completes it; a second run that comes at the same time is refused.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cmpie_lite.data.annotations import Annotations
from cmpie_lite.data.llp_names import feature_name
from cmpie_lite.data.store import FEATURES, SPLITS, check_source
from cmpie_lite.data.store_files import MANIFEST, install
from cmpie_lite.errors import DataError, WriteError
from cmpie_lite.support.files import check_writable
from cmpie_lite.support.text import user_path
from cmpie_lite.support.turns import alone_in
from data_fetch.layout import LAYOUT, SOURCE_FILE, features_folder, misnamed, read_origin
from data_fetch.pack.split import BadFile, Job, clear, complete, plan
from data_fetch.tables import require_space, write_rows

MISSING: Final = "missing.csv"
VIDEO_BYTES: Final = 4 * sum(math.prod(shape) for shape in FEATURES.values())


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


def pack(
    features_dir: str | Path,
    annotations: Annotations,
    out_dir: str | Path,
    *,
    on_missing: Literal["error", "skip"] = "error",
    source: str | None = None,
    progress: bool = True,
) -> PackReport:
    """Pack the features of every annotated video into a store (see `cmpie_lite.data.store_files.open_store`).

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
        DataError: a source that is no name; a feature file is missing or unusable (all are looked at before,
            the first are named); a split would be empty; the output cannot be written (what is packed so far
            is kept); another process packs into the same folder.
    """
    if on_missing not in ("error", "skip"):
        raise DataError(f"on_missing = {on_missing!r}, expected 'error' or 'skip'.")
    feats, out_dir = _find_layout(user_path(features_dir)), user_path(out_dir)
    if source is None:
        said = read_origin(feats / SOURCE_FILE)
        source = "LLP" if said is None else said
    check_source(source)
    staging = _staging(out_dir)
    jobs = [plan(name, getattr(annotations, name), feats) for name in SPLITS]
    if on_missing == "error":
        _refuse([row for job in jobs for row in job.bad], misnamed(feats))
    negative: list[str] = []
    try:
        kept = sum(path.lstat().st_size for path in staging.glob("*"))
        require_space(out_dir, VIDEO_BYTES * sum(len(job.ids) for job in jobs) - kept, "the store")
        with alone_in(out_dir):
            check_writable(out_dir, MANIFEST, MISSING)
            staging.mkdir(exist_ok=True)
            for i, job in enumerate(jobs):
                jobs[i], found = complete(job, feats, staging, progress)
                negative += found
            bad = tuple(row for job in jobs for row in job.bad)
            if on_missing == "skip":
                write_rows(out_dir / MISSING, BadFile._fields, [row._asdict() for row in bad])
            else:
                if bad:  # what could only be seen in the values
                    clear(staging)
                _refuse(bad)
                (out_dir / MISSING).unlink(missing_ok=True)
            counts = {job.name: len(job.ids) for job in jobs}
            creation = {"annotations": annotations.version, "left_out": len({row.id for row in bad})}
            digest = install(staging, out_dir, source, creation, counts)
            clear(staging)
    except (OSError, WriteError) as error:
        where = f"{error.filename or staging}: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise DataError(
            f"Cannot pack to {out_dir}: {where.removesuffix('.')}. What is packed so far is kept: mend that "
            "and run again."
        ) from error
    return PackReport(out_dir, source, digest, counts, bad, tuple(negative), _sharing(jobs))


def _staging(out_dir: Path) -> Path:
    """Where splits lie until all are packed: a folder of ours, or nothing yet."""
    staging = out_dir / ".packing"
    if staging.is_symlink() or (staging.exists() and not staging.is_dir()):
        what = "a link to another place" if staging.is_symlink() else "a file or a pipe"
        raise DataError(f"{staging} is {what}, expected a folder of ours. Move it elsewhere.")
    return staging


def _sharing(jobs: Sequence[Job]) -> tuple[tuple[str, ...], ...]:
    """The ids of videos that have their features from one set of files."""
    users = defaultdict(list)
    for job in jobs:
        for video in job.ids:
            users[feature_name(video)].append(video)
    return tuple(tuple(ids) for ids in users.values() if len(ids) > 1)


def _find_layout(folder: Path) -> Path:
    feats = features_folder(folder)
    if all((feats / kind).is_dir() for kind in LAYOUT):
        return feats
    raise DataError(f"{folder} has no folders {', '.join(LAYOUT)}, nor has its folder feats. Give theirs.")


def _refuse(bad: Sequence[BadFile], example: Path | None = None) -> None:
    if bad:
        named = (
            f"{example} is named like a clip: rename such files to the id's 11 characters. "
            if example
            else ""
        )
        shown = "\n  ".join(f"{row.file}: {row.reason}" for row in bad[:5])
        raise DataError(
            f"{len(bad)} feature files of {len({row.id for row in bad})} videos cannot be used:\n  {shown}"
            f"{' ...' if len(bad) > 5 else ''}\n"
            f"{named}Repair them, or leave those videos out with --skip-missing (on_missing='skip')."
        )
