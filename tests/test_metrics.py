"""The ten F-scores: by hand, by their properties, against golden figures; and what must be refused."""

from __future__ import annotations

import csv
import math
from inspect import unwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cmpie_lite.data.annotations import read_annotations
from cmpie_lite.metrics import (
    SCORES,
    Counts,
    event_counts,
    f_score,
    parsing_counts,
    parsing_scores,
    segment_counts,
)
from cmpie_lite.results.metric_tables import (
    trivial_references,
)
from tests.making_rolls import random_rolls, roll

# --- by hand ---


def test_counts_by_hand() -> None:
    pred, true = roll("##..#\n.....\n##.##"), roll("#...#\n..#..\n#####")
    segments, events = segment_counts(pred, true), event_counts(pred, true)
    assert (segments.tp.tolist(), segments.fp.tolist(), segments.fn.tolist()) == (
        [[2, 0, 4]],
        [[1, 0, 0]],
        [[0, 1, 1]],
    )
    # '##' covers half of '#' + '#': a match. Neither of two pairs covers half of five.
    assert (events.tp.tolist(), events.fp.tolist(), events.fn.tolist()) == (
        [[2, 0, 0]],
        [[0, 0, 2]],
        [[0, 1, 1]],
    )
    both = segments + events
    assert (both.tp.tolist(), both.fp.tolist(), both.fn.tolist()) == ([[4, 0, 4]], [[1, 0, 2]], [[0, 2, 2]])
    assert segments.tp.dtype == events.tp.dtype == torch.int64


@pytest.mark.parametrize(
    ("pred", "true", "iou", "match"),
    [
        ("#.........", "##........", 0.5, 1),  # 1 of 2: the threshold itself is a match
        ("##........", "#####.....", 0.5, 0),
        (".####.....", "####......", 0.6, 1),  # 3 of 5, where 3 / 5 < 0.6 would be a rounding error
        (".####.....", "####......", 0.61, 0),
        ("#######...", "##########", 0.7, 1),  # 0.7 * 10 is not 7 in every arithmetic
        ("#######...", "##########", 1.0, 0),
        ("##########", "##########", 1.0, 1),
    ],
)
def test_the_threshold_is_inclusive_and_exact(pred: str, true: str, iou: float, match: int) -> None:
    counts = event_counts(roll(pred), roll(true), iou=iou)
    assert (counts.tp.item(), counts.fp.item(), counts.fn.item()) == (match, 1 - match, 1 - match)


def test_the_protocol_by_hand() -> None:
    """Two videos: F of 2/3 and 0 over two active classes; nothing in prediction and truth, which is 1."""
    pred, true = roll("##..\n....\n....", "....\n....\n...."), roll("#...\n..#.\n....", "....\n....\n....")
    empty = torch.zeros_like(pred)
    scores = parsing_scores(pred, empty, true, empty)
    assert scores.segment_audio == pytest.approx((1 / 3 + 1) / 2)
    assert scores.segment_visual == scores.segment_av == scores.event_visual == 1.0
    assert scores.segment_type == pytest.approx((2 / 3 + 1 + 1) / 3)
    assert scores.segment_event == scores.segment_audio
    assert scores.event_audio == pytest.approx((1 / 2 + 1) / 2)
    assert list(scores.as_dict()) == list(SCORES)
    assert scores.percent()["event_audio"] == pytest.approx(75.0)


def test_event_pools_counts_not_scores() -> None:
    audio, silence, one = roll("###."), roll("...."), roll("#...")
    scores = parsing_scores(audio, silence, audio, one)
    assert scores.segment_event == pytest.approx(6 / 7)  # TP 3, FN 1
    assert (scores.segment_audio, scores.segment_visual, scores.segment_av) == (1.0, 0.0, 0.0)


def test_averages_differ_on_the_same_counts() -> None:
    tp, fp, fn = (
        torch.tensor([[8, 0], [0, 1]]),
        torch.tensor([[0, 0], [1, 0]]),
        torch.tensor([[0, 0], [1, 2]]),
    )
    counts = Counts(tp, fp, fn)
    assert f_score(counts).item() == pytest.approx((1 + (0 + 2 / 4) / 2) / 2)
    assert f_score(counts, "micro").item() == pytest.approx(18 / 22)
    assert f_score(counts, "macro").item() == pytest.approx((16 / 18 + 2 / 4) / 2)
    per_class = f_score(counts, None)
    assert per_class.dtype == torch.float64
    assert per_class.tolist()[0][0] == 1.0
    assert math.isnan(per_class.tolist()[0][1])


# --- properties ---


@settings(deadline=None, derandomize=True, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_symmetries(seed: int) -> None:
    pred_a, pred_v, true_a, true_v = random_rolls(seed, (5, 10, 4), 0.3)
    scores = parsing_scores(pred_a, pred_v, true_a, true_v).as_dict()
    swapped = parsing_scores(pred_v, pred_a, true_v, true_a).as_dict()
    exchange = {"audio": "visual", "visual": "audio", "av": "av", "type": "type", "event": "event"}
    for name, value in scores.items():
        level, kind = name.split("_")
        assert swapped[f"{level}_{exchange[kind]}"] == pytest.approx(value, abs=1e-12)
    reverse = parsing_scores(*(x.flip(0, 1, 2) for x in (pred_a, pred_v, true_a, true_v))).as_dict()
    assert reverse == pytest.approx(scores, abs=1e-12)
    assert parsing_scores(true_a, true_v, pred_a, pred_v).as_dict() == pytest.approx(scores, abs=1e-12)
    assert set(parsing_scores(true_a, true_v, true_a, true_v).as_dict().values()) == {1.0}


def test_nothing_predicted_on_nothing_is_perfect() -> None:
    nothing = torch.zeros(3, 10, 25, dtype=torch.bool)
    scores = parsing_scores(nothing, nothing, nothing, nothing)
    assert set(scores.as_dict().values()) == {1.0}
    for average in ("micro", "macro"):
        assert set(
            parsing_scores(nothing, nothing, nothing, nothing, average=average).as_dict().values()
        ) == {1.0}


def test_inputs_are_left_as_they_were() -> None:
    rolls = random_rolls(0, (6, 10, 5), 0.4)
    before = [x.clone() for x in rolls]
    parsing_scores(*rolls)
    assert all(torch.equal(x, y) for x, y in zip(rolls, before, strict=True))


# --- refusals; outside tests no shape checker stands before these functions ---


@pytest.mark.parametrize("iou", [0.4999, 0.0, -1.0, 1.01, float("nan")])
def test_a_threshold_below_one_half_is_refused(iou: float) -> None:
    x = roll("##.#")
    with pytest.raises(
        ValueError, match=r"expected a number in 0\.5\.\.1: below 0\.5 several predicted events"
    ):
        event_counts(x, x, iou=iou)


def test_wrong_inputs_are_refused() -> None:
    good = torch.zeros(2, 10, 25, dtype=torch.bool)
    plain = unwrap(parsing_counts)  # the first thing that `parsing_scores` calls
    with pytest.raises(
        TypeError, match=r"pred_visual has dtype torch\.float32, expected torch\.bool \(N, T, C\)"
    ):
        plain(good, good.float(), good, good)
    with pytest.raises(TypeError, match=r"true_audio is a ndarray, expected a torch\.Tensor of bool"):
        plain(good, good, good.numpy(), good)
    with pytest.raises(ValueError, match=r"pred_audio has shape \(10, 25\), expected \(N, T, C\)"):
        plain(good[0], good[0], good[0], good[0])
    with pytest.raises(
        ValueError, match=r"true_visual has shape \(2, 10, 24\), expected \(2, 10, 25\) as pred_audio"
    ):
        plain(good, good, good, good[:, :, :24])
    with pytest.raises(ValueError, match=r"true is on meta, expected cpu where pred is"):
        unwrap(segment_counts)(good, good.to("meta"))
    with pytest.raises(ValueError, match=r"hold 0 videos, expected at least 1"):
        parsing_scores(good[:0], good[:0], good[:0], good[:0])
    with pytest.raises(ValueError, match="average = None has no ten numbers"):
        unwrap(parsing_scores)(good, good, good, good, average=None)
    with pytest.raises(ValueError, match=r"average = 'weighted', expected 'video', 'micro', 'macro' or None"):
        unwrap(f_score)(segment_counts(good, good), "weighted")
    with pytest.raises(TypeError, match=r"weak is torch\.float32, expected a torch\.Tensor of bool \(N, C\)"):
        unwrap(trivial_references)(good[:, 0].float(), good, good)
    with pytest.raises(ValueError, match=r"weak has shape \(1, 25\), expected \(N, C\) = \(2, 25\)"):
        unwrap(trivial_references)(good[:1, 0], good, good)


# --- golden figures ---


def unpack(bits: np.ndarray) -> Tensor:
    """Packed, class-major (N, 25 * 10) -> bool (N, 10, 25)."""
    return torch.from_numpy(np.unpackbits(bits, axis=1)[:, :250].reshape(-1, 25, 10).astype(bool)).mT


@pytest.mark.shared
@pytest.mark.parametrize("version", ["2020", "2024"])
@pytest.mark.parametrize("split", ["val", "test"])
def test_golden_scores(shared: Path, split: str, version: str) -> None:
    truth = getattr(read_annotations(shared / "llp", version=version), split)
    true_audio, true_visual = torch.from_numpy(truth.dense_audio), torch.from_numpy(truth.dense_visual)
    with open(shared / "golden" / f"metrics_{split}_expected.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["annotations"] == version]
    assert len(rows) >= 20
    with np.load(shared / "golden" / f"metrics_{split}_predictions.npz") as archive:
        for row in rows:
            pred_audio, pred_visual = (unpack(archive[f"{row['case']}.{m}"]) for m in ("audio", "visual"))
            percent = parsing_scores(pred_audio, pred_visual, true_audio, true_visual).percent()
            for name in ("audio", "visual", "av", "type", "event"):
                assert abs(percent[f"{row['level']}_{name}"] - float(row[name])) < 1e-9, (row, name)


@pytest.mark.shared
def test_trivial_references_of_llp(shared: Path) -> None:
    test = read_annotations(shared / "llp").test
    references = trivial_references(*map(torch.from_numpy, (test.weak, test.dense_audio, test.dense_visual)))
    with open(shared / "golden" / "metrics_test_expected.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["annotations"] == "2024"]
    for reference, case in (("weak_labels", "weak_everywhere"), ("nothing", "zeros")):
        percent = references[reference].percent()
        for row in (row for row in rows if row["case"] == case):
            for name in ("audio", "visual", "av", "type", "event"):
                assert abs(percent[f"{row['level']}_{name}"] - float(row[name])) < 1e-9, (row, name)
    # Figures with one decimal, taken with the authors' script.
    known = [80.1, 89.8, 82.8, 84.2, 82.0, 66.1, 83.7, 71.4, 73.7, 68.3]
    assert list(references["video_labels"].percent().values()) == pytest.approx(known, abs=0.0501)
