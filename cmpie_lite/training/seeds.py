"""The seeds axis: K models of one configuration trained at once, as `training.loop` trains each alone.

Every parameter gets a first axis S, and a step advances all seeds: S small matrix products become one batched
product. Seeds share the data and the clock, nothing else: each has its own initialisation, its own order of
videos (that of its run in `train`), its own dropout. The sum of their losses is minimised: its gradient with
respect to one seed's parameters is that of the seed's own loss, and Adam works element by element.

Without dropout the result is that of K separate runs up to rounding. With it, one seed alone draws the masks
of its run in `train`; several draw theirs from one stream: equal in distribution, a function of the list.

Nothing inside an epoch waits for the device, and all scores of all seeds cross over once. With `cuda_graph` a
step is recorded, then replayed. On one CPU core ten seeds at D = 64 take half the time of one after another.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from tqdm import tqdm

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.store import FeatureStore, Split
from cmpie_lite.data.trainable import check_trainable
from cmpie_lite.decoding import Predictions, decode
from cmpie_lite.errors import ConfigError
from cmpie_lite.metrics import f_per_video, parsing_counts, with_types
from cmpie_lite.support.devices import arithmetic, check_device, counting_device, own_randomness
from cmpie_lite.support.files import check_writable
from cmpie_lite.systems.build import Config
from cmpie_lite.training.loop import (
    Run,
    check_batch,
    check_loss,
    epoch_seed,
    learning_rate,
    loss_names,
    loss_of,
    new_model,
)
from cmpie_lite.training.seeds_state import TOGETHER, SeedsProgress, facts_of_seeds, resume_seeds, save_seeds

SAVING: Final = 10.0  # times as long as a save took goes by before the next one


@dataclass(frozen=True)
class Stack:
    """S models of one configuration: their stacked tensors, and one module without weights that says how."""

    skeleton: nn.Module
    params: dict[str, Tensor]  # (S, ...) each
    buffers: dict[str, Tensor]

    @classmethod
    def of(cls, models: Sequence[nn.Module], device: torch.device) -> Stack:
        """Stack the models' parameters on a device, as leaves of their own."""
        params, buffers = stack_module_state([model.to(device) for model in models])
        leaves = {name: p.detach().requires_grad_() for name, p in params.items()}
        skeleton = copy.deepcopy(models[0]).to("meta")
        for module in skeleton.modules():
            if isinstance(module, nn.Linear):  # given a strided input, vmap copies the weights for each video
                module.register_forward_pre_hook(lambda _, inputs: tuple(x.contiguous() for x in inputs))
        return cls(skeleton, leaves, buffers)

    def losses(
        self,
        recipe: TrainConfig,
        audio: Float[Tensor, "S B T Da"],
        visual_2d: Float[Tensor, "S B F D2"],
        visual_3d: Float[Tensor, "S B T D3"],
        labels: Float[Tensor, "S B C"],
    ) -> Float[Tensor, "S L"]:
        """The losses of each seed on its own batch, as `loss_of` gives them for a single model."""

        def one(
            tensors: tuple[dict[str, Tensor], ...], a: Tensor, v: Tensor, v3: Tensor, y: Tensor
        ) -> Tensor:
            model = cast(nn.Module, lambda *features: functional_call(self.skeleton, tensors, features))
            return loss_of(model, a, v, v3, y, recipe)

        self.skeleton.train()
        tensors = (self.params, self.buffers)
        return vmap(one, randomness="different")(tensors, audio, visual_2d, visual_3d, labels)

    @torch.no_grad()
    def predict(self, split: Split, batch_size: int = 256) -> Predictions:
        """What each seed says of every video, seed after seed along the axis of videos: (S N, ...)."""

        def one(tensors: tuple[dict[str, Tensor], ...], *features: Tensor) -> Predictions:
            return functional_call(self.skeleton, tensors, features).predictions()

        self.skeleton.eval()
        parts = []
        for start in range(0, len(split), batch_size):
            rows = slice(start, start + batch_size)
            features = (split.audio[rows], split.visual_2d[rows], split.visual_3d[rows])
            parts.append(vmap(one, in_dims=(0, None, None, None))((self.params, self.buffers), *features))
        return Predictions(*(torch.cat(x, dim=1).flatten(0, 1) for x in zip(*parts, strict=True)))


def train_seeds(
    config: Config,
    recipe: TrainConfig,
    store: FeatureStore,
    seeds: Sequence[int],
    *,
    device: str | torch.device = "cpu",
    cuda_graph: bool = False,
    folder: Path | None = None,
    progress: bool = False,
) -> list[Run]:
    """Train one system with several seeds at once; one `Run` per seed, in their order, as `train` gives it.

    `recipe.seed` is not used. The `seconds` of a history are an epoch's time divided by the number of seeds,
    so that runs add up to the time spent. With a folder, the state of all seeds is saved there, after every
    epoch or after as many as keep saving to a tenth of the time, and an interrupted run goes on from it.

    Raises:
        ConfigError: no seeds, or one twice; cuda_graph without CUDA; else as `train`.
        DataError, WriteError: as `train`. CheckpointError: as `resume_seeds`.
    """
    device = check_device(device)
    if not seeds or len(set(seeds)) != len(seeds) or any(type(s) is not int or s < 0 for s in seeds):
        raise ConfigError(f"seeds = {list(seeds)}, expected one or more different integers >= 0.")
    if cuda_graph and device.type != "cuda":
        raise ConfigError(f"cuda_graph=True on device {str(device)!r}, expected a CUDA device: leave it out.")
    check_batch(recipe, store.train)
    check_trainable(store.train)
    store.val.truth()
    train_split, val_split = store.train.to(device), store.val.to(device)
    if folder:
        check_writable(folder, TOGETHER)
    stack = Stack.of([new_model(config, seed) for seed in seeds], device)
    stepper = Stepper(stack, train_split, recipe, cuda_graph)
    facts = facts_of_seeds(config, recipe, store)
    resumed = folder and resume_seeds(folder, facts, seeds, stack.params, stepper.optimizer)
    so_far = resumed or SeedsProgress.begin(stack.params, len(seeds))
    begun, steps = len(so_far.histories[0]), len(train_split) // recipe.batch_size
    counting, saved, cost = counting_device(device), time.perf_counter(), 0.0
    with tqdm(total=recipe.epochs * steps, initial=begun * steps, unit="step", disable=not progress) as bar:
        for epoch in range(begun, recipe.epochs):
            start = time.perf_counter()
            with own_randomness(epoch_seed(seeds[0], epoch), device), arithmetic(recipe.precision):
                losses = stepper.epoch(seeds, epoch, bar)
            scores = score_seeds(stack.predict(val_split), val_split, len(seeds))
            so_far = so_far.after(epoch + 1, scores["segment_type"], stack.params)
            table = torch.stack([x.to(counting).double() for x in (losses | scores).values()], dim=1)
            rows = table.tolist()  # the epoch's one transfer
            check_loss(sum(row[0] for row in rows), recipe, epoch)
            end = time.perf_counter()
            lr, seconds = learning_rate(recipe, epoch), (end - start) / len(seeds)
            row_start = {"epoch": epoch + 1, "lr": lr, "seconds": seconds}
            for history, row in zip(so_far.histories, rows, strict=True):
                history.append(row_start | dict(zip(losses | scores, row, strict=True)))
            if folder is not None and (epoch + 1 == recipe.epochs or end - saved >= SAVING * cost):
                save_seeds(folder, facts, seeds, stack.params, stepper.optimizer, so_far)
                saved, cost = time.perf_counter(), time.perf_counter() - end
    runs = []
    for s, (seed, history) in enumerate(zip(seeds, so_far.histories, strict=True)):
        model = new_model(config, seed).to(device)
        model.load_state_dict({name: x[s] for name, x in so_far.best.items()})
        runs.append(Run(model, history, int(so_far.best_epoch[s])))
    return runs


def epoch_batches(seeds: Sequence[int], epoch: int, videos: int, size: int) -> Int64[Tensor, "steps S B"]:
    """Which videos each seed reads at each step: its permutation in `train`, the incomplete batch dropped.

    Leaves torch's generator where the first seed's run in `train` has it when dropout begins.
    """
    orders = []
    for seed in reversed(seeds):
        torch.manual_seed(epoch_seed(seed, epoch))
        orders.append(torch.randperm(videos))
    steps = videos // size
    return torch.stack(orders[::-1])[:, : steps * size].unflatten(1, (steps, size)).transpose(0, 1)


def score_seeds(predictions: Predictions, split: Split, seeds: int) -> dict[str, Float64[Tensor, " S"]]:
    """The ten scores of each seed, where they are counted; videos of seed after seed stand in one row."""
    device = counting_device(predictions.video.device)
    predictions = Predictions(*(x.to(device) for x in predictions))
    dense = (x.to(device).repeat(seeds, 1, 1) for x in split.truth())
    counts = parsing_counts(*decode(predictions), *dense)
    return with_types({name: f_per_video(c).unflatten(0, (seeds, -1)).mean(1) for name, c in counts.items()})


class Stepper:
    """One step of all seeds, as a function of `rows` alone: eager, compiled, or recorded as a CUDA graph.

    Tensors that outlive a step keep their place in memory, as a recorded step needs: rows (S, B), the sum of
    losses (S, L), parameters, Adam's moments, its learning rate.
    """

    def __init__(self, stack: Stack, split: Split, recipe: TrainConfig, cuda_graph: bool) -> None:
        self.recipe, self.stack, self.split = recipe, stack, split
        device, seeds = split.audio.device, len(next(iter(stack.params.values())))
        rate = torch.tensor(recipe.learning_rate, device=device) if cuda_graph else recipe.learning_rate
        self.optimizer = torch.optim.Adam(stack.params.values(), rate, fused=True, capturable=cuda_graph)
        if recipe.compile:
            torch.compiler.reset()  # what was compiled for another configuration counts against a limit
        self.losses = torch.compile(stack.losses, dynamic=False) if recipe.compile else stack.losses
        self.rows = torch.zeros(seeds, recipe.batch_size, dtype=torch.int64, device=device)
        self.names = loss_names(stack.skeleton)
        self.total = torch.zeros(seeds, len(self.names), device=device)
        with own_randomness(0, device), arithmetic(recipe.precision):
            self.step: Callable[[], None] = self.record() if cuda_graph else self.eager_step

    def eager_step(self) -> None:
        """Forward, backward, Adam, for all seeds."""
        split, rows = self.split, self.rows
        batch = (split.audio[rows], split.visual_2d[rows], split.visual_3d[rows], split.weak[rows].float())
        losses = self.losses(self.recipe, *batch)
        self.optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()
        self.optimizer.step()
        self.total += losses.detach()

    def record(self) -> Callable[[], None]:
        """Record a step as a CUDA graph, after a few to warm up; then undo what those have changed."""
        before = {name: p.detach().clone() for name, p in self.stack.params.items()}
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.eager_step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.eager_step()
        with torch.no_grad():
            for name, p in self.stack.params.items():
                p.copy_(before[name])
            for moments in self.optimizer.state.values():
                for x in moments.values():
                    x.zero_()
        return graph.replay

    def epoch(self, seeds: Sequence[int], epoch: int, bar: tqdm | None = None) -> dict[str, Tensor]:
        """Take every step of an epoch; returns each seed's mean losses in nats, still on the device."""
        rate = learning_rate(self.recipe, epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = group["lr"].fill_(rate) if isinstance(group["lr"], Tensor) else rate
        self.total.zero_()
        batches = epoch_batches(seeds, epoch, len(self.split), self.recipe.batch_size)
        for rows in batches.to(self.rows.device):
            self.rows.copy_(rows)
            self.step()
            if bar is not None:
                bar.update()
        means = (self.total / len(batches)).unbind(1)
        return {"loss": torch.stack(means).sum(0), **dict(zip(self.names, means, strict=True))}
