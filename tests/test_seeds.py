"""The seeds axis equals separate runs of the eager loop; with dropout, in distribution."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cmpie_lite.config import ModelConfig, TrainConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.errors import ConfigError
from cmpie_lite.support.devices import own_randomness
from cmpie_lite.support.fields import override
from cmpie_lite.systems.build import Config
from cmpie_lite.training.loop import loss_of, new_model
from cmpie_lite.training.seeds import Stack, train_seeds
from tests.making import mixed_split, mixed_store
from tests.making_seeds import CPU, DROPPING, SEEDS, SMALL, STILL, distance, separate

READINGS = {
    f"{field}={value}": override(ModelConfig(), SMALL | {"dim": 16, field: value})
    for field, values in {
        "sa_axis": ("global", "both"), "sa_squeeze": ("mean", "sum"), "sa_layers": (3,),
        "sa_sharing": ("per_modality",), "sa_input": ("raw", "aggregated"), "han_sharing": ("one",),
        "cma_concat": ("features",), "cma_form": ("residual", "projected", "printed"),
        "cma_sharing": ("modality", "per_modality"), "front_end": ("mlp",), "streams": (1,),
        "segment_attention": (False,), "heads": (4,), "han_layers": (2,),
    }.items()
    for value in values
}  # fmt: skip


@pytest.fixture(scope="module")
def store() -> FeatureStore:
    return mixed_store()


# --- equal to separate runs ---


@pytest.mark.parametrize("system", STILL)
def test_k_seeds_at_once_equal_k_runs(system: str, store: FeatureStore) -> None:
    """54 steps (the slowest systems 12), drops of the learning rate: parameters to 1e-4, losses to 1e-5."""
    config = STILL[system]
    epochs, lr_step = (2, 1) if system in ("avsdn", "mm_pyramid", "cm_cs") else (9, 4)
    recipe = TrainConfig(epochs=epochs, batch_size=8, lr_step=lr_step)
    together = train_seeds(config, recipe, store, SEEDS)
    for ours, alone in zip(together, separate(config, recipe, store, SEEDS), strict=True):
        assert distance(ours.model, alone.model) < 1e-4
        assert ours.best_epoch == alone.best_epoch
        for row, expected in zip(ours.history, alone.history, strict=True):
            assert list(row) == list(expected)
            clockless = {name: value for name, value in expected.items() if name != "seconds"}
            assert {name: row[name] for name in clockless} == pytest.approx(clockless, abs=1e-5)
    losses = torch.tensor([[row["loss"] for row in run.history] for run in together])
    assert bool((losses[:, 0] > losses[:, -1]).all())  # they learned
    assert bool((losses.std(0) > 1e-4).all())  # and differ between seeds


@pytest.mark.parametrize("config", READINGS.values(), ids=READINGS)
def test_every_reading_gives_the_losses_and_gradients_of_single_models(config: ModelConfig) -> None:
    recipe = TrainConfig()
    models = [new_model(config, seed) for seed in SEEDS]
    stack, batches = Stack.of(models, CPU), mixed_split(12, 0, "x")
    batch = [x.unflatten(0, (2, 6)) for x in (batches.audio, batches.visual_2d, batches.visual_3d)]
    labels = batches.weak.float().unflatten(0, (2, 6))
    losses = stack.losses(recipe, *batch, labels)
    losses.sum().backward()
    for s, model in enumerate(models):
        alone = loss_of(model, *(x[s] for x in batch), labels[s], recipe)
        alone.sum().backward()
        torch.testing.assert_close(losses[s], alone)
        for name, p in model.named_parameters():
            torch.testing.assert_close(stack.params[name].grad[s], p.grad, rtol=1e-3, atol=1e-6)


def test_one_seed_draws_the_dropout_of_its_run(store: FeatureStore) -> None:
    recipe = TrainConfig(epochs=3, batch_size=16)
    (ours,), (alone,) = train_seeds(DROPPING, recipe, store, [5]), separate(DROPPING, recipe, store, [5])
    assert [r["loss"] for r in ours.history] == pytest.approx([r["loss"] for r in alone.history], abs=1e-6)
    assert distance(ours.model, alone.model) < 1e-4


# --- with dropout: equal in distribution ---


def twins(config: Config, count: int) -> tuple[Stack, list[Tensor], nn.Module]:
    """The same model `count` times, before the same batch."""
    model, split = new_model(config, 0), mixed_split(8, 0, "x")
    batch = [split.audio, split.visual_2d, split.visual_3d, split.weak.float()]
    return Stack.of([model] * count, CPU), [x.expand(count, *x.shape) for x in batch], model


def test_masks_differ_between_seeds_and_only_they() -> None:
    stack, batch, _ = twins(DROPPING, 6)
    with own_randomness(0, CPU):
        losses = stack.losses(TrainConfig(), *batch).sum(1)
    assert len(set(losses.tolist())) == 6
    stack, batch, _ = twins(override(DROPPING, {"dropout": 0.0}), 6)
    losses = stack.losses(TrainConfig(), *batch).sum(1)
    torch.testing.assert_close(losses, losses[:1].expand(6), rtol=0, atol=1e-6)


def test_losses_under_dropout_are_distributed_as_those_of_single_models() -> None:
    """200 masks each: means agree within 4 standard errors of their difference, spreads within a third."""
    stack, batch, model = twins(DROPPING, 200)
    with own_randomness(1, CPU), torch.no_grad():
        stacked = stack.losses(TrainConfig(), *batch).sum(1)
        model.train()
        alone = torch.stack([loss_of(model, *(x[0] for x in batch), TrainConfig()).sum() for _ in range(200)])
    error = ((stacked.var() + alone.var()) / 200).sqrt()
    assert (stacked.mean() - alone.mean()).abs() < 4 * error
    assert 0.75 < stacked.std() / alone.std() < 1.33
    assert error < 0.01 * alone.mean()  # the bound is a sharp one


def test_training_with_dropout_ends_where_separate_runs_end(store: FeatureStore) -> None:
    """Paired by seed (same weights, same batches), masks apart: losses differ by 1 percent at the most."""
    recipe, seeds = TrainConfig(epochs=3, batch_size=8), [0, 1, 2, 3]
    together = train_seeds(DROPPING, recipe, store, seeds)
    apart = separate(DROPPING, recipe, store, seeds)
    last = torch.tensor([[run.history[-1]["loss"] for run in runs] for runs in (together, apart)])
    difference = last[0] - last[1]
    assert difference.abs().mean() > 1e-6  # the masks are indeed others
    assert difference.abs().max() < 0.01 * last.mean()
    again = train_seeds(DROPPING, recipe, store, seeds)
    assert [run.history[-1]["loss"] for run in again] == last[0].tolist()  # a function of the seeds


# --- what is refused, what is left alone ---


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1], [True], [0.5]])
def test_impossible_seeds_are_refused(seeds: list, store: FeatureStore) -> None:
    with pytest.raises((ConfigError, TypeError), match="seeds"):
        train_seeds(STILL["han"], TrainConfig(epochs=1), store, seeds)


def test_a_graph_needs_cuda_and_a_batch_needs_videos(store: FeatureStore) -> None:
    with pytest.raises(ConfigError, match="cuda_graph=True on device 'cpu'"):
        train_seeds(STILL["han"], TrainConfig(epochs=1), store, [0], cuda_graph=True)
    with pytest.raises(ConfigError, match="batch_size = 64"):
        train_seeds(STILL["han"], TrainConfig(epochs=1, batch_size=64), store, [0])


def test_the_callers_random_state_is_left_alone(store: FeatureStore) -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    train_seeds(DROPPING, TrainConfig(epochs=1), store, [0, 1])
    assert torch.equal(torch.get_rng_state(), before)
