"""Seeds stay apart: none notices the others, and each has its own order, best epoch and scores."""

from __future__ import annotations

import pytest
import torch

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.decoding import Predictions
from cmpie_lite.support.devices import own_randomness
from cmpie_lite.training.evaluate import evaluate, score
from cmpie_lite.training.loop import Run, epoch_seed, new_model
from cmpie_lite.training.seeds import Stack, Stepper, epoch_batches, score_seeds, train_seeds
from cmpie_lite.training.seeds_state import choose
from tests.making import mixed_store
from tests.making_seeds import CPU, SEEDS, STILL, distance


@pytest.fixture(scope="module")
def store() -> FeatureStore:
    return mixed_store()


def test_a_seed_does_not_notice_the_others(store: FeatureStore) -> None:
    config, recipe = STILL["cmpie"], TrainConfig(epochs=2, batch_size=8)
    (alone,) = train_seeds(config, recipe, store, [4])
    crowd = train_seeds(config, recipe, store, [1, 4])
    assert distance(alone.model, crowd[1].model) < 1e-4
    assert distance(alone.model, crowd[0].model) > 1e-2


def test_a_seed_that_diverges_spoils_no_other(store: FeatureStore) -> None:
    stack = Stack.of([new_model(STILL["han"], seed) for seed in range(3)], CPU)
    with torch.no_grad():
        stack.params["head.classifier.weight"][1] = torch.nan
    stepper = Stepper(stack, store.train, TrainConfig(batch_size=16), cuda_graph=False)
    losses = stepper.epoch([0, 1, 2], 0)["loss"]
    assert losses.isfinite().tolist() == [True, False, True]
    for name, p in stack.params.items():
        assert p[[0, 2]].isfinite().all(), name


def test_each_seed_reads_the_order_of_its_own_run() -> None:
    batches = epoch_batches([7, 2], epoch=3, videos=11, size=4)
    assert batches.shape == (2, 2, 4)
    for s, seed in enumerate([7, 2]):
        with own_randomness(epoch_seed(seed, 3), CPU):
            assert batches[:, s].flatten().tolist() == torch.randperm(11)[:8].tolist()


def test_best_epochs_are_chosen_by_seed(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """With these scores, seed 0 is best after epoch 3 (a tie: the later), seed 1 after epoch 1."""

    def run(types: list[list[float]]) -> list[Run]:
        epochs = iter(torch.tensor(types, dtype=torch.float64))
        monkeypatch.setattr(
            "cmpie_lite.training.seeds.score_seeds", lambda *_: {"segment_type": next(epochs)}
        )
        return train_seeds(STILL["ave"], TrainConfig(epochs=len(types), batch_size=16), store, [0, 1])

    chosen = run([[0.1, 0.9], [0.5, 0.1], [0.5, 0.8], [0.2, 0.3]])
    assert [r.best_epoch for r in chosen] == [3, 1]
    assert distance(chosen[0].model, run([[0, 0]] * 3)[0].model) == 0
    assert distance(chosen[1].model, run([[0, 0]])[1].model) == 0
    assert distance(chosen[0].model, run([[0, 0]] * 2)[0].model) > 0


def test_returned_models_are_those_of_the_best_epoch(store: FeatureStore) -> None:
    for run in train_seeds(STILL["ave"], TrainConfig(epochs=3, learning_rate=3e-3), store, SEEDS):
        scores = evaluate(run.model, store.val).as_dict()
        assert {n: run.history[run.best_epoch - 1][n] for n in scores} == pytest.approx(scores, abs=1e-9)


def test_ties_go_to_the_later_epoch(store: FeatureStore) -> None:
    runs = train_seeds(STILL["han"], TrainConfig(epochs=3, learning_rate=1e-12), store, [0, 1])
    assert [run.best_epoch for run in runs] == [3, 3]


def test_choose_takes_each_seed_by_itself() -> None:
    new, old = torch.ones(3, 2, 2), torch.zeros(3, 2, 2)
    chosen = choose(torch.tensor([True, False, True]), new, old)
    assert chosen[:, 0, 0].tolist() == [1, 0, 1]


def test_scores_of_seeds_are_the_metrics_of_each(store: FeatureStore) -> None:
    g = torch.Generator().manual_seed(0)
    n = len(store.val)
    parts = [
        Predictions(*(torch.rand(n, *shape, generator=g) for shape in ((25,), (25,), (25,), (10, 2, 25))))
        for _ in range(3)
    ]
    together = score_seeds(Predictions(*(torch.cat(x) for x in zip(*parts, strict=True))), store.val, 3)
    for s, predictions in enumerate(parts):
        expected = score(predictions, store.val).as_dict()
        assert {name: x[s].item() for name, x in together.items()} == pytest.approx(expected, abs=1e-12)
