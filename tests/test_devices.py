"""Devices: a name may be sent anywhere; the device itself is looked for where a run starts."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cmpie_lite.data.store import FeatureStore
from cmpie_lite.errors import ConfigError
from cmpie_lite.experiments import grid, run_many
from cmpie_lite.experiments.grid import GridSettings, grid_settings
from cmpie_lite.experiments.parse import ParseSettings
from cmpie_lite.experiments.run_one import run_experiment
from cmpie_lite.experiments.settings import Settings
from cmpie_lite.support.devices import check_device, counting_device
from tests.making import TINY, tiny_split


@pytest.fixture(scope="module")
def store() -> FeatureStore:
    return FeatureStore(tiny_split(32, 0), tiny_split(6, 1), tiny_split(8, 2), source="random numbers")


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:7", "mps"])
def test_settings_touch_no_machine(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "empty", lambda *_, **__: pytest.fail("the machine was touched"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("the machine was touched"))
    assert Settings(device=device).device == GridSettings(device=device).device == device
    assert ParseSettings(device=device).device == device


@pytest.mark.parametrize("name", ["hpu", "hpu:0", "xla", "meta", "cuda:", "CPU", "tpu9", ""])
def test_what_is_no_devices_name_is_refused_at_once(name: str) -> None:
    message = r"expected auto, cpu, cuda, cuda:1 \(the second card\) or mps"
    for make in (Settings, GridSettings, ParseSettings):
        with pytest.raises(ConfigError, match=message):
            make(device=name)
    with pytest.raises(ConfigError, match=message):
        check_device(name)


def test_a_run_says_where_it_starts_that_its_device_is_missing(store: FeatureStore, tmp_path: Any) -> None:
    settings = Settings(device="cuda:77", overrides=TINY, output_dir=str(tmp_path))
    with pytest.raises(ConfigError, match=r"'cuda:77' cannot be used .*this machine has: cpu"):
        run_experiment(settings, store)
    large = Settings(device="cpu", overrides=TINY | {"batch_size": 33}, output_dir=str(tmp_path))
    with pytest.raises(ConfigError, match="only 32 training videos"):
        run_experiment(large, store)
    assert not list(tmp_path.iterdir())


def test_a_grid_may_be_sent_to_a_device_that_this_machine_lacks(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: dict[str, Any] = {}

    def run_grid(jobs: Any, store: FeatureStore, **words: Any) -> list[Any]:
        sent.update(words)
        return []

    monkeypatch.setattr(grid, "run_grid", run_grid)
    monkeypatch.setattr(
        run_many, "check_device", lambda _: pytest.fail("this machine was asked for its devices")
    )
    settings = grid_settings({"device": "cuda:7", "scheduler": "tcp://gpu:8786"})
    assert {job.device for job in settings.jobs()} == {"cuda:7"}
    assert grid.run_all([], store, settings, False) == []
    assert (sent["scheduler"], sent["together"]) == ("tcp://gpu:8786", False)


def test_scores_are_counted_where_there_is_float64() -> None:
    assert counting_device(torch.device("mps")) == torch.device("cpu")
    assert counting_device(torch.device("cuda:1")) == torch.device("cuda:1")
