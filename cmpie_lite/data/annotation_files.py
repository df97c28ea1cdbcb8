"""One annotation file: its rows, its labels, and what is wrong with them, by file and line.

The files are tab-separated, one header line each. Weak files (`filename`, `event_labels`) name the events
of a video, comma-separated. Dense files (`filename`, `onset`, `offset`, `event_labels`) give one event per
row, in whole seconds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool

from cmpie_lite.data.llp_names import DENSE_COLUMNS, FULL_FILE, WEAK_COLUMNS, feature_name
from cmpie_lite.errors import DataError
from cmpie_lite.events import class_index, segment_range
from cmpie_lite.labels import NUM_CLASSES, NUM_SEGMENTS
from cmpie_lite.support.reading import LARGEST_TEXT, SAVE_AS, as_utf8, read_bytes
from cmpie_lite.support.text import shown


class Problem(StrEnum):
    """What is wrong with a row."""

    MALFORMED = "malformed row"
    BAD_TIME = "no whole second of the video"
    UNKNOWN_LABEL = "unknown label"
    DUPLICATE_ID = "duplicate id"
    TWO_SPLITS = "id in two splits"
    NO_SPLIT = "id in no split"
    TRAIN_DENSE = "dense labels of a training video"
    EMPTY_EVENT = "offset not after onset"
    DUPLICATE_ROW = "duplicate row"
    REPEATED_LABEL = "repeated label"
    WEAK_DENSE = "weak labels differ from dense labels"
    FULL_DIFFERS = f"differs from {FULL_FILE}"


FATAL: Final = frozenset(
    {
        Problem.MALFORMED,
        Problem.BAD_TIME,
        Problem.UNKNOWN_LABEL,
        Problem.DUPLICATE_ID,
        Problem.TWO_SPLITS,
    }
)


class Fault(NamedTuple):
    """One problem of one row: lines count from 1, the header; `text` is the row as it stands in the file."""

    file: str
    line: int
    text: str
    problem: Problem
    detail: str = ""

    def __str__(self) -> str:
        detail = f" ({self.detail[:400]})" if self.detail else ""
        return f"{self.file}:{self.line}: {self.problem}{detail}: {shown(self.text)}"


class Row(NamedTuple):
    """One row of a file, split at the tabs."""

    file: str
    line: int
    text: str
    fields: tuple[str, ...]

    def fault(self, problem: Problem, detail: str = "") -> Fault:
        """A problem of this row, with its place."""
        return Fault(self.file, self.line, self.text, problem, detail)


WeakRows = dict[str, tuple[Row, list[int]]]  # id -> its row, its classes


def _read_rows(path: Path, columns: tuple[str, ...], faults: list[Fault]) -> list[Row]:
    rows: list[Row] = []
    content = as_utf8(read_bytes(path, LARGEST_TEXT)).rstrip(b"\r\n")
    end = b"\n" if b"\n" in content else b"\r"  # the latter alone in files of old spreadsheets
    for line, raw in enumerate(content.split(end), start=1):
        text = raw.rstrip(b"\r").decode("utf-8", errors="backslashreplace")
        row = Row(path.name, line, text, tuple(map(_unquoted, text.split("\t"))))
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            faults.append(row.fault(Problem.MALFORMED, f"not utf-8: {SAVE_AS}"))
            continue
        if line == 1 and row.fields != columns:
            faults.append(row.fault(Problem.MALFORMED, f"expected the header {'<tab>'.join(columns)}"))
        elif line > 1 and len(row.fields) != len(columns):
            detail = f"{len(row.fields)} tab-separated fields, expected {len(columns)}: {', '.join(columns)}"
            faults.append(row.fault(Problem.MALFORMED, detail))
        elif line > 1:
            rows.append(row)
    return rows


def _unquoted(field: str) -> str:
    """A field without the quotes that a spreadsheet puts around labels with a comma."""
    return field[1:-1] if re.fullmatch('".*"', field) else field


def _classes(row: Row, faults: list[Fault]) -> list[int] | None:
    """The classes of a row's last field; None where one is unknown."""
    names = row.fields[-1].split(",")
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        faults.append(row.fault(Problem.REPEATED_LABEL, ", ".join(repeated)))
    try:
        return [class_index(name) for name in names]
    except DataError as error:
        faults.append(row.fault(Problem.UNKNOWN_LABEL, str(error)))
        return None


def read_weak(path: Path, faults: list[Fault]) -> WeakRows:
    """Read a weak file; what is wrong is added to `faults`, and rows that cannot be read are left out."""
    videos: WeakRows = {}
    for row in _read_rows(path, WEAK_COLUMNS, faults):
        video = row.fields[0]
        try:
            feature_name(video)
        except DataError as error:
            faults.append(row.fault(Problem.MALFORMED, str(error)))
            continue
        classes = _classes(row, faults)
        if video in videos:
            faults.append(row.fault(Problem.DUPLICATE_ID, f"first in line {videos[video][0].line}"))
        elif classes is not None:
            videos[video] = (row, classes)
    return videos


@dataclass(frozen=True, eq=False)
class DenseLabels:
    """What one dense file says of the videos asked for."""

    roll: Bool[np.ndarray, "N T C"]
    named: Bool[np.ndarray, "N C"]  # classes that a row names, although its event may be empty


def read_dense(path: Path, ids: Sequence[str], train: Container[str], faults: list[Fault]) -> DenseLabels:
    """Read the rows of the videos `ids`; what is wrong is added to `faults`.

    Rows of other ids are ignored, those with an offset not after the onset mark no segment, and rows that
    cannot be read are left out. Ids in `train` are known, but should have no dense labels.
    """
    place = {video: i for i, video in enumerate(ids)}
    roll = np.zeros((len(ids), NUM_SEGMENTS, NUM_CLASSES), dtype=bool)
    named = np.zeros((len(ids), NUM_CLASSES), dtype=bool)
    first_line: dict[tuple[str, ...], int] = {}
    for row in _read_rows(path, DENSE_COLUMNS, faults):
        classes, span = _classes(row, faults), _span(row, faults)
        if classes is None or span is None:
            continue
        onset, offset = span
        if row.fields in first_line:
            faults.append(row.fault(Problem.DUPLICATE_ROW, f"first in line {first_line[row.fields]}"))
        first_line.setdefault(row.fields, row.line)
        if offset <= onset:
            faults.append(row.fault(Problem.EMPTY_EVENT))
        video = row.fields[0]
        if video in place:
            roll[place[video], onset:offset, classes] = True
            named[place[video], classes] = True
        else:
            faults.append(row.fault(Problem.TRAIN_DENSE if video in train else Problem.NO_SPLIT))
    return DenseLabels(roll, named)


def _span(row: Row, faults: list[Fault]) -> tuple[int, int] | None:
    """The (onset, offset) of a dense row in segments; None where they are no whole seconds in the video."""
    times = row.fields[1:3]
    if not all(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", time) for time in times):
        faults.append(row.fault(Problem.MALFORMED, "onset and offset must be numbers, in seconds"))
        return None
    try:
        return segment_range(float(times[0]), float(times[1]))
    except DataError as error:
        faults.append(row.fault(Problem.BAD_TIME, str(error)))
        return None
