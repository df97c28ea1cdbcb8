"""From predictions to what a person reads: settings, one video's predictions, cautions, the figure."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cmpie_lite.data.store import Split
from cmpie_lite.errors import ConfigError, DataError
from cmpie_lite.experiments.parse import ParseSettings, cautions, events_folder, parse_features
from cmpie_lite.labels import CLASS_INDEX
from cmpie_lite.model import CMPIE
from cmpie_lite.notebook.timelines import parsed_video
from cmpie_lite.support.fields import override
from cmpie_lite.systems.rows import SYSTEMS
from cmpie_lite.training.evaluate import predict


def test_settings_accept_what_exists(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.touch()
    settings = ParseSettings(video=str(clip), run_dir=str(tmp_path), start=20, threshold=0)
    assert (settings.start, settings.weights) == (20, "tiny")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"video": "nowhere.mp4"}, "video = 'nowhere.mp4', expected a video file"),
        ({"run_dir": "nowhere"}, "run_dir = 'nowhere', expected a run's folder"),
        ({"weights": "huge"}, "weights = 'huge', expected one of 'published', 'random', 'tiny'"),
        ({"start": -1.0}, "start = -1.0, expected seconds >= 0"),
        ({"start": float("inf")}, "start = inf, expected seconds >= 0"),
        ({"threshold": 1.5}, "threshold = 1.5, expected a probability"),
        ({"threshold": "half"}, "threshold = 'half', expected a number"),
        ({"device": "quantum"}, "device = 'quantum', expected auto, cpu, cuda"),
    ],
)
def test_settings_refuse_what_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ParseSettings(**wrong)


def test_one_video_is_parsed_as_in_a_split() -> None:
    generator = torch.Generator().manual_seed(0)
    features = [torch.rand(3, 10, width, generator=generator) for width in (128, 2048, 512)]
    torch.manual_seed(0)
    model = CMPIE(
        override(SYSTEMS["han"].config, {"dim": 8, "ffn_dim": 8})
    )  # in training mode: dropout must not act
    whole = predict(model, Split(("a", "b", "c"), *features, torch.zeros(3, 25, dtype=torch.bool)))
    one = parse_features(model.train(), *(x[1].numpy() for x in features))
    for part, expected in zip(one, whole, strict=True):
        torch.testing.assert_close(part, expected[1:2])


def test_features_that_cannot_be_parsed_are_named() -> None:
    model = CMPIE(override(SYSTEMS["han"].config, {"dim": 8, "ffn_dim": 8}))
    good = [np.zeros((10, width), np.float32) for width in (128, 2048, 512)]
    with pytest.raises(DataError, match=r"visual_2d is torch\.float64, expected torch\.float32"):
        parse_features(model, good[0], good[1].astype(float), good[2])
    good[2][3, 4:6] = np.nan, np.inf
    with pytest.raises(DataError, match="visual_3d has 2 values that are not finite"):
        parse_features(model, *good)


def test_cautions_name_what_is_not_real() -> None:
    assert cautions("LLP", True) == []
    assert "random, not trained" in cautions("LLP", False)[0]
    assert "LLP-sim, not on LLP" in cautions("LLP-sim", True)[0]
    assert len(cautions(None, False)) == 2


def drawn_events() -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true events (M, T, C): a dog heard, predicted too long; a car seen, not found."""
    pred, true = np.zeros((2, 2, 10, 25), bool)
    pred[0, 2:8, CLASS_INDEX["Dog"]] = True
    true[0, 2:6, CLASS_INDEX["Dog"]] = True
    true[1, 0:3, CLASS_INDEX["Car"]] = True
    return pred, true


def spans(axes: Any) -> list[tuple[float, float]]:
    """(left, right) of every bar, the lowest row first."""
    corners = [path.vertices[:, 0] for bars in axes.collections for path in bars.get_paths()]
    return [(float(x.min()), float(x.max())) for x in corners]


def test_the_figure_puts_frames_sound_and_events_on_one_axis(tmp_path: Path) -> None:
    pred, true = drawn_events()
    frames = np.zeros((5, 4, 4, 3), np.uint8)
    waveform = np.zeros(1000)
    waveform[300:400] = 0.5
    fig = parsed_video(frames, waveform, pred, true, title="a clip")
    top, middle, bottom = fig.axes
    assert [tuple(image.get_extent()) for image in top.images] == [(k, k + 2, 0, 1) for k in range(0, 10, 2)]
    loud = middle.collections[0].get_paths()[0].vertices
    loud = loud[loud[:, 1] > 0.4, 0]
    assert (2.9 < loud.min() < 3.1, 3.9 < loud.max() < 4.1) == (True, True)
    names = [label.get_text() for label in bottom.get_yticklabels()]
    assert sorted(names) == ["Car, visual", "Dog, audio"]
    bars = spans(bottom)
    assert sorted(bars) == [(0, 3), (2, 6), (2, 8)]
    assert top.get_xlim() == middle.get_xlim() == bottom.get_xlim() == (0, 10)
    assert fig.get_figwidth() <= 7
    fig.savefig(tmp_path / "figure.png")  # the layout has room for everything, or it warns


def test_the_figure_without_truth_shows_predictions_alone() -> None:
    pred, _ = drawn_events()
    bottom = parsed_video(np.zeros((1, 2, 2, 3), np.uint8), np.zeros(4), pred).axes[2]
    assert [label.get_text() for label in bottom.get_yticklabels()] == ["Dog, audio"]
    assert spans(bottom) == [(2, 8)]


def test_the_figure_of_a_quiet_video_says_so() -> None:
    bottom = parsed_video(np.zeros((1, 2, 2, 3), np.uint8), np.zeros(4), np.zeros((2, 10, 25), bool)).axes[2]
    assert [label.get_text() for label in bottom.get_yticklabels()] == ["no events"]
    assert not bottom.collections


def test_no_two_videos_and_no_two_starts_share_a_folder(tmp_path: Path) -> None:
    """Two files of one name, in two folders; a copy is the same video; long and unprintable names fit."""
    videos = [
        tmp_path / folder / name for folder in "ab" for name in ("clip.mp4", "red \x1b[31m.mp4", "y" * 250)
    ]
    for content, video in enumerate(videos):
        video.parent.mkdir(exist_ok=True)
        video.write_bytes(bytes([content]))
    folders = {events_folder(tmp_path, video, start) for video in videos for start in (0.0, 1.5, 12.25)}
    assert len(folders) == 18
    assert all(len(folder.name.encode()) < 240 and folder.name.isprintable() for folder in folders)
    assert events_folder(tmp_path, videos[0]).name == f"clip-{hashlib.sha256(bytes([0])).hexdigest()[:8]}"
    assert events_folder(tmp_path, videos[0], 12.25).name.endswith(",start=12.25")
    with pytest.raises(DataError, match=r"none\.mp4: no such file"):
        events_folder(tmp_path, tmp_path / "none.mp4")
