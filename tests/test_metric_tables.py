"""Scores in tables: by video, by class, micro and macro, and trivial references."""

from __future__ import annotations

import pytest
import torch

from cmpie_lite.labels import CLASSES
from cmpie_lite.metrics import (
    SCORES,
    parsing_scores,
)
from cmpie_lite.results.metric_tables import (
    micro_macro_scores,
    per_class_scores,
    per_video_scores,
    trivial_references,
)
from tests.making_rolls import random_rolls, roll
from tests.oracles import metrics as oracle


def test_per_video_scores_average_to_the_protocol() -> None:
    rolls = random_rolls(1, (7, 10, 25), 0.2)
    table = per_video_scores(*rolls, ids=[f"v{n}" for n in range(7)])
    assert list(table.columns) == list(SCORES)
    assert table.index.tolist() == [f"v{n}" for n in range(7)]
    assert table.mean().to_dict() == pytest.approx(parsing_scores(*rolls).as_dict(), abs=1e-12)
    alone = parsing_scores(*(x[3:4] for x in rolls)).as_dict()
    assert table.loc["v3"].to_dict() == pytest.approx(alone, abs=1e-12)
    with pytest.raises(ValueError, match="2 ids for 7 videos"):
        per_video_scores(*rolls, ids=["a", "b"])


def test_per_class_scores_are_micro_scores_of_one_class() -> None:
    rolls = random_rolls(2, (9, 10, 25), 0.1)
    for x in rolls:
        x[:, :, 24] = False  # a class that nobody sees
    table = per_class_scores(*rolls)
    assert table.index.tolist() == list(CLASSES)
    dog = parsing_scores(*(x[:, :, 3:4] for x in rolls), average="micro").as_dict()
    assert table.loc["Dog", list(SCORES)].to_dict() == pytest.approx(dog, abs=1e-12)
    assert table.loc["Clapping", list(SCORES)].isna().all()
    assert table["audio_segments"].tolist() == rolls[2].sum((0, 1)).tolist()
    assert table["visual_videos"].tolist() == rolls[3].any(1).sum(0).tolist()
    runs = [sum(len(oracle.events(x[:, c].tolist())) for x in rolls[2] & rolls[3]) for c in range(25)]
    assert table["av_events"].tolist() == runs
    macro = parsing_scores(*rolls, average="macro").as_dict()
    for name in ("segment_audio", "segment_event", "event_visual", "event_av"):
        assert table[name].mean() == pytest.approx(macro[name], abs=1e-12)


def test_micro_and_macro_stand_beside_the_protocol() -> None:
    rolls = random_rolls(3, (9, 10, 25), 0.1)
    table = micro_macro_scores(*rolls)
    assert table.index.tolist() == ["video", "micro", "macro"]
    assert table.loc["video"].to_dict() == parsing_scores(*rolls).as_dict()
    tp, total = 0, 0
    for n in range(9):
        for c in range(25):
            counts = oracle.count_seconds(rolls[0][n, :, c].tolist(), rolls[2][n, :, c].tolist())
            tp, total = tp + 2 * counts[0], total + 2 * counts[0] + counts[1] + counts[2]
    assert table.loc["micro", "segment_audio"] == pytest.approx(tp / total, abs=1e-12)


def test_trivial_references() -> None:
    true_a, true_v = roll("#..\n...\n##.", "...\n...\n..."), roll("...\n###\n#..", "...\n...\n...")
    weak = torch.tensor([[True, True, True], [False, False, False]])
    references = trivial_references(weak, true_a, true_v)
    assert list(references) == ["nothing", "weak_labels", "video_labels"]
    assert references["nothing"].segment_audio == pytest.approx((0 + 1) / 2)
    assert references["weak_labels"].segment_audio == pytest.approx(((2 / 4 + 0 + 4 / 5) / 3 + 1) / 2)
    assert references["video_labels"].segment_audio == pytest.approx(((2 / 4 + 4 / 5) / 2 + 1) / 2)
    assert references["video_labels"].event_visual == pytest.approx(((1 + 0) / 2 + 1) / 2)
