"""Checkpoints: one safetensors file with JSON facts and a checksum in its header, written atomically.

After each epoch a training run leaves two in its folder: `best.safetensors` holds the weights of the best
epoch so far; `last.safetensors` those of the last epoch, Adam's moments, the best weights once more, and the
history.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple, TypedDict, cast

import torch
from torch import Tensor, nn

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.errors import CheckpointError, DataError
from cmpie_lite.support.reading import look
from cmpie_lite.support.tensor_files import check_state, digest, read_tensor_file, tensors_in, write_tensors
from cmpie_lite.support.text import clipped, shown
from cmpie_lite.support.typed import conform, load_json
from cmpie_lite.systems.build import Config, config_to_facts, signature, unlike

FORMAT: Final = "cmpie_lite checkpoint 2"
LAST: Final = "last.safetensors"
BEST: Final = "best.safetensors"
LARGEST_FILE: Final = 16_000_000_000  # bytes: a hundred times CM-PIE's training state


class Facts(TypedDict):
    """What a run is, as its checkpoints say it."""

    config: dict[str, Any]  # see `systems.build.config_to_facts`
    recipe: dict[str, Any]  # the fields of its `TrainConfig`
    parameters: str  # signature of the architecture
    source: str  # of the data
    data: str  # their digest


class SavedFacts(Facts, total=False):
    """The facts in a checkpoint: `epoch` in that of the best weights, the others in that of the last."""

    epoch: int  # counted from 1
    history: list[dict[str, float]]
    best_epoch: int


@dataclass(frozen=True)
class Progress:
    """How far a run has come: its epochs, and the weights of the best of them."""

    history: list[dict[str, float]]
    best_epoch: int  # counted from 1; 0 before the first epoch
    best: dict[str, Tensor]

    def after(self, row: dict[str, float], model: nn.Module) -> Progress:
        """The progress one epoch later: best is the highest validation segment Type@AV, the later of equals.

        Args:
            row: the epoch's line of the history.
            model: with the weights at the epoch's end.
        """
        history, name = [*self.history, row], "segment_type"
        if self.best_epoch and not row[name] >= self.history[self.best_epoch - 1][name]:
            return replace(self, history=history)
        return Progress(history, len(history), {n: x.detach().clone() for n, x in model.state_dict().items()})


# ---------- one file ----------


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write named tensors and JSON facts to one file, atomically."""
    text = json.dumps(facts)
    header = {"format": FORMAT, "facts": text, "sha256": digest(on_cpu(tensors), text)}
    write_tensors(path, tensors, header)


class Checked(NamedTuple):
    """A checkpoint that is whole."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]
    sha256: str  # the checksum that stands in it, and is that of its content


def read_checkpoint(path: Path) -> Checked:
    """Read what `write_checkpoint` wrote.

    Raises:
        CheckpointError: if the file is missing, truncated, altered or of another kind.
        ReadError: it is there and cannot be read.
    """
    try:
        return look(path, _read)
    except FileNotFoundError:
        raise CheckpointError(
            f"no checkpoint at {path}: train first, or give the folder of a trained run."
        ) from None
    except DataError as error:
        raise CheckpointError(
            f"{path} is not a whole checkpoint: {error}. Restore it, or train in another folder."
        ) from error


def _read(path: Path) -> Checked:
    tensors, header = tensors_in(read_tensor_file(path, LARGEST_FILE))
    if header.get("format") != FORMAT:
        raise DataError(f"its format is {shown(header.get('format'))}, expected {FORMAT!r}")
    text = header.get("facts", "")
    if (sha256 := digest(tensors, text)) != header.get("sha256"):
        raise DataError("its content does not have the checksum it was written with")
    facts = load_json(text)
    conform(facts, dict[str, Any], "facts")
    return Checked(tensors, facts, sha256)


def read_run(path: Path) -> tuple[dict[str, Tensor], SavedFacts]:
    """Read a checkpoint of a training run.

    Raises:
        CheckpointError: as `read_checkpoint`, and if its facts are not those of a run.
    """
    tensors, facts, _ = read_checkpoint(path)
    try:
        conform(facts, SavedFacts, "facts")
    except DataError as error:
        raise CheckpointError(
            f"{path} is not the checkpoint of a model: {error}. Give the folder of a run."
        ) from error
    return tensors, cast(SavedFacts, facts)


def on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, where their bytes can be read."""
    return {name: x.detach().cpu() for name, x in tensors.items()}


def best_digest(facts: Facts, best_epoch: int, best: Mapping[str, Tensor]) -> str:
    """The checksum of the file that `save_best` writes: which weights of which run a record belongs to."""
    return digest(on_cpu(best), json.dumps(facts | {"epoch": best_epoch}))


# ---------- a run: what it saves after each epoch, and how it goes on from there ----------


def training_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Everything a run needs to go on: parameters and Adam's moments, by parameter name."""
    state = {f"model.{name}": x for name, x in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for key, x in optimizer.state[parameter].items():
            state[f"optimizer.{key}.{name}"] = torch.as_tensor(x)
    return state


def load_training_state(
    model: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Tensor]
) -> None:
    """Put a `training_state` back, bit for bit."""
    model.load_state_dict(without_prefix(state, "model."))
    order = list(model.named_parameters())
    moments: dict[int, dict[str, Tensor]] = {i: {} for i in range(len(order))}
    for key in ("step", "exp_avg", "exp_avg_sq"):
        saved = without_prefix(state, f"optimizer.{key}.")
        for i, (name, _) in enumerate(order):
            moments[i][key] = saved[name].clone()
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def without_prefix(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with a prefix, without it."""
    return {name.removeprefix(prefix): x for name, x in state.items() if name.startswith(prefix)}


def facts_of(config: Config, recipe: TrainConfig, store: FeatureStore) -> Facts:
    """What a run is, as its checkpoints say it: config, recipe, architecture, data."""
    return {
        "config": config_to_facts(config),
        "recipe": asdict(recipe),
        "parameters": signature(config),
        "source": store.source,
        "data": store.digest,
    }


def save_best(folder: Path, facts: Facts, best_epoch: int, best: Mapping[str, Tensor]) -> None:
    """Save the weights of a run's best epoch, counted from 1."""
    write_checkpoint(folder / BEST, best, facts | {"epoch": best_epoch})


def save(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, facts: Facts, progress: Progress
) -> None:
    """Save an epoch: first the best weights, then the state that refers to them.

    Raises:
        WriteError: the folder cannot be written, or the disk is full; the epoch before stays saved.
    """
    history, best_epoch = progress.history, progress.best_epoch
    if best_epoch == len(history):
        save_best(folder, facts, best_epoch, progress.best)
    state = training_state(model, optimizer) | {f"best.{name}": x for name, x in progress.best.items()}
    write_checkpoint(folder / LAST, state, facts | {"history": history, "best_epoch": best_epoch})


def resume(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, facts: Facts) -> Progress:
    """Put back the last finished epoch of the same run; asking for more epochs than before is allowed.

    Raises:
        CheckpointError: the folder's last checkpoint cannot be read, is of another run, or of more epochs.
        WriteError: as `save`.
    """
    state, saved = read_run(folder / LAST)
    if missing := {"history", "best_epoch"} - saved.keys():
        raise CheckpointError(
            f"{folder / LAST} has no {' and no '.join(sorted(missing))}: it is not the last epoch of a run. "
            "Choose another folder."
        )
    epochs = facts["recipe"]["epochs"]
    there: Mapping[str, Any] = saved
    for part, wanted in facts.items():
        if differences := unlike(part, there[part], wanted):
            raise CheckpointError(
                f"{folder} holds another run: {clipped('; '.join(differences), 600)}. Choose another folder."
            )
    if len(saved["history"]) > epochs:
        raise CheckpointError(
            f"{folder} was trained for {len(saved['history'])} epochs, not {epochs}. Choose another folder."
        )
    check_resumable(folder / LAST, model, state, saved)
    load_training_state(model, optimizer, state)
    progress = Progress(saved["history"], saved["best_epoch"], without_prefix(state, "best."))
    # Between the two runs `best.safetensors` may have been lost, or overwritten by a run of seeds together.
    save_best(folder, facts, progress.best_epoch, progress.best)
    return progress


def check_resumable(path: Path, model: nn.Module, state: Mapping[str, Tensor], saved: SavedFacts) -> None:
    """Raise CheckpointError unless a state is of this model, and its history one of so many epochs."""
    expected = {f"{part}.{name}": x for part in ("model", "best") for name, x in model.state_dict().items()}
    for name, x in model.named_parameters():
        expected[f"optimizer.step.{name}"] = torch.zeros(())
        expected |= {f"optimizer.{key}.{name}": x for key in ("exp_avg", "exp_avg_sq")}
    history, best = saved["history"], saved["best_epoch"]
    try:
        check_state(state, expected)
        if not 1 <= best <= len(history) or any("segment_type" not in row for row in history):
            raise DataError(f"its best epoch is {best}, of {len(history)} with scores")
    except DataError as error:
        raise CheckpointError(
            f"{path} is not the state of this run: {error}. Restore it, or train in another folder."
        ) from error
