"""What seeds that are trained at once save: killed, they go on from there and end with the same bits.

The seeds share one stream of dropout, so their state is one file, beside the folders of their runs; it goes
when all of them are finished.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.errors import CheckpointError, DataError
from cmpie_lite.support.devices import counting_device
from cmpie_lite.support.tensor_files import check_state
from cmpie_lite.support.typed import conform
from cmpie_lite.systems.build import Config, of_now
from cmpie_lite.training.checkpoint import (
    Facts,
    facts_of,
    read_checkpoint,
    without_prefix,
    write_checkpoint,
)

TOGETHER: Final = "together.safetensors"
MOMENTS: Final = ("step", "exp_avg", "exp_avg_sq")  # of Adam, for each parameter


class SeedsFacts(Facts):
    """The facts in the state of S seeds; their recipe's seed is 0."""

    seeds: list[int]
    histories: list[list[dict[str, float]]]  # S, of as many epochs each
    best_epochs: list[int]  # S, counted from 1


@dataclass(frozen=True)
class SeedsProgress:
    """How far S seeds have come: their epochs, and the weights of the best epoch of each."""

    histories: list[list[dict[str, float]]]
    best: dict[str, Tensor]  # (S, ...) each
    best_epoch: Tensor  # (S,), counted from 1
    best_type: Tensor  # (S,), validation segment Type@AV as a fraction

    @classmethod
    def begin(cls, params: Mapping[str, Tensor], seeds: int) -> SeedsProgress:
        """Before the first epoch."""
        counting = counting_device(next(iter(params.values())).device)
        best = {name: p.detach().clone() for name, p in params.items()}
        epochs = torch.zeros(seeds, dtype=torch.int64, device=counting)
        return cls([[] for _ in range(seeds)], best, epochs, epochs.double() - 1)

    def after(self, epoch: int, scores: Tensor, params: Mapping[str, Tensor]) -> SeedsProgress:
        """Epoch `epoch`, counted from 1, later: the best is the later of equals. Waits for no device."""
        better = scores >= self.best_type
        return replace(
            self,
            best={name: choose(better, p.detach(), self.best[name]) for name, p in params.items()},
            best_epoch=torch.where(better, epoch, self.best_epoch),
            best_type=torch.where(better, scores, self.best_type),
        )


def choose(better: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """The new tensor (S, ...) of the seeds that became better (S,), the old one of the others."""
    return torch.where(better.to(new.device).view(-1, *[1] * (new.ndim - 1)), new, old)


def facts_of_seeds(config: Config, recipe: TrainConfig, store: FeatureStore) -> Facts:
    """What all the seeds have in common."""
    return facts_of(config, replace(recipe, seed=0), store)


def save_seeds(
    folder: Path,
    facts: Facts,
    seeds: Sequence[int],
    params: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    so_far: SeedsProgress,
) -> None:
    """Save an epoch of all seeds in one file, which replaces that of an earlier one.

    Raises:
        WriteError: the folder cannot be written, or the disk is full; the epoch before stays saved.
    """
    state = {f"model.{name}": p for name, p in params.items()}
    state |= {f"best.{name}": x for name, x in so_far.best.items()}
    for name, p in params.items():
        state |= {f"optimizer.{key}.{name}": optimizer.state[p][key] for key in MOMENTS}
    more = {"seeds": list(seeds), "histories": so_far.histories, "best_epochs": so_far.best_epoch.tolist()}
    write_checkpoint(folder / TOGETHER, state, facts | more)


def resume_seeds(
    folder: Path,
    facts: Facts,
    seeds: Sequence[int],
    params: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
) -> SeedsProgress | None:
    """Put back the last saved epoch of the same seeds, in place; None where there is none.

    Raises:
        CheckpointError: the file is not whole, or does not hold the state of these parameters.
    """
    found = read_seeds(folder, facts)
    if found is None or found[1]["seeds"] != list(seeds):
        return None
    state, saved = found
    expected = {f"{part}.{name}": p for part in ("model", "best") for name, p in params.items()}
    for name, p in params.items():
        expected |= {f"optimizer.{key}.{name}": p for key in MOMENTS[1:]}
        expected[f"optimizer.step.{name}"] = torch.zeros(())
    lengths = {len(history) for history in saved["histories"]}
    try:
        check_state(state, expected)
        rows = [h[e - 1] for h, e in zip(saved["histories"], saved["best_epochs"], strict=True)]
        if len(lengths) != 1 or len(rows) != len(seeds) or min(saved["best_epochs"]) < 1:
            raise DataError(f"its {len(rows)} histories have {sorted(lengths)} epochs")
        scores = [row["segment_type"] for row in rows]
    except (DataError, IndexError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{folder / TOGETHER} is not the state of these seeds: {error}. Restore it, or train in another "
            "folder."
        ) from error
    device = next(iter(params.values())).device
    put_back(params, optimizer, state)
    return SeedsProgress(
        saved["histories"],
        {name: x.to(device) for name, x in without_prefix(state, "best.").items()},
        torch.tensor(saved["best_epochs"], device=counting_device(device)),
        torch.tensor(scores, dtype=torch.float64, device=counting_device(device)),
    )


@torch.no_grad()
def put_back(
    params: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, state: Mapping[str, Tensor]
) -> None:
    """Parameters and Adam's moments, bit for bit; those that a recorded step reads keep their place."""
    for name, p in params.items():
        p.copy_(state[f"model.{name}"])
        for key in MOMENTS:
            saved = state[f"optimizer.{key}.{name}"].to(p.device)
            if key in optimizer.state[p]:
                optimizer.state[p][key].copy_(saved)
            else:
                optimizer.state[p][key] = saved.clone()


def read_seeds(folder: Path, facts: Facts) -> tuple[dict[str, Tensor], SeedsFacts] | None:
    """The state in a folder, where it is of the same config, data and recipe, and of no more epochs.

    Raises:
        CheckpointError: it is not whole, or no state of seeds.
    """
    path = folder / TOGETHER
    if not path.exists():
        return None
    tensors, saved, _ = read_checkpoint(path)
    try:
        conform(saved, SeedsFacts, "facts")
    except DataError as error:
        raise CheckpointError(f"{path} is not the state of seeds: {error}. Choose another folder.") from error
    there, here = ({k: comparable(x[k]) for k in facts} for x in (saved, cast(dict[str, Any], facts)))
    short = all(len(history) <= facts["recipe"]["epochs"] for history in saved["histories"])
    return (tensors, cast(SeedsFacts, saved)) if there == here and short else None


def comparable(fact: Any) -> Any:
    """A fact without the number of epochs, which may grow."""
    return {**of_now(fact), "epochs": 0} if isinstance(fact, dict) else fact


def seeds_begun(folder: Path, facts: Facts, seeds: Sequence[int]) -> list[int]:
    """The list that some of its seeds were begun in, where a killed run has left it; else the seeds.

    With dropout a run is a function of the list, and of a killed one some seeds may be finished.
    """
    found = read_seeds(folder, facts)
    return found[1]["seeds"] if found and set(seeds) <= set(found[1]["seeds"]) else list(seeds)
