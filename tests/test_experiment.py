"""Settings, the command line and run records: the same code for notebook and shell."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from cmpie_lite.__main__ import main
from cmpie_lite.data.llp_sim import SMALL, simulate
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.data.store_files import open_store
from cmpie_lite.decoding import Predictions
from cmpie_lite.errors import ConfigError, DataError
from cmpie_lite.experiments import settings as experiment
from cmpie_lite.experiments.parse import event_table, events_folder, write_events
from cmpie_lite.experiments.record import read_records
from cmpie_lite.experiments.run_files import read_predictions
from cmpie_lite.experiments.run_one import run_experiment
from cmpie_lite.experiments.settings import (
    Settings,
    notebook_parameters,
    open_data,
    run_folder,
    settings_from,
)
from cmpie_lite.labels import CLASS_INDEX
from cmpie_lite.support.fields import override
from cmpie_lite.systems.build import config_to_facts
from cmpie_lite.systems.rows import SYSTEMS
from cmpie_lite.training.checkpoint import BEST, LAST, write_checkpoint
from cmpie_lite.training.loop import new_model
from tests.making import TINY, write_store
from tests.video_files import numbered, write_video

QUICK = {"preset": "smoke", "epochs": 1, "overrides": TINY, "dataset": "sim", "device": "cpu"}


@pytest.fixture(scope="module")
def store() -> FeatureStore:
    return simulate(override(SMALL, {"num_train": 400, "num_val": 20, "num_test": 20}))


@pytest.fixture(autouse=True)
def _one_simulation(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "simulate", lambda config: store)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"epoch": 3}, "unknown parameter 'epoch' = 3. Did you mean 'epochs'"),
        ({"learning_rate": 0.1}, "unknown parameter 'learning_rate'"),
        ({"epochs": "40"}, "Settings.epochs = '40', expected a value of type int"),
        ({"epochs": True}, "Settings.epochs = True, expected a value of type int"),
        ({"epochs": 0}, "TrainConfig.epochs = 0, expected an integer >= 1"),
        ({"model": "cm-pie"}, "Settings.model = 'cm-pie', expected one of"),
        ({"preset": "big"}, "'smoke', 'small', 'full'"),
        ({"dataset": "LLP"}, "'auto', 'sim', 'llp'"),
        ({"precision": "fp16"}, "'float32', 'tf32', 'bfloat16'"),
        ({"seeds": []}, "at least one integer"),
        ({"seeds": [1, 1]}, "different integers"),
        ({"seeds": ["1"]}, "at least one integer"),
        ({"seeds": '["1"]'}, "at least one integer"),
        ({"seeds": "1 2"}, "seeds = '1 2' is not JSON"),
        ({"seeds": [-1]}, "TrainConfig.seed = -1"),
        ({"seeds": 0}, "a number of seeds >= 1"),
        ({"seeds": 2147483648}, "seeds = 2147483648, expected a number of seeds >= 1 and <= 1000"),
        ({"seeds": list(range(1001))}, "at most 1000 integers"),
        ({"overrides": "[" * 100_000}, "is not JSON"),
        ({"overrides": {"dim": 10**6}}, "dim = 1000000, expected an integer >= 1 and <= 8192"),
        ({"overrides": {"han_layers": 10**6}}, "han_layers = 1000000, expected an integer >= 0 and <= 64"),
        ({"overrides": {"dropout": 10**400}}, "expected a number"),
        ({"seeds": 1.5}, "Settings.seeds = 1.5"),
        ({"overrides": {"batch_size": 0}}, "TrainConfig.batch_size = 0, expected an integer >= 1"),
        ({"overrides": {"headz": 2}}, "Did you mean 'heads'"),
        ({"overrides": {"sa_axis": "time"}}, "'segment', 'global', 'channel', 'both'"),
        ({"overrides": {"epochs": 2}}, "through the setting 'epochs'"),
        ({"overrides": {"seed": 2}}, "through the setting 'seeds'"),
        ({"overrides": "heads=2"}, "is not JSON"),
        ({"overrides": [1]}, "names and values"),
        ({"overrides": {1: 2}}, "overrides = {1: 2}, expected names and values"),
        ({"device": "tpu9"}, "Settings.device = 'tpu9', expected auto, cpu, cuda, cuda:1"),
        ({"output_dir": 3}, "type str"),
    ],
)
def test_bad_settings_stop_with_a_clear_message(names: dict, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        settings_from(names)
    assert message in str(error.value)


def test_a_notebooks_variables_become_settings() -> None:
    cells = [
        "import json",
        "# Parameters\nepochs: int = 40\nseeds: list = [1]\noverrides: dict = {}",
        "x = 3",
    ]
    cells += ["# Parameters\nepochs = 2\nseeds = 3\noverrides = '...'\n"]
    variables = {"In": cells, "x": 3, "epochs": 2, "seeds": 3, "overrides": '{"heads": 2}'}
    settings = settings_from(notebook_parameters(variables))
    assert settings == Settings(epochs=2, seeds=[1, 2, 3], overrides={"heads": 2})
    assert settings.config.heads == 2
    assert settings.recipe(3).seed == 3
    assert settings_from({"seeds": "[1, 4]", "overrides": ""}) == Settings(seeds=[1, 4])


def test_an_injected_unknown_name_stops_the_notebook() -> None:
    variables = {
        "In": ["# Parameters\nepochs: int = 40", "# Parameters\nepoch = 3\n"],
        "epochs": 40,
        "epoch": 3,
    }
    with pytest.raises(ConfigError, match=r"unknown parameter 'epoch' = 3\. Did you mean 'epochs'"):
        settings_from(notebook_parameters(variables))


def test_a_systems_own_recipe_is_used_and_can_be_overridden() -> None:
    assert Settings(model="mm_pyramid").recipe(1).learning_rate == 1e-4
    assert Settings(model="mm_pyramid", overrides={"learning_rate": 1e-3}).recipe(1).learning_rate == 1e-3
    assert Settings(model="cmpie").recipe(1).learning_rate == 3e-4


def test_data_are_llp_where_packed_and_the_simulation_elsewhere(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "home", lambda: tmp_path)
    usual = tmp_path / "data" / "llp"
    packed = FeatureStore(store.train, store.val, store.test, source="LLP ids with simulated features")
    assert open_data(Settings()).source == "LLP-sim"
    for named in (Settings(dataset="llp"), Settings(data_dir=str(usual))):  # a folder given must hold a store
        given = f"data_dir = '{named.data_dir}': " if named.data_dir else ""
        with pytest.raises(DataError, match=f"^{given}No store in {usual}"):
            open_data(named)
    write_store(usual, packed)
    for found in (Settings(), Settings(dataset="llp"), Settings(data_dir=str(usual))):
        assert open_data(found).source == packed.source
    assert open_data(Settings(data_dir=str(usual), dataset="sim")).source == "LLP-sim"


def test_a_run_leaves_a_record_that_repeats_it(store: FeatureStore, tmp_path: Path) -> None:
    settings = settings_from(QUICK | {"output_dir": str(tmp_path), "seeds": [4, 5]})
    first, second = run_experiment(settings, store)
    records = read_records(tmp_path)
    assert [r["recipe"]["seed"] for r in records] == [4, 5]
    record = records[0]
    assert record == first.record
    assert record["data"]["source"] == "LLP-sim"
    assert record["data"]["sha256"] == store.digest
    assert record["config"]["dim"] == 16
    assert {"commit", "torch", "device", "python"} <= record["environment"].keys()
    assert len(record["test"]) == 10
    assert all(0 <= x <= 1 for x in record["test"].values())
    predictions, ids, source = read_predictions(run_folder(settings, store, 4))
    assert ids == store.test.ids
    assert source == "LLP-sim"
    assert all(torch.equal(a, b) for a, b in zip(predictions, first.predictions, strict=True))
    assert second.record["test"] != first.record["test"]


def test_a_run_that_is_there_keeps_the_day_and_the_machine_it_was_made_on(tmp_path: Path) -> None:
    settings = settings_from(QUICK | {"output_dir": str(tmp_path)})
    store = open_data(settings)
    run_experiment(settings, store)
    path = run_folder(settings, store, settings.seeds[0]) / "record.json"
    made = json.loads(path.read_text()) | {"finished": "that day"}
    made["environment"]["commit"] = "that one"
    path.write_text(json.dumps(made))
    assert run_experiment(settings, store)[0].record == made
    assert json.loads(path.read_text()) == made
    path.write_text(json.dumps(made | {"history": made["history"][:-1]}))  # as of an interrupted run
    assert run_experiment(settings, store)[0].record["finished"] != "that day"
    path.write_text("broken")
    assert run_experiment(settings, store)[0].record["test"] == made["test"]


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
    assert "NOTE" not in evaluated
    assert "LLP-sim, preset smoke." in evaluated
    write_store(tmp_path / "store", store)
    assert main(["evaluate", str(folder), "--data-dir", str(tmp_path / "store"), "--device", "cpu"]) == 0
    assert "LLP-sim.  THIS IS NOT LLP" in capsys.readouterr().out  # packed, so of no preset
    assert main(["evaluate", str(folder / LAST), *common]) == 2
    error = capsys.readouterr().err
    assert "it is a training state (last.safetensors)" in error
    assert len(error.splitlines()) == 1
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
    config = override(SYSTEMS["han"].config, {"dim": 8, "ffn_dim": 8})
    facts = {
        "config": config_to_facts(config),
        "recipe": {},
        "parameters": "",
        "source": "LLP-sim",
        "data": "",
    }
    (tmp_path / "run").mkdir()
    write_checkpoint(tmp_path / "run" / BEST, new_model(config, 1).state_dict(), facts)
    words = ["parse", str(clip), "--run-dir", str(tmp_path / "run"), "--weights", "tiny", "--device", "cpu",
             "--output-dir", str(tmp_path / "out")]  # fmt: skip
    assert main(words) == 2
    assert "no audio track" in capsys.readouterr().err
    assert main([*words, "--silent-audio"]) == 0
    out = capsys.readouterr().out
    assert "note: no audio track: taken as silence" in out
    assert (events_folder(tmp_path / "out", clip) / "events.csv").is_file()
    assert main([*words, "--silent-audio", "--start", "1.5"]) == 0  # beside the others, not over them
    assert (events_folder(tmp_path / "out", clip, 1.5) / "events.csv").is_file()
    assert len(list((tmp_path / "out").iterdir())) == 2
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


def test_a_damaged_record_or_prediction_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "seed1").mkdir()
    (tmp_path / "seed1" / "record.json").write_text('{"model": ')
    (tmp_path / "predictions.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"record\.json is not a run record: it is not JSON"):
        read_records(tmp_path)
    with pytest.raises(DataError, match="holds no predictions"):
        read_predictions(tmp_path)


def test_a_packed_store_survives_the_round_trip(store: FeatureStore, tmp_path: Path) -> None:
    write_store(tmp_path, store)
    again = open_store(tmp_path)
    assert again.digest == store.digest
    assert torch.equal(again.test.audio, store.test.audio)
