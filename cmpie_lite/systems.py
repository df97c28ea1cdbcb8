"""The systems of Table 1 and what builds them: from a frozen config to a model, and names to configs.

Every system is called in the same way, `model(audio, visual_2d, visual_3d) -> ParseOutput`, and trained by
the same loop. Which one a config describes is a matter of its type.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
from torch import nn

from cmpie_lite.baselines.ave import AVE, AVEConfig
from cmpie_lite.baselines.avsdn import AVSDN, AVSDNConfig
from cmpie_lite.baselines.mm_pyramid import MMPyramid, MMPyramidConfig
from cmpie_lite.config import PRESETS, ModelConfig, TrainConfig, override
from cmpie_lite.errors import ConfigError
from cmpie_lite.model import CMPIE

Config = ModelConfig | AVEConfig | AVSDNConfig | MMPyramidConfig

MODELS: Final[dict[type, type[nn.Module]]] = {
    ModelConfig: CMPIE,
    AVEConfig: AVE,
    AVSDNConfig: AVSDN,
    MMPyramidConfig: MMPyramid,
}


@dataclass(frozen=True)
class System:
    """A row of Table 1 that this package can train."""

    title: str  # what tables and plots call it
    paper_row: str  # the row of the paper's Table 1 that it stands against
    config: Config
    recipe: TrainConfig


HAN_RECIPE: Final = TrainConfig()

PYRAMID_RECIPE: Final = override(HAN_RECIPE, {"learning_rate": 1e-4})
RECURRENT_RECIPE: Final = override(HAN_RECIPE, {"learning_rate": 3e-3})

# In the order of the paper's table. All recipes are HAN's but for the learning rate: MM-Pyramid's is its
# authors'; that of AVE and AVSDN lies among the best of the few that were tried on LLP-sim (see the lab log).
SYSTEMS: Final[dict[str, System]] = {
    "ave": System("AVE (our reading)", "AVE", AVEConfig(), RECURRENT_RECIPE),
    "avsdn": System("AVSDN (our reading)", "AVSDN", AVSDNConfig(), RECURRENT_RECIPE),
    "han": System("HAN", "HAN", PRESETS["han"], HAN_RECIPE),
    "mm_pyramid": System("MM-Pyramid", "MM-Pyramid", MMPyramidConfig(), PYRAMID_RECIPE),
    "mm_pyramid_swapped": System(
        "MM-Pyramid (modalities swapped, as its code does)",
        "MM-Pyramid",
        MMPyramidConfig(order="swapped"),
        PYRAMID_RECIPE,
    ),
    "cmpie": System("CM-PIE", "CM-PIE", PRESETS["cmpie"], HAN_RECIPE),
}

# Rows of the paper's Table 1 that stand in ours with the paper's numbers alone, and why.
PAPER_ONLY: Final[dict[str, str]] = {
    "CM-CS+HAN": (
        "No code is public and its text was not at hand. We know one sentence of the CM-PIE paper: common "
        "and specific characteristics are learned between 2D and 3D visual features, and between visual and "
        "audio ones. Which losses make a feature common or specific is the whole of such a method, and that "
        "sentence does not say: whatever we built would be a model of our own under its name."
    ),
}


def build(config: Config) -> nn.Module:
    """A freshly initialised model of the system that `config` describes, from torch's global generator.

    Raises:
        ConfigError: if the config is of no known system.
    """
    if type(config) not in MODELS:
        known = ", ".join(kind.__name__ for kind in MODELS)
        raise ConfigError(f"a config of type {type(config).__name__}, expected one of {known}.")
    return MODELS[type(config)](config)


def signature(config: Config) -> str:
    """A digest of the names and shapes of the system's parameters: which architecture this version builds."""
    with torch.device("meta"):
        shapes = [f"{name} {tuple(x.shape)}" for name, x in build(config).named_parameters()]
    return hashlib.sha256("\n".join(shapes).encode()).hexdigest()[:16]


def config_to_facts(config: Config) -> dict[str, Any]:
    """A config as JSON facts: its fields and, under "system", the name of its type."""
    return {"system": type(config).__name__, **asdict(config)}


def config_from_facts(facts: Mapping[str, Any]) -> Config:
    """The config that `config_to_facts` wrote down.

    Raises:
        ConfigError: if the system is unknown, or a field is unknown or missing or has an impossible value.
    """
    kinds = {kind.__name__: kind for kind in MODELS}
    fields = dict(facts)
    name = fields.pop("system", None)
    if name not in kinds:
        raise ConfigError(f"system = {name!r}, expected one of {', '.join(kinds)}.")
    config = override(kinds[name](), fields)
    if missing := sorted(asdict(config).keys() - fields.keys()):
        raise ConfigError(f"{name} without {', '.join(missing)}: expected every field, as it was written.")
    return config
