"""Weights of the extractors: published ones, checked and never unpickled blindly, or seeded random ones."""

from __future__ import annotations

import http.client
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from cmpie_lite.errors import DataError
from cmpie_lite.support.devices import check_device
from cmpie_lite.support.files import file_hash, part_folder, sweep, whole_file
from cmpie_lite.support.reading import of_memory
from data_fetch.extract import networks as arch
from data_fetch.extract.quick import PRECISIONS, Quick
from data_fetch.sources import WEIGHTS

KINDS: Final = ("published", "random", "tiny")
CLASSIFIER: Final = ("fc.weight", "fc.bias")  # in the published files, not in our networks


@dataclass(frozen=True)
class Networks:
    """Three feature extractors in evaluation mode.

    audio: (N, 1, 96, 64) -> (N, 128); visual_2d: (N, 3, 224, 224) -> (N, 2048);
    visual_3d: (N, 3, 8, 112, 112) -> (N, 512). `trained` is false for random weights, whose features mean
    nothing to a trained parser.
    """

    audio: nn.Module
    visual_2d: nn.Module
    visual_3d: nn.Module
    trained: bool
    device: torch.device


def load_networks(
    weights: str = "published",
    device: str | torch.device = "cpu",
    seed: int = 0,
    folder: Path | None = None,
    precision: str = "float32",
) -> Networks:
    """Build the three extractors.

    Args:
        weights: "published": VGGish, ResNet-152 (ImageNet, V1) and R(2+1)D-18 (Kinetics-400) as LLP's authors
            used them, downloaded once (0.6 GB); "random": the same networks with seeded random weights;
            "tiny": seeded random stand-ins of the same shapes, for quick trials.
        device: where the networks live.
        seed: of the random weights.
        folder: where the published files lie or are put; torch.hub's own folder by default.
        precision: "float32" or "bfloat16", of the networks' arithmetic; features are float32 in both.

    Raises:
        ConfigError: no device's name, or a device that this machine has not.
        DataError: unknown `weights` or `precision`; a file that cannot be had, or whose checksum or content
            is wrong.
    """
    if weights not in KINDS:
        raise DataError(f"weights = {weights!r}, expected one of {', '.join(KINDS)}.")
    if precision not in PRECISIONS:
        raise DataError(f"precision = {precision!r}, expected one of {', '.join(PRECISIONS)}.")
    place = check_device(device)
    if weights == "tiny":
        builders = (arch.tiny_audio, arch.tiny_visual_2d, arch.tiny_visual_3d)
    else:
        builders = (arch.VGGish, arch.ResNet152, arch.R2Plus1D18)
    with torch.device("meta"):
        built = [build() for build in builders]
    for network, name in zip(built, ("vggish", "resnet152", "r2plus1d_18"), strict=True):
        if weights == "published":
            state = published_state(name, folder)
            _load(network, state, WEIGHTS[name])
        else:
            network.to_empty(device="cpu")
            randomize(network, seed)
    audio, visual_2d, visual_3d = (Quick(network, precision).to(place) for network in built)
    return Networks(audio, visual_2d, visual_3d, weights == "published", place)


def randomize(network: nn.Module, seed: int) -> None:
    """Seeded He-normal weights; each residual block ends in a scale of 0.2, so that depth stays harmless."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            fan_in = module.weight[0].numel()
            module.weight.data.normal_(0.0, (2.0 / fan_in) ** 0.5, generator=generator)
            if module.bias is not None:
                module.bias.data.zero_()
        elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.reset_running_stats()
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, arch.Bottleneck):
            module.bn3.weight.data.fill_(0.2)
        elif isinstance(module, arch.BasicBlock):
            module.conv2[1].weight.data.fill_(0.2)  # type: ignore[operator]


def published_path(name: str, folder: Path | None = None) -> Path:
    """Where a file of published weights lies; downloaded if missing, its checksum compared each time.

    Raises:
        DataError: the file cannot be had, or has another checksum than the one in its name.
    """
    url = WEIGHTS[name]
    path = (folder or Path(torch.hub.get_dir()) / "checkpoints") / url.rsplit("/", 1)[1]
    prefix = path.stem.rsplit("-", 1)[1]
    if not path.is_file():
        _download(url, path, prefix)
    found = file_hash(path)
    if not found.startswith(prefix):
        raise DataError(
            f"{path}: sha256 {found[:8]}..., expected {prefix}... Move it elsewhere and run again."
        )
    return path


def published_state(name: str, folder: Path | None = None) -> dict[str, Tensor]:
    """Published weights by name. Only tensors are read (`weights_only`), so a file cannot run code.

    Raises:
        DataError: as `published_path`, or the file holds no weights.
    """
    path = published_path(name, folder)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a checked file that torch cannot read: pickle errors come in many kinds
        if of_memory(error):
            raise
        raise DataError(
            f"{path}: not a file of weights ({type(error).__name__}). Give a file of torch.save."
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise DataError(
            f"{path}: holds no mapping of names to tensors. Give the published weights of {name}."
        )
    return dict(state)


def _download(url: str, path: Path, prefix: str) -> None:
    sweep(path.parent)
    with part_folder(path.parent) as folder, whole_file(path) as temporary:
        try:
            torch.hub.download_url_to_file(url, str(folder / "weights"), hash_prefix=prefix, progress=False)
            os.replace(folder / "weights", temporary)
        except (OSError, RuntimeError, ValueError, http.client.HTTPException) as error:
            raise DataError(
                f"{url}: {error}. Download the file elsewhere and put it into {path.parent}, or name its "
                "folder with --weights-dir. `--weights random` runs without, but its features mean nothing."
            ) from error


def _load(network: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Put published tensors into a network; every name and shape must agree, the classifier is dropped."""
    state = {name: value for name, value in state.items() if name not in CLASSIFIER}
    expected = network.state_dict()
    for name, value in expected.items():  # a counter of training steps that older files lack
        if name.endswith("num_batches_tracked"):
            state.setdefault(name, torch.zeros((), dtype=value.dtype))
    wrong = sorted(
        name
        for name in {*state, *expected}
        if name not in state or name not in expected or state[name].shape != expected[name].shape
    )
    if wrong:
        raise DataError(
            f"{source}: {len(wrong)} tensors are missing, unknown or misshapen, first {wrong[0]!r}. "
            "Give the weights that were published for this network."
        )
    network.load_state_dict(state, assign=True)
