"""What a training run leaves in its folder after each epoch, and how it goes on from there.

`best.safetensors` holds the weights of the best epoch so far; `last.safetensors` those of the last epoch,
Adam's moments, the best weights once more, and the history.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.errors import CheckpointError
from cmpie_lite.systems.build import Config, config_to_facts, signature
from cmpie_lite.training.checkpoint import (
    load_training_state,
    read_checkpoint,
    strip,
    training_state,
    write_checkpoint,
)

LAST: Final = "last.safetensors"
BEST: Final = "best.safetensors"


def facts_of(config: Config, recipe: TrainConfig, store: FeatureStore) -> dict[str, Any]:
    """What a run is, as its checkpoints say it: config, recipe, architecture, data."""
    return {
        "config": config_to_facts(config),
        "recipe": asdict(recipe),
        "parameters": signature(config),
        "source": store.source,
        "data": store.digest,
    }


def save(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    facts: dict[str, Any],
    history: list[dict[str, float]],
    best_epoch: int,
    best: dict[str, Tensor],
) -> None:
    """Save an epoch: first the best weights, then the state that refers to them."""
    if best_epoch == len(history):
        write_checkpoint(folder / BEST, best, facts | {"epoch": best_epoch})
    state = training_state(model, optimizer) | {f"best.{name}": x for name, x in best.items()}
    write_checkpoint(folder / LAST, state, facts | {"history": history, "best_epoch": best_epoch})


def resume(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, facts: dict[str, Any]
) -> tuple[list[dict[str, float]], int, dict[str, Tensor]]:
    """Put back the last finished epoch of the same run; asking for more epochs than before is allowed."""
    state, saved = read_checkpoint(folder / LAST)
    epochs = facts["recipe"]["epochs"]
    for part, wanted in facts.items():
        here = saved.get(part)
        if isinstance(wanted, dict) and isinstance(here, dict):
            wanted, here = {**wanted, "epochs": 0}, {**here, "epochs": 0}
        if wanted != here:
            raise CheckpointError(
                f"{folder} holds another run: its {part} is {saved.get(part)}, this run's is {facts[part]}. "
                "Choose another folder, or delete that one."
            )
    if len(saved["history"]) > epochs:
        raise CheckpointError(
            f"{folder} was trained for {len(saved['history'])} epochs, not {epochs}. Choose another folder."
        )
    load_training_state(model, optimizer, state)
    best, best_epoch = strip(state, "best."), saved["best_epoch"]
    write_checkpoint(folder / BEST, best, facts | {"epoch": best_epoch})  # whatever has become of it since
    return saved["history"], best_epoch, best
