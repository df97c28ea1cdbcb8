"""The tables behind the scores, and how a model behaves, on cases made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from cmpie_lite.data.store import Split
from cmpie_lite.decoding import Predictions, decode
from cmpie_lite.events import roll_to_events
from cmpie_lite.metrics import SCORES, parsing_scores
from cmpie_lite.results.analysis import (
    analyse,
    behaviour,
    deciding_videos,
    duration_scores,
    expected_calibration_error,
    gate_spread,
    mean_behaviour,
    modality_confusion,
    of_duration,
    recognition_and_timing,
    reliability,
    support,
)
from cmpie_lite.results.metric_tables import per_video_scores


def roll(text: str) -> torch.Tensor:
    """One video and one class of 25 from "..##......" (T characters)."""
    x = torch.zeros(1, len(text), 25, dtype=torch.bool)
    x[0, :, 0] = torch.tensor([c == "#" for c in text])
    return x


def random_rolls(seed: int, n: int = 4, share: float = 0.3) -> torch.Tensor:
    return torch.rand(4, n, 10, 25, generator=torch.Generator().manual_seed(seed)) < share


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


# ---------- behaviour ----------


def tables_of(
    pred_audio: torch.Tensor, pred_visual: torch.Tensor, true: torch.Tensor
) -> dict[str, pd.DataFrame]:
    """The tables that `behaviour` reads, of predictions against one truth for both modalities."""
    predictions = predictions_of(pred_audio, pred_visual)
    return {
        "audio durations": duration_scores(pred_audio, true),
        "visual durations": duration_scores(pred_visual, true),
        "parts": recognition_and_timing(predictions, true.any(1), true, true),
    }


def test_a_tagger_is_told_from_a_parser() -> None:
    """Both name the right classes; one of them says nothing of when."""
    true = torch.cat([roll("###......."), roll(".....#####"), roll("##########")])
    tagger, parser = true.any(1, keepdim=True).expand_as(true), true
    tags, parses = (behaviour(tables_of(x, x, true)) for x in (tagger, parser))
    assert tags[["full_audio", "full_visual"]].tolist() == [1.0, 1.0]
    assert parses[["full_audio", "full_visual"]].tolist() == pytest.approx([1 / 3, 1 / 3])
    assert tags[["timing_segment", "timing_event"]].tolist() == [0.0, 0.0]
    assert parses.timing_event == pytest.approx(1 - 2 / 3)  # of three clips a tagger times two at IoU 0.5
    assert (tags.short_audio, tags.long_audio) == (0.0, 1.0)
    assert (parses.short_audio, parses.long_audio) == (1.0, 1.0)
    assert np.isnan(tags.gate_videos)
    silent = torch.zeros_like(true)
    assert np.isnan(behaviour(tables_of(silent, silent, true)).full_audio)


def test_the_gates_spread_over_videos_and_places() -> None:
    places = torch.linspace(0, 1, 10).expand(5, 2, 10)
    assert gate_spread(places) == pytest.approx((0.0, float(places[0, 0].std(correction=0))))
    videos = torch.tensor([0.2, 0.4]).view(2, 1, 1).expand(2, 2, 10)
    assert gate_spread(videos) == pytest.approx((0.1, 0.0), abs=1e-7)
    both = behaviour(tables_of(*[roll("##........")] * 3), gate=videos)
    assert (both.gate_videos, both.gate_places) == pytest.approx((0.1, 0.0), abs=1e-7)


def test_behaviour_is_averaged_over_runs() -> None:
    one = behaviour(tables_of(*[roll("##########")] * 3))
    two = behaviour(tables_of(*[roll("##........")] * 3))
    table = mean_behaviour({"cmpie": [one, two], "han": [two]})
    assert table.loc["cmpie", ["seeds", "full_audio"]].tolist() == [2, 0.5]
    assert table.loc["han", ["seeds", "full_audio"]].tolist() == [1, 0.0]


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
