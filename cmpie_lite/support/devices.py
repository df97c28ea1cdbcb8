"""Where and how numbers are computed: the device, its random numbers, the precision of its products."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from cmpie_lite.errors import ConfigError
from cmpie_lite.support.text import shown

DEVICES: Final = "auto, cpu, cuda, cuda:1 (the second card) or mps"


@contextmanager
def own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch inside, and leave the caller's random state as it was."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """Allow TF32 matrix products inside where the recipe says so."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def is_device_name(name: str) -> bool:
    """Whether a text names a device (`DEVICES`), on this machine or on another: no machine is touched."""
    return re.fullmatch(r"auto|cpu|mps(:0)?|cuda(:\d+)?", name) is not None


def counting_device(device: torch.device) -> torch.device:
    """Where scores are counted, in float64: on the device, or on the CPU where it has none (mps)."""
    return torch.device("cpu") if device.type == "mps" else device


def check_device(device: str | torch.device) -> torch.device:
    """The device, ready to be used here; "auto" is CUDA where there is one.

    Raises:
        ConfigError: it is no device's name, or this machine has no such device; the message says what it has.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not is_device_name(str(device)):
        raise ConfigError(f"device = {shown(str(device))}, expected {DEVICES}.")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        has = "cpu, cuda" if torch.cuda.is_available() else "cpu"
        raise ConfigError(
            f"device = {str(device)!r} cannot be used ({error}); this machine has: {has}."
        ) from error
    return found
