"""Stored reports of the controlled study, read without trust: a page will show what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, TypedDict, cast

from cmpie_lite.errors import DataError
from cmpie_lite.metrics import SCORES
from cmpie_lite.results.report_files import check_frame, check_videos, texts
from cmpie_lite.results.report_form import INTERVALS, Frame, frame_of
from cmpie_lite.support.reading import look, read_text
from cmpie_lite.support.text import shown
from cmpie_lite.support.typed import check_no_markup, conform, load_json

KIND: Final = "controlled"
PLACE: Final[dict[str, Any]] = {"knob": str, "level": str}
COLUMNS: Final[dict[str, dict[str, Any]]] = {  # those that each table has at least; what is more is numbers
    "conditions": PLACE | dict.fromkeys(("question", "set", "sha256", "videos"), str),
    "runs": PLACE
    | {"system": str, "changed": str, "seed": int, "best_epoch": int}
    | dict.fromkeys(SCORES, float),
    "differences": PLACE | INTERVALS,
}  # fmt: skip


class StudyReport(TypedDict):
    """What the study's report says."""

    kind: Literal["controlled"]
    source: str
    preset: str
    epochs: int
    seeds: list[int]
    overrides: dict[str, Any]
    command: str
    machine: str
    commits: list[str]
    finished: str
    conditions: Frame  # one row per level of a knob
    runs: Frame  # one row per run
    differences: Frame  # one row per level, paired difference and score


def read_study(path: Path) -> dict[str, Any]:
    """Read a stored report of the study.

    Raises:
        DataError: the file is not there, or holds no such report. ReadError: it cannot be read.
    """
    try:
        return look(path, _read)
    except (DataError, FileNotFoundError) as error:
        raise DataError(
            f"{path} is no report of this study ({error}): python -m cmpie_lite controlled makes one."
        ) from error


def _read(path: Path) -> dict[str, Any]:
    report = load_json(read_text(path))
    if isinstance(report, dict) and report.get("kind") != KIND:
        raise DataError(f"its kind is {shown(report.get('kind'))}")
    conform(report, StudyReport, "the report")
    for where, text in texts({**report, "command": ""}, "the report"):
        check_no_markup(text, where)
    for name, columns in COLUMNS.items():
        table = report[name]
        if lacking := [column for column in columns if column not in table["columns"]]:
            raise DataError(f"{name} has no {', '.join(lacking)}")
        if not table["data"] or len(set(table["columns"])) < len(table["columns"]):
            raise DataError(f"{name} has no rows, or two columns of one name")
        check_frame(table, {column: columns.get(column, float | None) for column in table["columns"]}, name)
    check_videos(frame_of(report["conditions"]).videos, "conditions")
    return cast(dict[str, Any], report)
