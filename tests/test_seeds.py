"""The seeds axis equals separate runs of the eager loop, and keeps its seeds apart."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from cmpie_lite.config import ModelConfig, TrainConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.decoding import Predictions
from cmpie_lite.errors import ConfigError
from cmpie_lite.support.devices import own_randomness
from cmpie_lite.support.fields import override
from cmpie_lite.systems.ave import AVEConfig
from cmpie_lite.systems.avsdn import AVSDNConfig
from cmpie_lite.systems.build import Config
from cmpie_lite.systems.cm_cs import CMCSConfig
from cmpie_lite.systems.mm_pyramid import MMPyramidConfig
from cmpie_lite.systems.rows import SYSTEMS
from cmpie_lite.training.evaluate import evaluate, score
from cmpie_lite.training.loop import Run, epoch_seed, loss_of, new_model, train
from cmpie_lite.training.seeds import Stack, Stepper, epoch_batches, score_seeds, train_seeds
from cmpie_lite.training.seeds_state import choose
from tests.making import ROOT, mixed_split, mixed_store

SMALL = {"dim": 32, "ffn_dim": 16, "dropout": 0.0}
RECURRENT = {"dim": 16, "hidden": 8, "branch_dim": 16, "attention_dim": 8}
STILL: dict[str, Config] = {  # nothing is dropped
    "han": override(SYSTEMS["han"].config, SMALL),
    "cmpie": override(ModelConfig(), SMALL),
    "ave": AVEConfig(**RECURRENT),
    "avsdn": AVSDNConfig(**RECURRENT),
    "cm_cs": CMCSConfig(dim=128, ffn_dim=16, dropout=0.0),
    "mm_pyramid": MMPyramidConfig(dim=16, ffn_dim=16, levels=1, dropout=0.0, attention_dropout=0.0),
}
DROPPING = override(SYSTEMS["han"].config, SMALL | {"dim": 16, "dropout": 0.5})
READINGS = {
    f"{field}={value}": override(ModelConfig(), SMALL | {"dim": 16, field: value})
    for field, values in {
        "sa_axis": ("global", "both"), "sa_squeeze": ("sum", "standardised"), "sa_layers": (3,),
        "sa_sharing": ("per_modality",), "sa_input": ("raw", "aggregated"), "han_sharing": ("one",),
        "cma_concat": ("features",), "cma_form": ("residual", "projected", "printed"),
        "cma_sharing": ("modality", "per_modality"), "front_end": ("mlp",), "streams": (1,),
        "segment_attention": (False,), "heads": (4,), "han_layers": (2,),
    }.items()
    for value in values
}  # fmt: skip
SEEDS = [3, 0]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store() -> FeatureStore:
    return mixed_store()


def distance(a: nn.Module, b: nn.Module) -> float:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return max((x - y).abs().max().item() for x, y in pairs)


def separate(config: Config, recipe: TrainConfig, store: FeatureStore, seeds: list[int]) -> list:
    return [train(config, override(recipe, {"seed": seed}), store) for seed in seeds]


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


# --- seeds stay apart ---


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


# --- flags ---


class Watch(TorchDispatchMode):
    """Records the operations that make the host wait, or give shapes that depend on data."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if any(
            word in str(func) for word in ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select")
        ):
            self.waits.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("config", STILL.values(), ids=STILL)
def test_nothing_inside_an_epoch_waits_for_the_device(config: Config, store: FeatureStore) -> None:
    stack = Stack.of([new_model(config, seed) for seed in (0, 1)], CPU)
    stepper = Stepper(stack, store.train, TrainConfig(batch_size=16), cuda_graph=False)
    with Watch() as watch:
        losses = stepper.epoch([0, 1], 0)
    assert watch.waits == []
    with watch:
        losses["loss"].tolist()
        losses["loss"][0].item()
    assert watch.waits  # the watch sees what it is there to see


class Expansions(TorchDispatchMode):
    """Records matrices that are laid out once more for every video."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        once_more = func is torch.ops.aten.expand.default and result.numel() > args[0].numel()
        if once_more and result.shape[-2:] == args[0].shape[-2:]:
            self.shapes.append(tuple(result.shape))
        return result


@pytest.mark.parametrize("config", STILL.values(), ids=STILL)
def test_weights_are_not_laid_out_anew_for_every_video(config: Config, store: FeatureStore) -> None:
    """What a stacked product does to its weights where its input is strided; values would be the same."""
    stack = Stack.of([new_model(config, seed) for seed in (0, 1)], CPU)
    stepper = Stepper(stack, store.train, TrainConfig(batch_size=13), cuda_graph=False)
    with Expansions() as expansions:
        stepper.eager_step()
    matrices = {tuple(p.shape[-2:]) for p in stack.params.values() if p.ndim >= 3}
    matrices |= {shape[::-1] for shape in matrices}
    assert not [shape for shape in expansions.shapes if shape[-2:] in matrices]


def test_adam_is_fused(store: FeatureStore) -> None:
    stepper = Stepper(
        Stack.of([new_model(STILL["han"], 0)], CPU), store.train, TrainConfig(), cuda_graph=False
    )
    assert stepper.optimizer.defaults["fused"]


@pytest.mark.parametrize(("precision", "bound"), [("tf32", 1e-6), ("bfloat16", 5e-3)])
def test_precisions_reproduce_the_eager_loop(precision: str, bound: float, store: FeatureStore) -> None:
    """TF32 does nothing on a CPU; bfloat16 rounds to 8 bits: an epoch's losses stay within 0.005 nats."""
    recipe, config = TrainConfig(epochs=1, batch_size=16), STILL["cmpie"]
    runs = train_seeds(config, override(recipe, {"precision": precision}), store, SEEDS)
    gaps = [
        abs(ours.history[0]["loss"] - alone.history[0]["loss"])
        for ours, alone in zip(runs, separate(config, recipe, store, SEEDS), strict=True)
    ]
    assert max(gaps) < bound
    assert (max(gaps) > 1e-6) == (precision == "bfloat16")  # the flag does something
    assert all(p.dtype == torch.float32 for run in runs for p in run.model.parameters())
    assert torch.get_float32_matmul_precision() == "highest"  # and is taken back


COMPILED = """
import functools, torch
from cmpie_lite.config import TrainConfig
from cmpie_lite.systems.rows import SYSTEMS
from cmpie_lite.support.fields import override
from cmpie_lite.training.seeds import train_seeds
from tests.making import mixed_store
calls, real = [], torch.compile
def traced(f, **options):
    calls.append(f.__name__)
    return real(f, backend="eager", fullgraph=True, **options)
torch.compile = traced
torch.set_num_threads(1)
config = override(SYSTEMS["han"].config, {"dim": 16, "ffn_dim": 16, "dropout": 0.0})
recipe = TrainConfig(epochs=1)
plain = train_seeds(config, recipe, mixed_store(), [0, 1])
compiled = train_seeds(config, override(recipe, {"compile": True}), mixed_store(), [0, 1])
def distance(a, b):
    return max((x - y).abs().max().item() for x, y in zip(a.state_dict().values(), b.state_dict().values()))
print(calls, max(distance(a.model, b.model) for a, b in zip(plain, compiled)))
"""


def test_compiled_steps_reproduce_eager_ones() -> None:
    """One graph, without breaks, over all seeds. The code generator, which takes minutes, is left out.

    In a process of its own: the compiler cannot trace through the type checks that tests run under.
    """
    done = subprocess.run(
        [sys.executable, "-c", COMPILED], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    calls, gap = done.stdout.split("] ")
    assert calls == "['losses'"
    assert float(gap) < 1e-4


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
@pytest.mark.parametrize("compile_", [False, True])
def test_recorded_steps_reproduce_the_eager_loop(precision: str, compile_: bool, store: FeatureStore) -> None:
    config, recipe = STILL["cmpie"], TrainConfig(epochs=3, batch_size=16)
    fast = override(recipe, {"precision": precision, "compile": compile_})
    runs = train_seeds(config, fast, store, SEEDS, device="cuda", cuda_graph=True)
    alone = [train(config, override(recipe, {"seed": s}), store, device="cuda") for s in SEEDS]
    bound = 1e-4 if precision == "float32" else 2e-2
    for ours, expected in zip(runs, alone, strict=True):
        assert distance(ours.model, expected.model) < bound


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_recorded_dropout_is_new_at_each_step(store: FeatureStore) -> None:
    stack = Stack.of([new_model(DROPPING, 0)] * 2, torch.device("cuda"))
    recipe = TrainConfig(batch_size=16, learning_rate=1e-12)
    stepper = Stepper(stack, store.train.to("cuda"), recipe, cuda_graph=True)
    losses = []
    for _ in range(3):
        stepper.total.zero_()
        stepper.step()
        losses += stepper.total.sum(1).tolist()
    assert len(set(losses)) == 6


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
