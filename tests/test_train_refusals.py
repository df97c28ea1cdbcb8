"""What the loop refuses: recipes, data and folders that cannot be, and losses that are no numbers."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.errors import CheckpointError, ConfigError, DataError, WriteError
from cmpie_lite.experiments.record import write_record
from cmpie_lite.support.fields import override
from cmpie_lite.training.checkpoint import LAST
from cmpie_lite.training.loop import train
from cmpie_lite.training.seeds import train_seeds
from tests.making import planted_store, subset
from tests.making_runs import RECIPE, SMALLEST


@pytest.fixture(scope="module")
def store() -> FeatureStore:
    return planted_store()


def test_impossible_recipes_are_refused(store: FeatureStore) -> None:
    with pytest.raises(ConfigError, match="batch_size = 0, expected an integer >= 1"):
        TrainConfig(batch_size=0)
    with pytest.raises(ConfigError, match="only 100 training videos"):
        train(SMALLEST, override(RECIPE, {"batch_size": 101}), store)
    with pytest.raises(ConfigError, match="this machine has"):
        train(SMALLEST, RECIPE, store, device="cuda:7")
    with pytest.raises(ConfigError, match="'gpu', expected auto, cpu, cuda"):
        train(SMALLEST, RECIPE, store, device="gpu")


def test_a_data_set_without_a_class_is_refused(store: FeatureStore) -> None:
    rows = [i for i in range(100) if not store.train.weak[i, 3]]
    with pytest.raises(DataError, match="Dog"):
        train(
            SMALLEST, RECIPE, FeatureStore(subset(store.train, rows), store.val, store.test, source="planted")
        )


def test_a_loss_that_is_no_number_stops_the_run(store: FeatureStore, tmp_path: Path) -> None:
    """Features that are finite, and large enough for their squares not to be."""
    wild = replace(store.train, audio=1e30 * store.train.audio)
    planted = FeatureStore(wild, store.val, store.test, source="planted")
    with pytest.raises(ConfigError, match=r"the mean loss of epoch 1 is nan, with learning_rate = "):
        train(SMALLEST, RECIPE, planted, folder=tmp_path)
    with pytest.raises(ConfigError, match=r"the mean loss of epoch 1 is nan"):
        train_seeds(SMALLEST, RECIPE, planted, [1, 2])
    assert not os.listdir(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(tmp_path, {"loss": float("nan")})


def test_what_cannot_be_saved_or_scored_is_said_before_the_first_epoch(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cmpie_lite.training.loop.train_epoch", lambda *_: pytest.fail("an epoch was trained")
    )
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"cannot be written: .* expected a folder.*another folder"):
        train(SMALLEST, RECIPE, store, folder=tmp_path / "file" / "run")
    blind = FeatureStore(
        store.train, replace(store.val, dense_audio=None, dense_visual=None), store.test, source="planted"
    )
    with pytest.raises(DataError, match="dense labels"):
        train(SMALLEST, RECIPE, blind)


def test_a_folder_of_another_run_is_refused_and_kept(store: FeatureStore, tmp_path: Path) -> None:
    train(SMALLEST, RECIPE, store, folder=tmp_path)
    before = (tmp_path / LAST).read_bytes()
    with pytest.raises(CheckpointError, match="another run"):
        train(SMALLEST, override(RECIPE, {"seed": 9}), store, folder=tmp_path)
    with pytest.raises(CheckpointError, match="3 epochs, not 2"):
        train(SMALLEST, override(RECIPE, {"epochs": 2}), store, folder=tmp_path)
    assert (tmp_path / LAST).read_bytes() == before
