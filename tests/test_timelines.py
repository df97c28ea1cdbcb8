"""Figures of events and scores, and the widget of threshold and gate: they show what they were given."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from cmpie_lite.decoding import Predictions
from cmpie_lite.labels import CLASS_INDEX
from cmpie_lite.metrics import SCORES, parsing_scores
from cmpie_lite.notebook.charts import curve_panels, score_bars, segment_maps, stacked_bars
from cmpie_lite.notebook.style import WIDTH
from cmpie_lite.notebook.timelines import (
    case_timeline,
    spans,
    video_timeline,
)
from cmpie_lite.notebook.widgets import threshold_widget
from cmpie_lite.results.score_tables import score_name

DOG, CAT = CLASS_INDEX["Dog"], CLASS_INDEX["Cat"]


def one_video() -> tuple[torch.Tensor, torch.Tensor]:
    """A dog heard from 2 to 5 s and seen from 0 to 10 s: rolls (1, T, C)."""
    audio, visual = torch.zeros(2, 1, 10, 25, dtype=torch.bool)
    audio[0, 2:5, DOG] = visual[0, :, DOG] = True
    return audio, visual


def test_spans_are_starts_and_lengths() -> None:
    assert spans([1, 1, 0, 1]) == [(0, 2), (3, 1)]
    assert spans(np.zeros(4, bool)) == []
    assert spans(torch.ones(10).bool()) == [(0, 10)]


def drawn(figure: object) -> set[tuple[float, float]]:
    """(left, right) of every bar of a timeline, in seconds."""
    boxes = [path.get_extents() for c in figure.axes[0].collections for path in c.get_paths()]  # type: ignore[attr-defined]
    return {(round(box.x0, 3), round(box.x1, 3)) for box in boxes}


def test_timelines_draw_the_events() -> None:
    audio, visual = one_video()
    figure = video_timeline(audio[0], visual[0], title="one")
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["Dog, visual", "Dog, audio"]
    assert drawn(figure) == {(2, 5), (0, 10)}
    predicted = audio.roll(1, dims=1)
    assert drawn(video_timeline(audio[0], visual[0], predicted[0], visual[0])) == {(2, 5), (3, 6), (0, 10)}
    cases = {"late": (predicted[0, :, DOG], audio[0, :, DOG])}
    figure = case_timeline(cases, {"late": "segment 0.67"})
    assert drawn(figure) == {(2, 5), (3, 6)}
    assert "segment 0.67" in {text.get_text() for text in figure.axes[0].texts}


def test_score_bars_show_ten_scores_of_every_system() -> None:
    audio, visual = one_video()
    scores = parsing_scores(audio, visual, audio, visual)
    nothing = parsing_scores(audio & False, visual & False, audio, visual)
    figure = score_bars({"perfect": scores, "nothing": nothing})
    heights = [bar.get_height() for ax in figure.axes for bars in ax.containers for bar in bars.patches]
    assert heights == [100.0] * 5 + [0.0] * 5 + [100.0] * 5 + [0.0] * 5
    names = [label.get_text() for ax in figure.axes for label in ax.get_xticklabels()]
    assert names == [*map(score_name, SCORES)]


def test_other_figures_hold_their_numbers_and_fit_the_page() -> None:
    lines = curve_panels(
        [0, 1], {"left": {"a": [1, 2], "b": [3, 4]}, "right": {"a": [5, 6], "b": [7, 8]}}, "x", "y"
    )
    assert [line.get_ydata().tolist() for line in lines.axes[1].lines] == [[5, 6], [7, 8]]
    bars = stacked_bars({"one": [1, 2], "two": [3, 4]}, ["x", "y"], "count")
    assert [bar.get_x() for bar in bars.axes[0].containers[1].patches] == [1, 2]
    maps = segment_maps({"A": torch.tensor([[0.25, 0.75], [1.0, 0.0]])})
    assert [text.get_text() for text in maps.axes[0].texts] == [".25", ".75", "1.00", ".00"]
    assert all(figure.get_figwidth() == WIDTH for figure in (lines, bars, maps))


def test_threshold_widget_follows_threshold_and_gate() -> None:
    audio, visual = one_video()
    truth = torch.stack([audio, visual], dim=2)
    segments = torch.where(truth, 0.9, 0.1)
    segments[:, :, 0, CAT] = 0.6  # a cat that the video's probability rules out
    video = torch.where(truth.any(1).any(1), 0.9, 0.2)
    predictions = Predictions(video, video, video, segments)
    _, threshold, gate, view = threshold_widget(predictions, audio, visual, ["one"]).children

    def score(name: str) -> float:
        found = re.search(rf"{name}<br><b>([\d.]+)</b>", view.value)
        assert found
        return float(found[1])

    assert "Dog, audio" in view.value
    assert "Cat" not in view.value
    assert score("segment_audio") == 100.0
    gate.value = False
    assert "Cat, audio" in view.value
    assert score("segment_audio") == 50.0
    threshold.value = 0.95
    assert score("segment_visual") == 0.0
    with pytest.raises(ValueError, match="2 ids for 1 videos"):
        threshold_widget(predictions, audio, visual, ["one", "two"])
