"""From a frozen config to a model, and from a config to facts and back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

import torch
from torch import nn

from cmpie_lite.config import ModelConfig
from cmpie_lite.errors import ConfigError
from cmpie_lite.model import CMPIE
from cmpie_lite.support.fields import override
from cmpie_lite.support.text import shown
from cmpie_lite.systems.ave import AVE, AVEConfig
from cmpie_lite.systems.avsdn import AVSDN, AVSDNConfig
from cmpie_lite.systems.cm_cs import CMCS, CMCSConfig
from cmpie_lite.systems.mm_pyramid import MMPyramid, MMPyramidConfig

Config = ModelConfig | AVEConfig | AVSDNConfig | MMPyramidConfig | CMCSConfig

# Fields that were added after runs had been stored: what a run without them was, from what it says of itself.
YOUNGER: Final[dict[str, dict[str, Callable[[Mapping[str, Any]], Any]]]] = {
    "ModelConfig": {
        "front_end": lambda facts: "han",
        "streams": lambda facts: 2 if facts.get("segment_attention", True) else 1,
    },
}

MODELS: Final[dict[type, type[nn.Module]]] = {
    ModelConfig: CMPIE,
    AVEConfig: AVE,
    AVSDNConfig: AVSDN,
    MMPyramidConfig: MMPyramid,
    CMCSConfig: CMCS,
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


def of_now(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of a config, with the value of then for each field that is younger than they are.

    Facts without a "system" are those of a recipe.
    """
    name = facts.get("system", "TrainConfig")
    return {field: value(facts) for field, value in YOUNGER.get(name, {}).items()} | dict(facts)


def config_from_facts(facts: Mapping[str, Any]) -> Config:
    """The config that `config_to_facts` wrote down, in this version or in one before.

    Raises:
        ConfigError: if the system is unknown, or a field is unknown or missing or has an impossible value.
    """
    kinds = {kind.__name__: kind for kind in MODELS}
    fields = of_now(facts)
    name = fields.pop("system", None)
    if name not in kinds:
        raise ConfigError(f"system = {name!r}, expected one of {', '.join(kinds)}.")
    config = override(kinds[name](), fields)
    if missing := sorted(asdict(config).keys() - fields.keys()):
        raise ConfigError(f"{name} without {', '.join(missing)}: expected every field, as it was written.")
    return config


def unlike(part: str, here: Any, wanted: Any) -> list[str]:
    """What a run's facts say otherwise than those wanted, in words; the number of epochs may differ."""
    if not isinstance(wanted, dict):
        return [] if here == wanted else [f"its {part} is {shown(here)}, this run's {shown(wanted)}"]
    here = of_now(here)
    return [
        f"its {part} has {key} = {shown(here.get(key))}, this run's {shown(wanted.get(key))}"
        for key in sorted(here.keys() | wanted.keys())
        if key != "epochs" and here.get(key) != wanted.get(key)
    ]
