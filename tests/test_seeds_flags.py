"""The flags of the seeds axis: no waits, no copies, a fused optimiser, precisions, compiled steps."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.support.fields import override
from cmpie_lite.systems.build import Config
from cmpie_lite.training.loop import new_model
from cmpie_lite.training.seeds import Stack, Stepper, train_seeds
from tests.making import ROOT, mixed_store
from tests.making_seeds import CPU, SEEDS, STILL, separate


@pytest.fixture(scope="module")
def store() -> FeatureStore:
    return mixed_store()


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
