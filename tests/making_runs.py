"""What tests of training and parsing need: the smallest model, a short recipe and job, an untrained run."""

from __future__ import annotations

from pathlib import Path

from cmpie_lite.config import ModelConfig, TrainConfig
from cmpie_lite.experiments.settings import Settings
from cmpie_lite.support.fields import override
from cmpie_lite.systems.build import config_to_facts
from cmpie_lite.systems.rows import SYSTEMS
from cmpie_lite.training.checkpoint import BEST, write_checkpoint
from cmpie_lite.training.loop import new_model
from tests.making import TINY

SMALLEST = override(ModelConfig(), TINY)
RECIPE = TrainConfig(epochs=3, batch_size=16, learning_rate=1e-3)


def untrained_run(folder: Path, seed: int = 1) -> Path:
    """A run's folder with the weights of a narrow HAN that has seen nothing, which says it read LLP-sim."""
    config = override(SYSTEMS["han"].config, {"dim": 8, "ffn_dim": 8})
    facts = {
        "config": config_to_facts(config),
        "recipe": {"seed": seed},
        "parameters": "",
        "source": "LLP-sim",
        "data": "",
    }
    folder.mkdir()
    write_checkpoint(folder / BEST, new_model(config, seed).state_dict(), facts)
    return folder


def a_job(out: Path) -> Settings:
    return Settings(
        model="han", epochs=1, device="cpu", overrides=TINY | {"batch_size": 16}, output_dir=str(out)
    )
