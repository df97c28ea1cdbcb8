"""Intervals and analysis on cases made by hand, and the coverage that an interval promises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cmpie_lite.data.store import Split
from cmpie_lite.decoding import Predictions, decode
from cmpie_lite.events import roll_to_events
from cmpie_lite.metrics import SCORES, parsing_scores
from cmpie_lite.results.analysis import (
    analyse,
    deciding_videos,
    duration_scores,
    expected_calibration_error,
    modality_confusion,
    of_duration,
    recognition_and_timing,
    reliability,
    support,
)
from cmpie_lite.results.intervals import MIN_SEEDS, bootstrap_interval, student_quantile
from cmpie_lite.results.metric_tables import per_video_scores


def roll(text: str) -> torch.Tensor:
    """One video and one class of 25 from "..##......" (T characters)."""
    x = torch.zeros(1, len(text), 25, dtype=torch.bool)
    x[0, :, 0] = torch.tensor([c == "#" for c in text])
    return x


def random_rolls(seed: int, n: int = 4, share: float = 0.3) -> torch.Tensor:
    return torch.rand(4, n, 10, 25, generator=torch.Generator().manual_seed(seed)) < share


# ---------- intervals ----------


@pytest.mark.parametrize(
    ("df", "expected", "within"), [(5, -2.570582, 2e-3), (9, -2.262157, 2e-4), (29, -2.045230, 1e-5)]
)
def test_students_quantile(df: int, expected: float, within: float) -> None:
    assert student_quantile(0.025, df) == pytest.approx(expected, rel=within)
    assert student_quantile(0.975, df) == pytest.approx(-expected, rel=within)


@pytest.mark.parametrize("n", [MIN_SEEDS, 10])
def test_an_interval_over_seeds_covers_as_often_as_it_says(n: int) -> None:
    """Of normal samples, 95 % of the intervals hold the true mean; plain percentiles hold it in fewer."""
    rng = np.random.default_rng(n)
    found = [bootstrap_interval(x, resamples=1000) for x in rng.normal(2.0, 3.0, (600, n))]
    covered = np.mean([i.low <= 2.0 <= i.high for i in found])
    assert 0.92 <= covered <= 0.98


def test_an_interval_over_videos_is_wider_and_covers_too() -> None:
    """Seeds and videos both vary: an interval over seeds alone misses the mean of other videos."""
    rng = np.random.default_rng(0)
    both, alone = [], []
    for _ in range(200):
        values = rng.normal(0, 1, (8, 1)) + rng.normal(0, 5, (1, 30)) + rng.normal(0, 1, (8, 30))
        both.append(bootstrap_interval(values, resamples=400))
        alone.append(bootstrap_interval(values.mean(1), resamples=400))
    assert np.mean([i.low <= 0 <= i.high for i in both]) > 0.92
    assert np.mean([i.low <= 0 <= i.high for i in alone]) < 0.9


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12), st.floats(-5, 5), st.floats(0.1, 3))
def test_intervals_move_and_stretch(values: list[float], shift: float, scale: float) -> None:
    one = bootstrap_interval(values, resamples=200)
    assert min(values) - 1e-9 <= one.low <= one.mean + 1e-9
    assert one.mean - 1e-9 <= one.high <= max(values) + 1e-9
    other = bootstrap_interval([scale * v + shift for v in values], resamples=200)
    assert other[:3] == pytest.approx([scale * x + shift for x in one[:3]], abs=1e-6)


def test_intervals_are_a_function_of_their_arguments() -> None:
    values = np.random.default_rng(0).normal(size=(5, 7))
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval(values) != bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values).videos == 7
    assert bootstrap_interval(values.mean(1)).videos == 0
    assert np.isnan(bootstrap_interval([0.5]).low)


@pytest.mark.parametrize("values", [[], [[]], np.zeros((2, 2, 2)), [1.0, np.nan]])
def test_intervals_refuse_what_has_no_mean(values: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        bootstrap_interval(values)  # type: ignore[arg-type]


# ---------- durations ----------


def test_events_of_a_duration() -> None:
    x = roll("##.#.###.#")
    assert torch.equal(of_duration(x, 1), roll("...#.....#"))
    assert torch.equal(of_duration(x, 2), roll("##........"))
    assert torch.equal(of_duration(x, 3), roll(".....###.."))
    assert not of_duration(x, 4).any()


def test_every_event_has_one_duration() -> None:
    x = random_rolls(3)[0]
    parts = torch.stack([of_duration(x, d) for d in range(1, 11)])
    assert torch.equal(parts.sum(0), x.long())
    lengths = [e.offset - e.onset for video in x for e in roll_to_events(video)]
    table = duration_scores(torch.zeros_like(x), x)
    assert table["true"].tolist() == [lengths.count(float(d)) for d in range(1, 11)]


def test_durations_by_hand() -> None:
    """Two true events of 2 s, one found (IoU 2/3); one of 4 s missed; one predicted where nothing is."""
    true = torch.cat([roll("##...####."), roll("......##..")])
    pred = torch.cat([roll("###......."), roll("#.........")])
    table = duration_scores(pred, true)
    assert table.loc[2, ["true", "videos", "recall"]].tolist() == [2, 2, 0.5]
    assert table.loc[4, ["true", "videos", "recall"]].tolist() == [1, 1, 0.0]
    assert table.loc[3, ["predicted", "precision"]].tolist() == [1, 1.0]
    assert table.loc[1, ["predicted", "precision"]].tolist() == [1, 0.0]
    assert np.isnan(table.loc[5, "recall"])


# ---------- confusion, calibration ----------


def test_confusion_by_hand() -> None:
    true_audio, true_visual = roll("####......"), roll("##..##....")
    pred_audio, pred_visual = roll("#.#...#..."), roll("#..#......")
    table = modality_confusion(pred_audio, pred_visual, true_audio, true_visual)
    assert table.loc["both"].tolist() == [1, 0, 0, 1]  # segments 0 (both) and 1 (neither)
    assert table.loc["audible only"].tolist() == [0, 1, 1, 0]  # 2 heard, 3 taken for seen
    assert table.loc["visible only"].tolist() == [2, 0, 0, 0]
    assert table.loc["neither", "audible only"] == 1
    assert table.to_numpy().sum() == 250


def test_reliability_by_hand() -> None:
    probs = torch.tensor([[0.05, 0.15, 0.15, 1.0]])
    table = reliability(probs, torch.tensor([[False, True, False, True]]))
    assert table["count"].tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0, 1]
    assert table.frequency[[0, 1, 9]].tolist() == [0, 0.5, 1]
    assert np.isnan(table.frequency[2])
    assert expected_calibration_error(table) == pytest.approx((0.05 + 2 * 0.35 + 0) / 4)
    with pytest.raises(ValueError, match="one shape"):
        reliability(probs, torch.tensor([[True]]))


def test_honest_probabilities_are_calibrated() -> None:
    g = torch.Generator().manual_seed(0)
    probs = torch.rand(4000, 25, generator=g)
    table = reliability(probs, torch.rand(4000, 25, generator=g) < probs)
    assert expected_calibration_error(table) < 0.01
    assert expected_calibration_error(reliability(probs, torch.rand(4000, 25, generator=g) < 0.5)) > 0.2


# ---------- recognition and timing ----------


def predictions_of(audio: torch.Tensor, visual: torch.Tensor) -> Predictions:
    """Probabilities that decode to these rolls."""
    segments = torch.stack([audio, visual], dim=2).float()
    video = (audio | visual).any(1).float()
    return Predictions(video, video, video, segments)


def test_a_perfect_parser_loses_nothing_to_either() -> None:
    true_audio, true_visual = random_rolls(1)[:2]
    perfect = predictions_of(true_audio, true_visual)
    table = recognition_and_timing(perfect, (true_audio | true_visual).any(1), true_audio, true_visual)
    for row in ("model", "true timing", "true recognition"):
        assert table.loc[row].tolist() == [1.0] * 10
    assert table.loc["recognition alone"].tolist() == pytest.approx(table.loc["video_labels"].tolist())


def test_wrong_times_are_lost_to_timing_and_wrong_classes_to_recognition() -> None:
    true, late = roll("####......"), roll("......####")
    nothing = torch.zeros_like(true)
    weak = true.any(1)
    table = recognition_and_timing(predictions_of(late, nothing), weak, true, nothing)
    assert table.loc["model", "segment_audio"] == 0
    assert table.loc["true timing", "segment_audio"] == 1
    assert table.loc["true recognition", "segment_audio"] == 0
    assert table.loc["recognition alone", "segment_audio"] == pytest.approx(2 * 4 / (2 * 4 + 6))

    gated = predictions_of(true, nothing)._replace(video=torch.zeros(1, 25))  # right times, never named
    table = recognition_and_timing(gated, weak, true, nothing)
    assert table.loc["model", "segment_audio"] == 0
    assert table.loc["true timing", "segment_audio"] == 0
    assert table.loc["true recognition", "segment_audio"] == 1

    other = torch.zeros_like(true)
    other[..., 1] = True  # a class that is not there stays what it is
    table = recognition_and_timing(predictions_of(other, nothing), weak, true, nothing)
    assert table.loc["true timing", "segment_audio"] == 0


def test_true_parts_never_hurt() -> None:
    for seed in range(5):
        pred_audio, pred_visual, true_audio, true_visual = random_rolls(seed)
        table = recognition_and_timing(
            predictions_of(pred_audio, pred_visual), true_audio.any(1), true_audio, true_visual
        )
        singles = ["segment_audio", "segment_visual", "segment_event"]
        assert (table.loc["true timing", singles] >= table.loc["model", singles]).all()


# ---------- what it rests on ----------


def test_support_by_hand() -> None:
    audio = torch.cat([roll("#.#......."), roll("..........")])
    visual = torch.cat([roll("..##......"), roll("...####...")])
    table = support(audio, visual)
    assert table.loc["audio"].to_dict() == {"videos": 1, "empty": 1, "events": 2}
    assert table.loc["visual"].to_dict() == {"videos": 2, "empty": 0, "events": 2}
    assert table.loc["av"].to_dict() == {"videos": 1, "empty": 1, "events": 1}


def test_deciding_videos_by_hand() -> None:
    true = torch.cat([roll("##........")] * 3)
    good, bad = torch.cat([true[:2], roll("..........")]), torch.cat([roll(".........."), true[1:]])
    one, other = (per_video_scores(x, x, true, true) for x in (good, bad))
    table = deciding_videos(one, other)
    assert table.loc["segment_audio"].to_dict() == {"better": 1, "equal": 1, "worse": 1}
    with pytest.raises(ValueError, match="different videos"):
        deciding_videos(one, other.iloc[::-1])


def test_all_tables_of_one_run() -> None:
    pred_audio, pred_visual, true_audio, true_visual = random_rolls(9)
    n = len(true_audio)
    features = {"audio": 128, "visual_2d": 2048, "visual_3d": 512}
    split = Split(
        ids=tuple(map(str, range(n))),
        **{name: torch.zeros(n, 10, d) for name, d in features.items()},
        weak=(true_audio | true_visual).any(1),
        dense_audio=true_audio,
        dense_visual=true_visual,
    )
    predictions = predictions_of(pred_audio, pred_visual)
    tables = analyse(predictions, split)
    scores = parsing_scores(*decode(predictions), true_audio, true_visual).as_dict()
    assert tables["parts"].loc["model"].to_dict() == pytest.approx(scores)
    assert tables["classes"].shape[0] == 25
    assert tables["audio durations"]["true"].sum() == tables["support"].loc["audio", "events"]
    assert tables["confusion"].to_numpy().sum() == n * 250
    assert tables["calibration"]["count"].sum() == n * 25
    assert all(isinstance(table, pd.DataFrame) for table in tables.values())
    assert set(tables["parts"].columns) == set(SCORES)
