"""HAN's training against a plain loop, with which it shares no code: equal in distribution.

From the same start, in the same order of the videos, without dropout, the two are equal step by step, and a
recipe that differs in one number is found out. Initial weights and dropout have the same distribution.
`tests.benchmarks.compare_training` compares the scores of whole trainings.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.support.fields import override
from cmpie_lite.systems.rows import SYSTEMS
from cmpie_lite.training.evaluate import predict
from cmpie_lite.training.loop import epoch_seed, new_model, train
from tests.benchmarks.plain import load_weights
from tests.making import planted_split
from tests.oracles import training as plain

DIM = 16
# A higher rate for few epochs, which drops in their middle.
RECIPE = TrainConfig(epochs=6, learning_rate=3e-3, lr_step=3)


@pytest.fixture(scope="module")
def store() -> FeatureStore:
    sizes = {"train": 64, "val": 10, "test": 20}
    splits = {name: planted_split(n, seed, name) for seed, (name, n) in enumerate(sizes.items())}
    return FeatureStore(**splits, source="planted")


def by_plain_loop(store: FeatureStore, recipe: TrainConfig) -> torch.Tensor:
    """Segment probabilities of the test split, (N, T, M, C), as the plain loop's model gives them.

    It begins with our initial weights, has no dropout, and takes the videos of each epoch in our order.
    """
    config = override(SYSTEMS["han"].config, {"dim": DIM, "ffn_dim": DIM})
    start = plain.PlainHAN(DIM)
    load_weights(start, new_model(config, recipe.seed))
    full = len(store.train) // recipe.batch_size * recipe.batch_size  # ours leaves a smaller batch out
    orders = []
    for epoch in range(recipe.epochs):
        generator = torch.Generator().manual_seed(epoch_seed(recipe.seed, epoch))
        orders.append(torch.randperm(len(store.train), generator=generator).tolist()[:full])
    model = plain.fit(store, recipe, DIM, start.state_dict(), orders, dropout=0.0)
    with torch.no_grad():
        return model(store.test.audio, store.test.visual_2d, store.test.visual_3d)[3]


def test_training_equals_a_plain_loop_step_by_step(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = override(SYSTEMS["han"].config, {"dim": DIM, "ffn_dim": DIM, "dropout": 0.0})
    ours = predict(train(config, RECIPE, store).model, store.test).segments
    torch.testing.assert_close(by_plain_loop(store, RECIPE), ours, rtol=0, atol=1e-5)
    changes: tuple[dict[str, Any], ...] = (
        *({"learning_rate": RECIPE.learning_rate / 2}, {"learning_rate": 1.01 * RECIPE.learning_rate}),
        *({"batch_size": 32}, {"lr_step": 2}, {"lr_step": 10**6}, {"lr_gamma": 0.5}, {"epochs": 5}),
    )
    for change in changes:
        other = by_plain_loop(store, override(RECIPE, change))
        assert (other - ours).abs().max() > 1e-3, change
    criterion, loss_of = torch.nn.BCELoss(), plain.loss_of

    def unsmoothed(model: torch.nn.Module, *batch: torch.Tensor) -> torch.Tensor:
        _, _, visual, _ = model(*batch[:3])
        return loss_of(model, *batch) + criterion(visual, batch[3]) - criterion(visual, 0.9 * batch[3] + 0.05)

    monkeypatch.setattr(plain, "loss_of", unsmoothed)
    assert (by_plain_loop(store, RECIPE) - ours).abs().max() > 1e-3


def test_initial_weights_are_distributed_as_the_plain_models() -> None:
    """Thirty of ours against thirty of its: each tensor's mean, deviation and range."""
    torch.manual_seed(0)
    config = override(SYSTEMS["han"].config, {"dim": DIM, "ffn_dim": DIM})
    drawn: dict[str, list[dict[str, torch.Tensor]]] = {"ours": [], "plain": []}
    for seed in range(30):
        ours, model = plain.PlainHAN(DIM), plain.PlainHAN(DIM)
        load_weights(ours, new_model(config, seed))
        drawn["ours"].append(ours.state_dict())
        drawn["plain"].append(model.state_dict())
    for name in drawn["plain"][0]:
        if name.endswith(("frame.bias", "modality.bias")):
            continue  # a softmax does not see them, and ours has none
        one, other = (torch.stack([state[name] for state in drawn[way]]) for way in ("ours", "plain"))
        if name.endswith("in_proj_bias"):
            one, other = (x.view(30, 3, DIM)[:, [0, 2]] for x in (one, other))  # nor the keys'
        spread = other.std()
        assert (one.mean() - other.mean()).abs() <= 4 * spread * (2 / one.numel()) ** 0.5, name
        assert (one.std() - spread).abs() <= 0.1 * spread, name
        assert (one.abs().max() - other.abs().max()).abs() <= 0.05 * other.abs().max(), name


def test_dropout_is_distributed_as_the_plain_models() -> None:
    """On the same weights, 2000 times the same video: mean and deviation of every probability."""
    config = override(SYSTEMS["han"].config, {"dim": DIM, "ffn_dim": DIM})
    ours, model = new_model(config, 1), plain.PlainHAN(DIM)
    load_weights(model, ours)
    torch.manual_seed(0)
    video = [torch.rand(1, 10, width).expand(2000, -1, -1) for width in (128, 2048, 512)]
    with torch.no_grad():
        one, other = ours.train()(*video).segments, model.train()(*video)[3]
        torch.testing.assert_close(ours.eval()(*video).segments, model.eval()(*video)[3])
    error = other.std(0) * (2 / 2000) ** 0.5
    assert ((one.mean(0) - other.mean(0)).abs() / error).max() < 6
    torch.testing.assert_close(one.std(0), other.std(0), rtol=0.1, atol=0)


def test_training_drops_and_prediction_does_not(store: FeatureStore) -> None:
    config = override(SYSTEMS["han"].config, {"dim": DIM, "ffn_dim": DIM})
    model = train(config, RECIPE, store).model
    found = predict(model, store.test).segments
    assert torch.equal(predict(model.train(), store.test).segments, found)
    without = predict(train(override(config, {"dropout": 0.0}), RECIPE, store).model, store.test).segments
    assert (found - without).abs().max() > 1e-3
