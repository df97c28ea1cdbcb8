"""What tests of the seeds axis need: small configs, runs of single seeds, and how far two models differ."""

from __future__ import annotations

import torch
from torch import nn

from cmpie_lite.config import ModelConfig, TrainConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.support.fields import override
from cmpie_lite.systems.ave import AVEConfig
from cmpie_lite.systems.avsdn import AVSDNConfig
from cmpie_lite.systems.build import Config
from cmpie_lite.systems.cm_cs import CMCSConfig
from cmpie_lite.systems.mm_pyramid import MMPyramidConfig
from cmpie_lite.systems.rows import SYSTEMS
from cmpie_lite.training.loop import train

SMALL = {"dim": 32, "ffn_dim": 16, "dropout": 0.0}
RECURRENT = {"dim": 16, "hidden": 8, "branch_dim": 16, "attention_dim": 8}
STILL: dict[str, Config] = {  # nothing is dropped
    "han": override(SYSTEMS["han"].config, SMALL),
    "cmpie": override(ModelConfig(), SMALL),
    "ave": AVEConfig(**RECURRENT),
    "avsdn": AVSDNConfig(**RECURRENT),
    "cm_cs": CMCSConfig(dim=128, ffn_dim=16, dropout=0.0),
    "mm_pyramid": MMPyramidConfig(dim=16, ffn_dim=16, levels=1, dropout=0.0, attention_dropout=0.0),
}
DROPPING = override(SYSTEMS["han"].config, SMALL | {"dim": 16, "dropout": 0.5})
SEEDS = [3, 0]
CPU = torch.device("cpu")


def distance(a: nn.Module, b: nn.Module) -> float:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return max((x - y).abs().max().item() for x, y in pairs)


def separate(config: Config, recipe: TrainConfig, store: FeatureStore, seeds: list[int]) -> list:
    return [train(config, override(recipe, {"seed": seed}), store) for seed in seeds]
