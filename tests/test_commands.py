"""The command line trains, evaluates and parses, and refuses in one line."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from cmpie_lite.__main__ import main
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.decoding import Predictions
from cmpie_lite.experiments.parse import event_table, events_folder, write_events
from cmpie_lite.labels import CLASS_INDEX
from cmpie_lite.support.turns import one_at_a_time
from cmpie_lite.training.checkpoint import LAST
from tests.making import write_store
from tests.making_runs import untrained_run
from tests.video_files import numbered, write_video


@pytest.fixture(autouse=True)
def store(one_simulation: FeatureStore) -> FeatureStore:
    return one_simulation


def test_the_command_line_trains_and_evaluates(
    store: FeatureStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--preset", "smoke", "--dataset", "sim", "--device", "cpu"]
    words = [
        "train",
        *common,
        "--epochs",
        "1",
        "--set",
        "dim=16",
        "--set",
        "ffn_dim=16",
        "--output-dir",
        str(tmp_path),
    ]
    assert main(words) == 0
    trained = capsys.readouterr().out
    assert "THIS IS NOT LLP" in trained
    folder = next(tmp_path.rglob("record.json")).parent
    config = json.loads((folder / "record.json").read_text())["config"]
    assert (config["dim"], config["ffn_dim"]) == (16, 16)
    assert main(["evaluate", str(folder), *common]) == 0
    evaluated = capsys.readouterr().out
    assert "note:" not in evaluated
    assert "LLP-sim, preset smoke." in evaluated
    write_store(tmp_path / "store", store)
    assert main(["evaluate", str(folder), "--data-dir", str(tmp_path / "store"), "--device", "cpu"]) == 0
    assert "LLP-sim.  THIS IS NOT LLP" in capsys.readouterr().out  # packed, so of no preset
    assert main(["evaluate", str(folder / LAST), *common]) == 2
    error = capsys.readouterr().err
    assert "it is a training state (last.safetensors)" in error
    assert len(error.splitlines()) == 1
    with one_at_a_time(folder):  # as a process that trains on
        assert main(["evaluate", str(folder), *common]) == 0
    so_far = f"note: nothing says that the run in {folder} has ended: this is its best epoch so far, 1.\n"
    assert so_far in capsys.readouterr().out
    (folder / "record.json").unlink()
    assert main(["evaluate", str(folder), *common]) == 0
    assert so_far in capsys.readouterr().out
    scores = [line.split()[-5:] for line in trained.splitlines() if line.startswith("test")]
    assert scores == [line.split()[-5:] for line in evaluated.splitlines() if line.startswith("model")]
    assert len(scores) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--model", "hann"], "model"),
        (["train", "--set", "heads"], "NAME=VALUE"),
        (["train", "--set", "dim=16", "--set", "dim=32"], "--set gives dim more than once"),
        (["train", "--set", "batch_size=0"], "TrainConfig.batch_size = 0"),
        (["train", "--epochs", "-3"], "TrainConfig.epochs = -3"),
        (["evaluate", "nowhere"], "no checkpoint at"),
        (["parse", "nowhere.mp4", "--run-dir", "nowhere"], "no checkpoint at"),
        (["parse", "nowhere.mp4", "--run-dir", "nowhere", "--threshold", "nan"], "threshold = nan"),
        (["parse", "nowhere.mp4", "--run-dir", "nowhere", "--start", "-1"], "start = -1"),
        (["parse", "nowhere.mp4", "--run-dir", "nowhere", "--weights", "x"], "'published', 'random', 'tiny'"),
        (["grid", "--table", "1", "--report", "/dev/null/x.json"], "/dev/null/.writable: cannot be written"),
        (["grid", "--ambiguities", "--report", "/dev"], "/dev: cannot be written: it is a folder"),
        (["controlled", "--report", "/dev"], "/dev: cannot be written: it is a folder"),
    ],
)
def test_the_command_line_refuses_in_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("package", ["av", "PIL"])
def test_a_missing_package_is_named_with_its_extra(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["parse", "clip.mp4", "--run-dir", "nowhere"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"cmpie_lite parse: {package} cannot be imported")
    assert "pip install -e '.[extract]'" in error
    assert len(error.splitlines()) == 1


def test_a_silent_video_is_parsed_when_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = write_video(tmp_path / "mute.mp4", [numbered(0)] * 80, 8.0)
    run_dir = untrained_run(tmp_path / "run")
    words = ["parse", str(clip), "--run-dir", str(run_dir), "--weights", "tiny", "--device", "cpu",
             "--output-dir", str(tmp_path / "out")]  # fmt: skip
    assert main(words) == 2
    assert "no audio track" in capsys.readouterr().err
    assert main([*words, "--silent-audio"]) == 0
    out = capsys.readouterr().out
    assert "note: no audio track: taken as silence" in out
    first = events_folder(tmp_path / "out", clip).name
    (found,) = tmp_path.glob("out/*/events.csv")
    assert found.parent.name.startswith(f"{first},by=")
    other = untrained_run(tmp_path / "other", seed=2)
    for more in (["--start", "1.5"], ["--threshold", "0.25"], ["--run-dir", str(other)]):
        assert main([*words, "--silent-audio", *more]) == 0  # beside the others, not over them
    assert len(list(tmp_path.glob("out/*/events.csv"))) == len(list((tmp_path / "out").iterdir())) == 4
    assert main([*words[:5], "published", *words[6:], "--silent-audio", "--weights-dir", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_an_event_table_reads_like_the_timeline(tmp_path: Path) -> None:
    segments = torch.zeros(1, 10, 2, 25)
    video = torch.zeros(1, 25)
    dog, speech = CLASS_INDEX["Dog"], CLASS_INDEX["Speech"]
    video[0, [dog, speech]] = 0.9
    segments[0, 2:5, 0, dog] = torch.tensor([0.6, 0.8, 0.7])
    segments[0, 7, 0, dog] = 0.5
    segments[0, :, 1, speech] = 0.75
    table = event_table(Predictions(video, video, video, segments), ("clip.mp4",))
    assert table[["onset", "offset", "label", "modality"]].to_numpy().tolist() == [
        [0.0, 10.0, "Speech", "visual"],
        [2.0, 5.0, "Dog", "audio"],
        [7.0, 8.0, "Dog", "audio"],
    ]
    assert table.score.tolist() == pytest.approx([0.75, 0.7, 0.5])
    csv, js = write_events(tmp_path, table)
    assert pd.read_csv(csv).label.tolist() == table.label.tolist()
    assert math.isclose(json.loads(js.read_text())[1]["score"], 0.7, abs_tol=1e-4)
    with pytest.raises(ValueError, match="2 ids for 1 videos"):
        event_table(Predictions(video, video, video, segments), ("a", "b"))
