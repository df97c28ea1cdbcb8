"""The rows of Tables 1 and 2, each written once: its name here and in the paper, its config, its recipe.

Beside the paper's rows stand controls, which it lacks: a row without the part that its name credits.

Every system is called in the same way, `model(audio, visual_2d, visual_3d) -> ParseOutput`, and trained by
the same loop. Which one a config describes is a matter of its type (`systems.build`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from cmpie_lite.config import ModelConfig, TrainConfig
from cmpie_lite.support.fields import override
from cmpie_lite.systems.ave import AVEConfig
from cmpie_lite.systems.avsdn import AVSDNConfig
from cmpie_lite.systems.build import Config
from cmpie_lite.systems.cm_cs import UNKNOWN, CMCSConfig
from cmpie_lite.systems.mm_pyramid import MMPyramidConfig


@dataclass(frozen=True)
class System:
    """A row that this package can train: one of the paper's, or a control beside one."""

    title: str  # what tables and plots call it
    config: Config
    recipe: TrainConfig
    rows: Mapping[int, str] = field(default_factory=dict)  # table of the paper -> its name for this row
    unknown: str = ""  # what a reading had to guess; printed with the row
    control_of: str = ""  # the system whose gain this one, no row of the paper, helps to read


HAN_RECIPE: Final = TrainConfig()
PYRAMID_RECIPE: Final = override(HAN_RECIPE, {"learning_rate": 1e-4})
RECURRENT_RECIPE: Final = override(HAN_RECIPE, {"learning_rate": 3e-3})

# In the order of the paper's tables. All recipes are HAN's but for the learning rate: MM-Pyramid's is its
# authors'; that of AVE and AVSDN lies among the best of the few that were tried on LLP-sim (see the lab log).
# "w/o V" keeps the CMA block for audio only (the caption of Table 2).
SYSTEMS: Final[dict[str, System]] = {
    "ave": System("AVE (our reading)", AVEConfig(), RECURRENT_RECIPE, {1: "AVE"}),
    "avsdn": System("AVSDN (our reading)", AVSDNConfig(), RECURRENT_RECIPE, {1: "AVSDN"}),
    "han": System(
        "HAN",
        ModelConfig(streams=1, segment_attention=False, cma_audio=False, cma_visual=False),
        HAN_RECIPE,
        {1: "HAN", 2: "HAN"},
    ),
    "mm_pyramid": System(
        "MM-Pyramid (modalities not swapped)", MMPyramidConfig(), PYRAMID_RECIPE, {1: "MM-Pyramid"}
    ),
    "mm_pyramid_swapped": System(
        "MM-Pyramid (modalities swapped, as its code does)",
        MMPyramidConfig(order="swapped"),
        PYRAMID_RECIPE,
        {1: "MM-Pyramid"},
    ),
    "cm_cs": System("CM-CS+HAN (our reading)", CMCSConfig(), HAN_RECIPE, {1: "CM-CS+HAN"}, unknown=UNKNOWN),
    "two_hans": System(
        "two HANs, no SA (control)",
        ModelConfig(segment_attention=False, cma_audio=False, cma_visual=False),
        HAN_RECIPE,
        control_of="segment_attention",
    ),
    "han_behind_sa": System(
        "one HAN behind SA (control)",
        ModelConfig(streams=1, cma_audio=False, cma_visual=False),
        HAN_RECIPE,
        control_of="segment_attention",
    ),
    "segment_attention": System(
        "+Seg Attention",
        ModelConfig(cma_audio=False, cma_visual=False),
        HAN_RECIPE,
        {2: "+Seg Attention"},
    ),
    "without_visual": System("w/o. V", ModelConfig(cma_visual=False), HAN_RECIPE, {2: "w/o. V"}),
    "without_audio": System("w/o. A", ModelConfig(cma_audio=False), HAN_RECIPE, {2: "w/o. A"}),
    "cmpie": System("CM-PIE", ModelConfig(), HAN_RECIPE, {1: "CM-PIE", 2: "CM-PIE"}),
}


def paper_rows(table: Literal[1, 2]) -> dict[str, str]:
    """The rows of a table of the paper, in its order: system -> the paper's name for it."""
    return {name: system.rows[table] for name, system in SYSTEMS.items() if table in system.rows}


def systems_of(table: Literal[1, 2]) -> list[str]:
    """What is run for a table: its rows, in the paper's order, and their controls among them."""
    rows = paper_rows(table)
    return [name for name, system in SYSTEMS.items() if name in rows or system.control_of in rows]


def controls(systems: Iterable[str]) -> list[tuple[str, str]]:
    """(row, control) for each control among some systems whose row is there too."""
    here = list(systems)
    return [(SYSTEMS[name].control_of, name) for name in here if SYSTEMS[name].control_of in here]


def configs(table: Literal[1, 2]) -> dict[str, Config]:
    """The configs of a table's systems, controls among them, in its order."""
    return {name: SYSTEMS[name].config for name in systems_of(table)}


def title_of(name: str) -> str:
    """What tables and plots call a system; the name itself where it is none, such as a reading."""
    return SYSTEMS[name].title if name in SYSTEMS else name
