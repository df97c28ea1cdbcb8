"""What tests of the baselines need: each of them small, and how far its answers depend on its inputs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cmpie_lite.systems.ave import AVEConfig
from cmpie_lite.systems.avsdn import AVSDNConfig
from cmpie_lite.systems.build import Config, build
from cmpie_lite.systems.cm_cs import CMCSConfig
from cmpie_lite.systems.mm_pyramid import MMPyramidConfig
from tests.making_models import inputs

RECURRENT = {"dim": 32, "hidden": 8, "branch_dim": 16, "attention_dim": 8}
PYRAMID = {"dim": 32, "ffn_dim": 16}
SMALL: dict[str, Config] = {
    "ave": AVEConfig(**RECURRENT),
    "avsdn": AVSDNConfig(**RECURRENT),
    "mm_pyramid": MMPyramidConfig(**PYRAMID),
    "mm_pyramid_swapped": MMPyramidConfig(order="swapped", **PYRAMID),
    "cm_cs": CMCSConfig(**PYRAMID),
    "cm_cs_visual": CMCSConfig(stages="visual", **PYRAMID),
    "cm_cs_audio_visual": CMCSConfig(stages="audio_visual", **PYRAMID),
    "cm_cs_none": CMCSConfig(stages="none", **PYRAMID),
}
each_baseline = pytest.mark.parametrize("config", SMALL.values(), ids=SMALL)


def make(config: Config, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build(config)


def influence(model: nn.Module, source: int, modality: int) -> Tensor:
    """(T, T): how much segment probabilities of a modality at t move with segment t' of one input.

    In double precision, so that what has no influence has none at all.
    """
    x = [f.double() for f in inputs(1)]
    x[source].requires_grad_()
    segments = model.double().eval()(*x).segments[0, :, modality].sum(-1)
    rows = [torch.autograd.grad(p, x[source], retain_graph=True)[0][0].abs().sum(-1) for p in segments]
    return torch.stack(rows)
