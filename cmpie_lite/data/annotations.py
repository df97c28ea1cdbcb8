"""The LLP annotations: three splits with their labels, and a report of every faulty row by file and line.

The weak files define the splits; the dense files hold for the videos of val and test.

The published files have faults. Those are reported and read as the field reads them: a dense row whose id is
in no split is ignored, an offset not after its onset marks nothing, a repetition changes nothing. Faults that
the published files do not have (`FATAL`) stop the reading, unless it is told not to be strict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool

from cmpie_lite.data.annotation_files import (
    FATAL,
    Fault,
    Problem,
    Row,
    WeakRows,
    read_dense,
    read_weak,
)
from cmpie_lite.data.llp_names import AUDIO_FILES, FULL_FILE, VISUAL_FILE, WEAK_FILES
from cmpie_lite.errors import DataError
from cmpie_lite.labels import CLASSES, MODALITIES, NUM_CLASSES
from cmpie_lite.support.text import user_path


@dataclass(frozen=True, eq=False)
class SplitAnnotations:
    """The labels of one split, in the order of its csv file; dense labels are None in train."""

    ids: tuple[str, ...]
    weak: Bool[np.ndarray, "N C"]
    dense_audio: Bool[np.ndarray, "N T C"] | None = None
    dense_visual: Bool[np.ndarray, "N T C"] | None = None


@dataclass(frozen=True, eq=False)
class Annotations:
    """The three splits, and every fault found on the way, by file and line."""

    train: SplitAnnotations
    val: SplitAnnotations
    test: SplitAnnotations
    version: str
    faults: tuple[Fault, ...]


def read_annotations(folder: str | Path, version: str = "2024", *, strict: bool = True) -> Annotations:
    """Read the LLP annotations.

    Args:
        folder: where the csv files stand, by their published names.
        version: dense audio labels as corrected in "2024", or of "2020", with which all papers evaluate; they
            differ in three rows, of two test videos.
        strict: raise on the kinds of fault in `FATAL`, on an empty split, and where most videos of val and
            test have no event in a dense file; otherwise report faulty rows and leave them out.

    Raises:
        DataError: missing files; an unknown version; what `strict` names, by file and line.
    """
    folder = user_path(folder)
    if version not in AUDIO_FILES:
        raise DataError(f"version = {version!r}, expected one of {', '.join(map(repr, AUDIO_FILES))}.")
    needed = (*WEAK_FILES.values(), AUDIO_FILES[version], VISUAL_FILE)
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder} lacks {', '.join(missing)}. Expected: {', '.join(needed)}. "
            "Fetch them with `python -m data_fetch annotations`."
        )
    faults: list[Fault] = []
    weak = {split: read_weak(folder / name, faults) for split, name in WEAK_FILES.items()}
    _drop_shared_ids(weak, faults)
    if (folder / FULL_FILE).is_file():
        _compare(weak, read_weak(folder / FULL_FILE, faults), faults)

    train = SplitAnnotations(tuple(weak["train"]), _weak_labels(weak["train"]))
    evaluated = (*weak["val"], *weak["test"])
    audio, visual = (
        read_dense(folder / name, evaluated, weak["train"], faults)
        for name in (AUDIO_FILES[version], VISUAL_FILE)
    )

    def dense_split(name: str, part: slice) -> SplitAnnotations:
        labels = _weak_labels(weak[name])
        faults.extend(_disagreements(weak[name], labels, audio.named[part] | visual.named[part]))
        return SplitAnnotations(tuple(weak[name]), labels, audio.roll[part], visual.roll[part])

    val = dense_split("val", slice(len(weak["val"])))
    test = dense_split("test", slice(len(weak["val"]), None))
    fatal = [fault for fault in faults if fault.problem in FATAL]
    if strict and fatal:
        shown = "\n  ".join(map(str, fatal[:5]))
        raise DataError(
            f"{len(fatal)} faulty rows in {folder}:\n  {shown}{' ...' if len(fatal) > 5 else ''}\n"
            "Correct them, or read with strict=False, which leaves such rows out and reports them."
        )
    if strict:
        _check_coverage(folder, weak, {AUDIO_FILES[version]: audio.roll, VISUAL_FILE: visual.roll})
    return Annotations(train, val, test, version, tuple(faults))


def _check_coverage(folder: Path, weak: Mapping[str, WeakRows], rolls: Mapping[str, np.ndarray]) -> None:
    """Refuse what no row alone shows: an empty split, or a dense file that is not of these videos."""
    for split, name in WEAK_FILES.items():
        if not weak[split]:
            raise DataError(f"{folder / name} names no video, expected the {split} split: is it whole?")
    for name, roll in rolls.items():
        found, videos = int(roll.any((1, 2)).sum()), len(roll)
        if 2 * found < videos:
            raise DataError(
                f"{folder / name} has events of {found} of the {videos} val and test videos, expected most "
                "of them: is it whole, does each onset stand before its offset, and are its ids written as "
                "in the other files?"
            )


def _drop_shared_ids(weak: dict[str, WeakRows], faults: list[Fault]) -> None:
    """Keep an id that two splits claim in the first of test, val, train: nothing tested is trained on."""
    seen: dict[str, Row] = {}
    for split in ("test", "val", "train"):
        for video in [video for video in weak[split] if video in seen]:
            row, other = weak[split].pop(video)[0], seen[video]
            faults.append(row.fault(Problem.TWO_SPLITS, f"also in {other.file}:{other.line}"))
        seen |= {video: row for video, (row, _) in weak[split].items()}


def _compare(weak: dict[str, WeakRows], full: WeakRows, faults: list[Fault]) -> None:
    for video, (row, classes) in ((v, entry) for split in weak.values() for v, entry in split.items()):
        if video not in full:
            faults.append(row.fault(Problem.FULL_DIFFERS, "no such id there"))
        elif set(full[video][1]) != set(classes):
            faults.append(row.fault(Problem.FULL_DIFFERS, f"other labels in its line {full[video][0].line}"))
    for video, (row, _) in full.items():
        if not any(video in split for split in weak.values()):
            faults.append(row.fault(Problem.NO_SPLIT))


def _weak_labels(videos: WeakRows) -> Bool[np.ndarray, "N C"]:
    weak = np.zeros((len(videos), NUM_CLASSES), dtype=bool)
    for i, (_, classes) in enumerate(videos.values()):
        weak[i, classes] = True
    return weak


def _disagreements(videos: WeakRows, weak: np.ndarray, named: np.ndarray) -> list[Fault]:
    """A fault for every video whose weak labels are not the union of those that its dense rows name."""
    faults = []
    for (row, _), weak_labels, dense_labels in zip(videos.values(), weak, named, strict=True):
        parts = {"only weak": weak_labels & ~dense_labels, "only dense": dense_labels & ~weak_labels}
        texts = {
            part: ", ".join(CLASSES[c] for c in np.flatnonzero(differ)) for part, differ in parts.items()
        }
        detail = "; ".join(f"{part}: {text}" for part, text in texts.items() if text)
        if detail:
            faults.append(row.fault(Problem.WEAK_DENSE, detail))
    return faults


def fault_table(annotations: Annotations) -> pd.DataFrame:
    """Count what was read and what is wrong with it: columns `where` (split or file), `what`, `count`."""
    counts: list[tuple[str, str, int]] = []
    for name in WEAK_FILES:
        split: SplitAnnotations = getattr(annotations, name)
        counts += [(name, "videos", len(split.ids)), (name, "weak labels", int(split.weak.sum()))]
        counts.append((name, "classes without a video", int((~split.weak.any(0)).sum())))
        dense: Mapping[str, np.ndarray | None] = {m: getattr(split, f"dense_{m}") for m in MODALITIES}
        for modality, roll in dense.items():
            if roll is not None:
                counts.append((name, f"videos without {modality} event", int((~roll.any((1, 2))).sum())))
    for (file, problem), count in Counter((f.file, f.problem) for f in annotations.faults).items():
        counts.append((file, str(problem), count))
    strangers = {f.text.split("\t")[0] for f in annotations.faults if f.problem == Problem.NO_SPLIT}
    counts.append(("all files", "distinct ids in no split", len(strangers)))
    return pd.DataFrame(counts, columns=["where", "what", "count"])
