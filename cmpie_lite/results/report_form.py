"""The form of a report, as types: its facts, its tables, and their columns."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from typing import Any, Final, Literal, TypedDict, cast

import numpy as np
import pandas as pd

from cmpie_lite.metrics import SCORES
from cmpie_lite.results.analysis import BEHAVIOUR, DURATIONS, KINDS, PARTS

Cell = str | int | float | bool | None


class Frame(TypedDict):
    """A DataFrame as JSON (`split_of`)."""

    columns: list[str]
    index: list[str | int | float]
    data: list[list[Cell]]
    index_name: str | None


class Limits(TypedDict):
    """A difference and its interval, in points of F-score; None where one seed has no limits."""

    mean: float
    low: float | None
    high: float | None


class Effect(Limits):
    """The effect of a reading on the score `metric`, and on each of the ten under "all"."""

    metric: str
    all: dict[str, Limits]


class TableReport(TypedDict):
    """What every report says of its runs."""

    kind: Literal["table", "readings"]
    source: str  # name of the data
    sha256: str  # their digest
    videos: dict[str, int]  # split -> number
    epochs: int
    seeds: list[int]
    command: str
    machine: str
    commits: list[str]
    finished: str  # when the last run ended, ISO 8601
    interval: str  # what the intervals are, one of intervals.METHODS
    notes: list[str]  # what was done to the report later
    runs: Frame  # one row per run
    intervals: Frame  # one row per paired difference and score
    tables: dict[str, Frame]  # "behaviour", and "<system>: <table of analysis>"


class Report(TableReport, total=False):
    """A report; one of readings has two entries more."""

    base: str  # what all its runs change of the default
    effects: dict[str, dict[str, Effect]]  # field -> value -> effect


RUNS: Final[dict[str, Any]] = {
    "system": str, "changed": str, "seed": int, "epochs": int, "source": str, "digest": str, "videos": str,
    "seconds": float, "best_epoch": int, **dict.fromkeys(SCORES, float),
}  # fmt: skip
INTERVALS: Final[dict[str, Any]] = {
    "better": str, "worse": str, "metric": Literal[SCORES], "mean": float, "low": float | None,
    "high": float | None, "seeds": int, "videos": int,
}  # fmt: skip
# Columns that a table of `analysis` has, by the end of its name.
TABLES: Final[dict[str, tuple[str, ...]]] = {
    "behaviour": BEHAVIOUR,
    "classes": (*SCORES, "audio_videos", "visual_videos"),
    "audio durations": DURATIONS,
    "visual durations": DURATIONS,
    "confusion": KINDS,
    "calibration": ("low", "high", "count", "mean", "frequency"),
    "parts": SCORES,
    "support": ("videos", "empty", "events"),
    "videos": ("better", "equal", "worse"),
}
ROWS: Final = {"parts": PARTS, "confusion": KINDS}


def limits(row: Mapping[Hashable, Any]) -> Limits:
    """A row of a table of intervals in points; no limits where one seed has none."""
    low, high = (None if np.isnan(row[k]) else 100 * float(row[k]) for k in ("low", "high"))
    return {"mean": 100 * float(row["mean"]), "low": low, "high": high}


def split_of(frame: pd.DataFrame) -> Frame:
    """A DataFrame as JSON, every number exactly; its index too. What is missing (NaN) becomes None."""
    plain = frame.astype(object).where(frame.notna(), None)
    split = plain.to_dict(orient="split") | {"index_name": frame.index.name}
    return cast(Frame, json.loads(json.dumps(split, allow_nan=False, default=lambda number: number.item())))


def frame_of(split: Frame) -> pd.DataFrame:
    """The DataFrame that `split_of` wrote down; None becomes NaN."""
    index = pd.Index(split["index"], name=split["index_name"])
    data = [[np.nan if x is None else x for x in row] for row in split["data"]]
    return pd.DataFrame(data, index=index, columns=split["columns"])
