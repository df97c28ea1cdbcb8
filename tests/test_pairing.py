"""Records to rows and pairs: what a row knows, which runs are paired, the guard between data sources."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cmpie_lite.errors import DataError
from cmpie_lite.metrics import SCORES
from cmpie_lite.notebook.seed_plots import (
    difference_dots,
    seed_dots,
)
from cmpie_lite.results.pairing import check_comparable, interval_of, paired
from cmpie_lite.results.reports import make_report, runs_frame
from cmpie_lite.results.score_tables import (
    score_table,
)
from tests.making_reports import record, two_systems

# ---------- rows ----------


def test_a_row_knows_what_its_run_changed() -> None:
    frame = runs_frame([record("cmpie", 1, 0.5), record("cmpie", 1, 0.6, sa_axis="channel", heads=4)])
    assert frame.changed.tolist() == ["", "heads=4,sa_axis=channel"]
    assert frame.segment_audio.tolist() == [0.5, 0.6]
    assert frame.videos.tolist() == ["800/20/40"] * 2


def test_rows_refuse_what_they_cannot_count() -> None:
    with pytest.raises(DataError, match="no run records"):
        runs_frame([])
    with pytest.raises(DataError, match="seed 1 occurs twice"):
        runs_frame([record("han", 1, 0.5), record("han", 1, 0.6)])
    with pytest.raises(DataError, match="record of 'old', expected one of"):
        runs_frame([record("han", 1, 0.5) | {"model": "old"}])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"source": "LLP"}, "2 sources"),
        ({"digest": "b" * 64}, "2 data sets"),
        ({"epochs": 5}, "2 numbers of epochs"),
    ],
)
def test_other_data_never_share_a_table(other: dict[str, Any], message: str) -> None:
    frame = runs_frame([record("han", 1, 0.5), record("cmpie", 1, 0.6, **other)])
    makers = (
        check_comparable,
        score_table,
        lambda f: paired(f, "cmpie", "han"),
        lambda f: seed_dots(f, 1),
        lambda f: difference_dots(f, pd.DataFrame()),
    )
    for make in makers:
        with pytest.raises(DataError, match=f"{message}.*cannot share a table"):
            make(frame)
    with pytest.raises(DataError, match="cannot share"):
        make_report([record("han", 1, 0.5), record("cmpie", 1, 0.6, **other)], [], "")


# ---------- pairs ----------


def test_pairing_takes_the_seeds_spread_away() -> None:
    frame = two_systems(8)
    rows = paired(frame, "cmpie", "han")
    assert rows.metric.tolist() == list(SCORES)
    interval = interval_of(rows, "cmpie", "han", "event_type")
    assert interval is not None
    assert 0.015 < interval.low < interval.mean < interval.high < 0.025
    assert (interval.seeds, interval.videos) == (8, 0)
    wrong = frame.copy()
    wrong.loc[wrong.system == "han", "seed"] = wrong.loc[wrong.system == "han", "seed"].to_numpy()[::-1]
    loose = interval_of(paired(wrong, "cmpie", "han"), "cmpie", "han", "event_type")
    assert loose is not None
    assert loose.mean == pytest.approx(interval.mean)
    assert loose.high - loose.low > 10 * (interval.high - interval.low)


def test_only_common_seeds_are_paired() -> None:
    frame = two_systems(8)
    part = frame[(frame.system == "han") | (frame.seed < 3)]
    assert set(paired(part, "cmpie", "han").seeds) == {3}
    with pytest.raises(DataError, match="no seed in common"):
        paired(frame[(frame.system == "han") == (frame.seed < 3)], "cmpie", "han")


def test_scores_of_videos_give_the_same_mean_and_a_wider_interval() -> None:
    frame = two_systems(6)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.2, (2, 40, 10))
    noise -= noise.mean(1, keepdims=True)
    videos = {
        (row.system, row.changed, row.seed): frame.loc[i, list(SCORES)].to_numpy(float)
        + noise[int(row.system == "han")]
        for i, row in frame.iterrows()
    }
    alone, both = paired(frame, "cmpie", "han"), paired(frame, "cmpie", "han", videos=videos)
    assert both["mean"].tolist() == pytest.approx(alone["mean"].tolist())
    assert set(both.videos) == {40}
    assert ((both.high - both.low) > 2 * (alone.high - alone.low)).all()


def test_readings_are_paired_by_what_they_changed() -> None:
    frame = runs_frame(
        [record("cmpie", s, 0.5) for s in range(3)] + [record("cmpie", s, 0.4, heads=4) for s in range(3)]
    )
    rows = paired(frame, "heads=4", "", key="changed")
    assert rows["mean"].to_numpy() == pytest.approx(-0.1)
    mixed = runs_frame([record("cmpie", 1, 0.5), record("cmpie", 2, 0.5, heads=4), record("han", 1, 0.4)])
    with pytest.raises(DataError, match="several kinds"):
        paired(mixed, "cmpie", "han")
