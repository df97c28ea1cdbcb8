"""Stored reports, written and read in one place, and every part of them checked there.

Whoever has a `Report` from `read_report` or `make_report` may use it without looking again: tables have
their columns, numbers are numbers, and no name holds HTML or Markdown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, cast

from cmpie_lite.errors import DataError
from cmpie_lite.metrics import SCORES
from cmpie_lite.results.intervals import METHODS
from cmpie_lite.results.pairing import check_comparable
from cmpie_lite.results.report_form import INTERVALS, ROWS, RUNS, TABLES, Frame, Report, frame_of
from cmpie_lite.support.files import replace_file
from cmpie_lite.support.reading import look, read_text
from cmpie_lite.support.typed import check_no_markup, conform, load_json
from cmpie_lite.systems.rows import SYSTEMS

LARGEST_FILE: Final = 64_000_000  # bytes


def write_report(path: Path, report: Report) -> None:
    """Write a report, atomically.

    Raises:
        DataError: what is no report. Else as `support.files.replace_file`.
    """
    check_report(report)
    replace_file(path, (json.dumps(report, indent=1, allow_nan=False) + "\n").encode())


def read_report(path: Path) -> Report:
    """Read a report and check every part of it.

    Raises:
        DataError: the file is not there, or holds no report; the message names what is wrong.
        ReadError: it is there and cannot be read.
    """

    def read(path: Path) -> Any:
        report = load_json(read_text(path, LARGEST_FILE))
        check_report(report)
        return report

    try:
        return cast(Report, look(path, read))
    except FileNotFoundError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): python -m cmpie_lite grid makes a report."
        ) from error
    except DataError as error:
        raise DataError(
            f"{path} is no report of runs ({error}): python -m cmpie_lite grid makes one."
        ) from error


# ---------- checks ----------


def check_report(report: Any) -> None:
    """Raise DataError unless `report` is a whole `Report`, and says nothing that contradicts itself."""
    conform(report, Report, "the report")
    for where, text in texts({**report, "command": ""}, "the report"):
        check_no_markup(text, where)
    if (report["kind"] == "readings") != ("effects" in report) or ("base" in report) != ("effects" in report):
        raise DataError("base and effects belong to reports of kind readings, and to each of them")
    check_frame(report["runs"], RUNS, "runs")
    check_frame(report["intervals"], INTERVALS, "intervals")
    if report["interval"] not in METHODS.values():
        raise DataError(f"interval is {report['interval']!r}, expected one of {', '.join(METHODS.values())}")
    check_runs(report)
    check_intervals(report)
    for name, table in report["tables"].items():
        check_table(name, table)
    if report["kind"] == "readings":
        check_effects(report)


def texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, keys too, with the place where it stands."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield f"a key of {where}", key
            yield from texts(inner, f"{where}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner, where)


def check_frame(frame: Frame, columns: Mapping[str, Any], where: str) -> None:
    """Raise DataError unless a table has these columns, in this order, with cells of these types."""
    if frame["columns"] != list(columns):
        raise DataError(f"{where} has other columns than {', '.join(columns)}")
    if len(frame["index"]) != len(frame["data"]):
        raise DataError(f"{where} has {len(frame['data'])} rows and {len(frame['index'])} heads")
    for i, row in enumerate(frame["data"]):
        if len(row) != len(columns):
            raise DataError(f"{where}, row {i} has {len(row)} cells, expected {len(columns)}")
        for cell, (name, hint) in zip(row, columns.items(), strict=True):
            conform(cell, hint, f"{where}, row {i}, {name}")


def check_runs(report: Report) -> None:
    """Raise DataError unless the runs are known systems on the report's data, each once."""
    runs = frame_of(report["runs"])
    if runs.empty:
        raise DataError("runs has no row")
    if unknown := sorted(set(runs.system) - set(SYSTEMS)):
        raise DataError(f"runs has {unknown[0]!r}, expected systems of {', '.join(SYSTEMS)}")
    check_comparable(runs)
    first = runs.iloc[0]
    for name, column in (("source", "source"), ("sha256", "digest"), ("epochs", "epochs")):
        if cast(dict[str, Any], report)[name] != first[column]:
            raise DataError(f"{name} is not that of the runs")
    if report["seeds"] != sorted({int(seed) for seed in runs.seed}):
        raise DataError(f"seeds = {report['seeds']!r} are not those of the runs")
    if runs.duplicated(["system", "changed", "seed"]).any():
        raise DataError("a run occurs twice")
    check_videos(runs.videos, "runs")
    if not ((runs[list(SCORES)] >= 0) & (runs[list(SCORES)] <= 1)).all(axis=None):
        raise DataError("a score lies outside [0, 1]")


def check_videos(texts: Iterable[str], table: str) -> None:
    """Raise DataError unless each text of a table's column `videos` is a count per split."""
    if not all(re.fullmatch(r"[0-9]{1,9}/[0-9]{1,9}/[0-9]{1,9}", text) for text in texts):
        raise DataError(f"{table}.videos is not a number of videos per split, such as 640/200/400")


def check_intervals(report: Report) -> None:
    """Raise DataError unless each comparison is of two kinds of run that are there, in all ten scores."""
    intervals, runs = frame_of(report["intervals"]), frame_of(report["runs"])
    names = set(runs["system" if report["kind"] == "table" else "changed"])
    for pair, rows in intervals.groupby(["better", "worse"], sort=False):
        if not set(pair) <= names or sorted(rows.metric) != sorted(SCORES):
            raise DataError(f"intervals of {pair} are not of two kinds of run that are there, in ten scores")
    limits = intervals[["low", "mean", "high"]].astype(float).dropna()
    if (limits.low > limits["mean"]).any() or (limits["mean"] > limits.high).any():
        raise DataError("an interval does not hold its mean")
    if (intervals.low.isna() != intervals.high.isna()).any() or (intervals.seeds.astype(int) < 1).any():
        raise DataError("an interval has one limit, or no seeds")


def check_table(name: str, table: Frame) -> None:
    """Raise DataError unless a table of `analysis` has its columns, and numbers in them."""
    kind = name.rpartition(": ")[2]
    if kind not in TABLES:
        raise DataError(f"tables has {name!r}, expected tables of {', '.join(TABLES)}")
    columns = table["columns"] if kind == "classes" else list(TABLES[kind])
    if not set(TABLES[kind]) <= set(columns) or len(set(columns)) < len(columns):
        raise DataError(f"{name} has other columns than {', '.join(TABLES[kind])}")
    check_frame(table, dict.fromkeys(columns, float | None), name)
    if len(set(table["index"])) < len(table["index"]):
        raise DataError(f"{name} has two rows of one name")
    count = tuple(range(1, len(table["index"]) + 1))
    rows = count if kind.endswith("durations") else ROWS.get(kind)
    if rows and tuple(table["index"]) != rows:
        raise DataError(f"{name} has other rows than expected")


def check_effects(report: Report) -> None:
    """Raise DataError unless a report of readings has effects of fields that there are, on all ten scores."""
    changed = [part.split("=") for part in report["base"].split(",") if part]
    if any(len(pair) != 2 or (pair[0] == "dim" and not pair[1].isdecimal()) for pair in changed):
        raise DataError(f"base = {report['base']!r}, expected such as dim=128,heads=4")
    known = {f.name for f in fields(SYSTEMS[frame_of(report["runs"]).system.iloc[0]].config)}
    found = [
        (f, value, effect) for f, values in report["effects"].items() for value, effect in values.items()
    ]
    for field, value, effect in found:
        every = [effect, *effect["all"].values()]
        limits = all((x["low"] is None) == (x["high"] is None) == (len(report["seeds"]) == 1) for x in every)
        if field not in known or effect["metric"] not in SCORES or set(effect["all"]) != set(SCORES):
            raise DataError(f"the effect of {field}={value} is not one of a field on each of the ten scores")
        if not limits:
            raise DataError(f"an effect of {field}={value} has no limits, or has some from one seed")
    if not found:
        raise DataError("effects has none")
