"""The eager training loop. It is the specification: every faster way must reproduce it.

A run is a function of (config, recipe, data): each epoch seeds its own permutation and dropout, so a run that
was killed and goes on from its last epoch ends with the same bits as one that was not.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.store import FeatureStore, Split
from cmpie_lite.data.trainable import check_trainable
from cmpie_lite.errors import CheckpointError, ConfigError, DataError
from cmpie_lite.losses import weak_label_loss
from cmpie_lite.support.devices import arithmetic, check_device, own_randomness
from cmpie_lite.support.files import check_writable
from cmpie_lite.support.tensor_files import check_state
from cmpie_lite.systems.build import Config, build, config_from_facts
from cmpie_lite.training.checkpoint import (
    BEST,
    LAST,
    Progress,
    SavedFacts,
    facts_of,
    read_run,
    resume,
    save,
)
from cmpie_lite.training.evaluate import evaluate


@dataclass(frozen=True)
class Run:
    """A finished training run; `model` holds the weights of the best epoch."""

    model: nn.Module
    history: list[dict[str, float]]  # per epoch: epoch, lr, seconds, losses in nats, ten validation scores
    best_epoch: int  # counted from 1

    @property
    def seconds(self) -> float:
        """Time spent in epochs, evaluation included, those before an interruption too."""
        return sum(row["seconds"] for row in self.history)


def train(
    config: Config,
    recipe: TrainConfig,
    store: FeatureStore,
    *,
    device: str | torch.device = "cpu",
    folder: Path | None = None,
    progress: bool = False,
) -> Run:
    """Train one system: Adam, step schedule, best epoch by validation segment Type@AV (ties: the later).

    With a folder, every epoch is saved there and an interrupted run goes on where it stopped.

    Raises:
        ConfigError: if the batch is larger than the training split, the device is not there, or the loss is
            no longer a number.
        DataError: if the training split lacks a class or has non-finite features, or validation has no dense
            labels.
        CheckpointError: if the folder holds another run.
        WriteError: if the folder cannot be written.
    """
    device = check_device(device)
    check_batch(recipe, store.train)
    check_trainable(store.train)
    store.val.truth()
    train_split, val_split = store.train.to(device), store.val.to(device)
    facts = facts_of(config, recipe, store)
    model = new_model(config, recipe.seed).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, fused=True)
    so_far = Progress([], 0, {})
    if folder is not None:
        check_writable(folder, BEST, LAST)
    if folder is not None and (folder / LAST).exists():
        so_far = resume(folder, model, optimizer, facts)

    if recipe.compile:
        torch.compiler.reset()  # what was compiled for another configuration counts against a limit
    steps = len(train_split) // recipe.batch_size
    bar = tqdm(
        total=recipe.epochs * steps,
        initial=len(so_far.history) * steps,
        unit="step",
        mininterval=1,
        disable=not progress,
    )
    with bar:
        for epoch in range(len(so_far.history), recipe.epochs):
            start = time.perf_counter()
            losses = train_epoch(model, optimizer, train_split, recipe, epoch, bar)
            check_loss(losses["loss"], recipe, epoch)
            scores = evaluate(model, val_split).as_dict()
            seconds = time.perf_counter() - start
            lr = learning_rate(recipe, epoch)
            row = {"epoch": epoch + 1, "lr": lr, "seconds": seconds, **losses, **scores}
            so_far = so_far.after(row, model)
            bar.set_postfix(loss=f"{losses['loss']:.3f}", val_type=f"{scores['segment_type']:.3f}")
            if folder is not None:
                save(folder, model, optimizer, facts, so_far)
    model.load_state_dict(so_far.best)
    return Run(model, so_far.history, so_far.best_epoch)


def train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    split: Split,
    recipe: TrainConfig,
    epoch: int,
    bar: tqdm | None = None,
) -> dict[str, float]:
    """One pass over the split in an order of its own; returns the mean losses in nats.

    The last batch is dropped where it would be smaller than the others. Nothing waits for the device inside.

    Args:
        model: trained in place, on the device of the split.
        optimizer: of the model's parameters; its learning rate is set to that of the epoch.
        split: the training videos.
        recipe: batch size, rates, precision, seed.
        epoch: counted from 0; with the recipe's seed it decides the order of the videos and the dropout.
        bar: advanced by one with each batch.
    """
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(recipe, epoch)
    names = loss_names(model)
    total = torch.zeros(len(names), device=split.audio.device)
    step = torch.compile(loss_of) if recipe.compile else loss_of
    model.train()
    with own_randomness(epoch_seed(recipe.seed, epoch), split.audio.device), arithmetic(recipe.precision):
        batches = torch.randperm(len(split)).to(split.audio.device).split(recipe.batch_size)
        batches = batches[: len(split) // recipe.batch_size]
        for rows in batches:
            features = split.audio[rows], split.visual_2d[rows], split.visual_3d[rows]
            loss = step(model, *features, split.weak[rows].float(), recipe)
            optimizer.zero_grad(set_to_none=True)
            loss.sum().backward()
            optimizer.step()
            total += loss.detach()
            if bar is not None:
                bar.update()
    means = (total / len(batches)).tolist()
    return {"loss": sum(means), **dict(zip(names, means, strict=True))}


def loss_of(
    model: nn.Module, audio: Tensor, visual_2d: Tensor, visual_3d: Tensor, labels: Tensor, recipe: TrainConfig
) -> Tensor:
    """The three weak-label losses of a batch, then those that the model adds; `loss_names` names them."""
    with torch.autocast(audio.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        parsed = model(audio, visual_2d, visual_3d)
    loss = weak_label_loss(parsed.audio, parsed.visual, parsed.video, labels, recipe.visual_smoothing)
    return torch.stack([*loss, *parsed.extras.values()])


def loss_names(model: nn.Module) -> tuple[str, ...]:
    """What a history calls the losses of `loss_of`, in their order."""
    return tuple(f"loss_{name}" for name in ("audio", "visual", "video", *getattr(model, "extra_losses", ())))


def learning_rate(recipe: TrainConfig, epoch: int) -> float:
    """The rate of an epoch counted from 0: learning_rate * gamma ** (epoch // lr_step)."""
    return recipe.learning_rate * recipe.lr_gamma ** (epoch // recipe.lr_step)


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of one epoch's permutation and dropout; epoch -1 is the initialisation."""
    return (seed + 1) * 1_000_003 + epoch + 1


def new_model(config: Config, seed: int) -> nn.Module:
    """A freshly initialised system; a function of its arguments alone."""
    with own_randomness(epoch_seed(seed, -1), torch.device("cpu")):
        return build(config)


def check_batch(recipe: TrainConfig, split: Split) -> None:
    """Raise ConfigError where not even one batch can be filled."""
    if recipe.batch_size > len(split):
        raise ConfigError(
            f"batch_size = {recipe.batch_size} but only {len(split)} training videos: expected at most that."
        )


def check_loss(loss: float, recipe: TrainConfig, epoch: int) -> None:
    """Raise ConfigError where an epoch, counted from 0, lost itself; the epochs before it are kept."""
    if not math.isfinite(loss):
        raise ConfigError(
            f"the mean loss of epoch {epoch + 1} is {loss}, with learning_rate = {recipe.learning_rate} and "
            f"precision = {recipe.precision!r}: try a smaller rate, and look for features far from others."
        )


def load_model(folder: Path, device: str | torch.device = "cpu") -> tuple[nn.Module, SavedFacts]:
    """The best epoch's model of a run's folder, in evaluation mode, and the facts saved with it.

    Args:
        folder: of the run, or a checkpoint's own path.
        device: where the model goes, as for `train`.

    Raises:
        CheckpointError: there is no checkpoint, it is not whole, or does not hold this version's parameters.
        ConfigError: its config is of no known system, or the device is not there.
        ReadError: it is there and cannot be read.
    """
    path = folder / BEST if folder.is_dir() else folder
    tensors, facts = read_run(path)
    config = config_from_facts(facts["config"])
    with torch.device("meta"):  # nothing is built that is larger than the file
        expected = build(config).state_dict()
    try:
        check_state(tensors, expected)
    except DataError as error:
        raise CheckpointError(
            f"{path} does not hold the parameters of {type(config).__name__}: it is a training state "
            f"({LAST}), or of another version ({error}). Give the folder of a run, or its {BEST}."
        ) from error
    model = build(config)
    model.load_state_dict(tensors)
    return model.to(check_device(device)).eval(), facts
