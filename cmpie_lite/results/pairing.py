"""Paired differences: two systems, or two readings of one, with the same seeds on the same videos.

Runs on different data, or of different lengths, are never compared, and one name never stands for runs that
differ in more than their seed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from cmpie_lite.errors import DataError
from cmpie_lite.metrics import SCORES
from cmpie_lite.results.intervals import Interval, student_interval, two_way_interval

# Scores of every test video of every run: (system, changed, seed) -> (N, 10)
VideoScores = Mapping[tuple[str, str, int], npt.NDArray[np.float64]]


def check_comparable(frame: pd.DataFrame) -> None:
    """Raise DataError unless all runs have one data source, one digest and one number of epochs."""
    for column, word in (("source", "sources"), ("digest", "data sets"), ("epochs", "numbers of epochs")):
        found = sorted(map(str, frame[column].unique()))
        if len(found) > 1:
            raise DataError(
                f"runs of {len(found)} {word} ({', '.join(x[:16] for x in found)}) cannot share a table: "
                "their scores measure different things. Read the folder of one of them."
            )


def check_one_kind(name: str, runs: pd.DataFrame, key: str) -> None:
    """Raise DataError where the runs of one name (a value of column `key`) differ in more than their seed."""
    kinds = runs["changed" if key == "system" else "system"].unique()
    if len(kinds) > 1:
        raise DataError(
            f"{name}: runs of several kinds ({len(kinds)}, such as {kinds[0]!r} and {kinds[1]!r}), expected "
            "runs that differ in their seed alone. Choose one kind."
        )


def paired(
    frame: pd.DataFrame, better: str, worse: str, *, key: str = "system", videos: VideoScores | None = None
) -> pd.DataFrame:
    """Interval of the mean of `better` minus `worse` for each of the ten, over the seeds that both have.

    Args:
        key: "system", or "changed" to compare readings of one system.
        videos: scores of every test video. With them the interval is `two_way_interval`, over seeds and
            videos; without them `student_interval`, over seeds.

    Returns:
        one row per score: better, worse, metric, mean, low, high (fractions), seeds, videos (0: seeds alone).

    Raises:
        DataError: runs that cannot be compared, or no seed that both have.
    """
    check_comparable(frame)
    sides = [frame[frame[key] == name].set_index("seed") for name in (better, worse)]
    for name, side in zip((better, worse), sides, strict=True):
        check_one_kind(name, side, key)
    seeds = sorted(set(sides[0].index) & set(sides[1].index))
    if not seeds:
        raise DataError(
            f"{better} and {worse} have no seed in common, expected one at least: train both with it."
        )
    one, other = (
        side.loc[seeds, list(SCORES)].to_numpy(float)  # (S, 10)
        if videos is None
        else np.stack([videos[side.loc[seed, "system"], side.loc[seed, "changed"], seed] for seed in seeds])
        for side in sides
    )
    gap = one - other
    rows = []
    for i, metric in enumerate(SCORES):
        interval = student_interval(gap[..., i]) if videos is None else two_way_interval(gap[..., i])
        rows.append({"better": better, "worse": worse, "metric": metric, **interval._asdict()})
    return pd.DataFrame(rows)


def interval_of(intervals: pd.DataFrame, better: str, worse: str, metric: str) -> Interval | None:
    """One interval of a table of `paired`, or None where that pair was not compared."""
    rows = intervals[(intervals.better == better) & (intervals.worse == worse) & (intervals.metric == metric)]
    if rows.empty:
        return None
    row = rows.iloc[0]
    return Interval(float(row["mean"]), float(row.low), float(row.high), int(row.seeds), int(row.videos))
