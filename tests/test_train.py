"""The eager loop: it learns, repeats to the bit, goes on where it was killed, and predicts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.decoding import Predictions, decode
from cmpie_lite.support.fields import override
from cmpie_lite.systems.rows import SYSTEMS
from cmpie_lite.training.checkpoint import LAST, read_checkpoint
from cmpie_lite.training.evaluate import evaluate, predict
from cmpie_lite.training.loop import learning_rate, load_model, train
from tests.making import planted_store
from tests.making_runs import RECIPE, SMALLEST


@pytest.fixture(scope="module")
def store() -> FeatureStore:
    return planted_store()


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def without_time(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


def test_planted_events_are_learned(store: FeatureStore) -> None:
    recipe = TrainConfig(epochs=30, batch_size=10, learning_rate=3e-3, lr_step=20)
    run = train(override(SYSTEMS["han"].config, {"dim": 32, "ffn_dim": 32}), recipe, store)
    assert run.history[-1]["loss"] < 0.3 * run.history[0]["loss"]
    assert evaluate(run.model, store.test).segment_type > 0.6


def test_a_seed_repeats_to_the_bit_and_another_seed_does_not(store: FeatureStore) -> None:
    one, again = train(SMALLEST, RECIPE, store), train(SMALLEST, RECIPE, store)
    other = train(SMALLEST, override(RECIPE, {"seed": 2}), store)
    assert same(one.model, again.model)
    assert without_time(one.history) == without_time(again.history)
    assert not same(one.model, other.model)


def test_the_callers_random_state_is_left_alone(store: FeatureStore) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train(SMALLEST, override(RECIPE, {"epochs": 1}), store)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("stop", [1, 2])
def test_a_resumed_run_equals_an_uninterrupted_one(store: FeatureStore, tmp_path: Path, stop: int) -> None:
    whole = train(SMALLEST, RECIPE, store, folder=tmp_path / "whole")
    train(SMALLEST, override(RECIPE, {"epochs": stop}), store, folder=tmp_path / "halves")
    halves = train(SMALLEST, RECIPE, store, folder=tmp_path / "halves")
    assert same(whole.model, halves.model)
    assert without_time(whole.history) == without_time(halves.history)
    assert whole.best_epoch == halves.best_epoch
    a = read_checkpoint(tmp_path / "whole" / LAST).tensors
    b = read_checkpoint(tmp_path / "halves" / LAST).tensors
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_the_best_epoch_is_kept_and_loads(store: FeatureStore, tmp_path: Path) -> None:
    run = train(SMALLEST, RECIPE, store, folder=tmp_path)
    types = [row["segment_type"] for row in run.history]
    assert run.best_epoch == max(i for i, x in enumerate(types, 1) if x == max(types))
    model, facts = load_model(tmp_path)
    assert facts["epoch"] == run.best_epoch
    assert same(model, run.model)
    assert evaluate(model, store.val).segment_type == pytest.approx(max(types), abs=1e-12)


def test_learning_rate_drops_after_ten_epochs() -> None:
    rates = [learning_rate(TrainConfig(), epoch) for epoch in (0, 9, 10, 19, 20, 39)]
    assert rates == pytest.approx([3e-4, 3e-4, 3e-5, 3e-5, 3e-6, 3e-7])


@pytest.mark.parametrize(
    ("changes", "tolerance"), [({"precision": "bfloat16"}, 0.02), ({"precision": "tf32"}, 1e-4)]
)
def test_a_precision_reproduces_the_eager_loop(store: FeatureStore, changes: dict, tolerance: float) -> None:
    config = override(SMALLEST, {"dropout": 0.0})
    plain, fast = train(config, RECIPE, store), train(config, override(RECIPE, changes), store)
    for a, b in zip(plain.history, fast.history, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=tolerance)


def test_decoding_gates_segments_by_the_video() -> None:
    video = torch.tensor([[0.5, 0.49]])
    segments = torch.full((1, 10, 2, 2), 0.5)
    segments[0, 3, 1] = 0.4
    audio, visual = decode(Predictions(video, video, video, segments))
    assert audio[0, :, 0].all()
    assert not audio[0, :, 1].any()
    assert visual[0, :, 0].tolist() == [t != 3 for t in range(10)]
    with pytest.raises(ValueError, match=r"threshold = 1\.5"):
        decode(Predictions(video, video, video, segments), 1.5)


def test_prediction_does_not_depend_on_the_batch_size(store: FeatureStore) -> None:
    model = train(SMALLEST, override(RECIPE, {"epochs": 1}), store).model
    for a, b in zip(predict(model, store.test, 1), predict(model, store.test, 64), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="batch_size = 0"):
        predict(model, store.test, 0)
