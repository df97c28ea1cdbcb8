"""Settings and run records: the same code for notebook and shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cmpie_lite.data.store import FeatureStore
from cmpie_lite.data.store_files import open_store
from cmpie_lite.errors import ConfigError, DataError, WriteError
from cmpie_lite.experiments import settings as experiment
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
from tests.making import TINY, write_store

QUICK = {"preset": "smoke", "epochs": 1, "overrides": TINY, "dataset": "sim", "device": "cpu"}


@pytest.fixture(autouse=True)
def store(one_simulation: FeatureStore) -> FeatureStore:
    return one_simulation


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
        ({"overrides": {"dropout": 10**400}}, "overrides: ModelConfig.dropout = "),
        ({"overrides": {"batch_size": 0}}, "overrides: TrainConfig.batch_size = 0, expected an integer >= 1"),
        ({"overrides": '{"heads": 4, "heads": 2}'}, "'heads' stands more than once in one object"),
        ({"knobs": {"corrupt": float("nan")}}, "knobs: SimConfig.corrupt = nan, expected a number"),
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


def test_a_folder_that_cannot_be_written_is_said_to_be_output_dir(
    store: FeatureStore, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file where a folder would be")
    with pytest.raises(WriteError, match=r"^output_dir: .*cannot be written: .* expected a folder"):
        run_experiment(settings_from(QUICK | {"output_dir": str(tmp_path / "out")}), store)


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
