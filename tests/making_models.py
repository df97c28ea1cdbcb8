"""What tests of models need: small models, and features of random numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cmpie_lite.config import ModelConfig
from cmpie_lite.model import CMPIE
from cmpie_lite.support.fields import override

SMALL = {"dim": 32, "ffn_dim": 16}


def inputs(n: int = 3, seed: int = 0, frames: int = 10) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return (
        torch.rand(n, 10, 128, generator=g),
        torch.rand(n, frames, 2048, generator=g),
        torch.rand(n, 10, 512, generator=g),
    )


def build(config: ModelConfig, seed: int = 0) -> CMPIE:
    torch.manual_seed(seed)
    return CMPIE(override(config, SMALL))


def assert_frames_are_pooled(model: nn.Module) -> None:
    """80 frames, or the mean of each 8 of them: the same predictions."""
    audio, frames, visual_3d = inputs(frames=80)
    pooled = frames.reshape(3, 10, 8, 2048).mean(2)
    torch.testing.assert_close(
        model(audio, frames, visual_3d).predictions(), model(audio, pooled, visual_3d).predictions()
    )
