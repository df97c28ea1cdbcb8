"""Checkpoints: one safetensors file with JSON facts and a checksum in its header, written atomically."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from cmpie_lite.errors import CheckpointError
from cmpie_lite.support.files import replace_file

FORMAT: Final = "cmpie_lite checkpoint 2"


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write named tensors and JSON facts to one file, atomically."""
    plain = {name: x.detach().cpu().contiguous() for name, x in tensors.items()}
    text = json.dumps(facts)
    header = {"format": FORMAT, "facts": text, "sha256": digest(plain, text)}
    replace_file(path, safetensors.torch.save(plain, metadata=header))


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_checkpoint` wrote.

    Raises:
        CheckpointError: if the file is missing, truncated, altered or of another kind.
    """
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}: train first, or give the folder of a trained run.")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file: {error}. "
            "If it is a checkpoint, delete it to start anew."
        ) from error
    if header.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has format {header.get('format')!r}, expected {FORMAT!r}: train again with this version."
        )
    if digest(tensors, header["facts"]) != header["sha256"]:
        raise CheckpointError(
            f"{path} is corrupt: its content does not have the checksum it was written with. Delete it."
        )
    return tensors, json.loads(header["facts"])


def digest(tensors: Mapping[str, Tensor], facts: str) -> str:
    """sha256 over the facts, then names and bytes in the order of the names."""
    sha = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        sha.update(name.encode())
        sha.update(tensors[name].contiguous().view(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


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
    model.load_state_dict(strip(state, "model."))
    order = list(model.named_parameters())
    moments: dict[int, dict[str, Tensor]] = {i: {} for i in range(len(order))}
    for key in ("step", "exp_avg", "exp_avg_sq"):
        saved = strip(state, f"optimizer.{key}.")
        for i, (name, _) in enumerate(order):
            moments[i][key] = saved[name].clone()
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def strip(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with a prefix, without it."""
    return {name.removeprefix(prefix): x for name, x in state.items() if name.startswith(prefix)}
