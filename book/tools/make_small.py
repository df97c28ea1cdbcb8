"""Train the small models that chapters show, and write them where the package finds them.

    python -m book.tools.make_small [--seeds 5] [--epochs 20]

The rungs of the ladder, each the one before it and one block more: a parser without any attention, HAN, two
HANs, segment attention, CM-PIE. Width 64, LLP-sim of the small size, seeds trained side by side.
"""

from __future__ import annotations

import argparse
import json
from typing import Any, Final

import torch

from cmpie_lite.config import ModelConfig, TrainConfig
from cmpie_lite.data.llp_sim import SMALL, simulate
from cmpie_lite.notebook.small import LADDER, STORED, stored
from cmpie_lite.support.fields import override
from cmpie_lite.support.files import replace_file
from cmpie_lite.systems.rows import SYSTEMS, title_of
from cmpie_lite.training.checkpoint import facts_of, write_checkpoint
from cmpie_lite.training.evaluate import evaluate
from cmpie_lite.training.seeds import train_seeds

SIZE: Final = {"dim": 64, "ffn_dim": 64}
RUNGS: Final = ("linear", "han", "two_hans", "segment_attention", "cmpie")


def config_of(rung: str) -> ModelConfig:
    """The config of a rung; "linear" is HAN without a layer: no second knows of another."""
    if rung == "linear":
        return override(SYSTEMS["han"].config, SIZE | {"han_layers": 0})
    return override(SYSTEMS[rung].config, SIZE)


def main(arguments: list[str] | None = None) -> None:
    """Train, score on the test split, write."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--epochs", type=int, default=20)
    options = words.parse_args(arguments)
    store, seeds = simulate(SMALL), list(range(1, options.seeds + 1))
    recipe = TrainConfig(epochs=options.epochs, learning_rate=1e-3)
    runs: list[dict[str, Any]] = []
    for rung in RUNGS:
        config = config_of(rung)
        trained = train_seeds(config, recipe, store, seeds)
        for seed, run in zip(seeds, trained, strict=True):
            scores = evaluate(run.model, store.test).as_dict()
            runs.append({"system": rung, "seed": seed, **scores})
        if rung in STORED:
            facts = facts_of(config, override(recipe, {"seed": seeds[0]}), store)
            facts |= {"epoch": trained[0].best_epoch}
            write_checkpoint(stored(f"{rung}.safetensors"), trained[0].model.state_dict(), facts)
        mean = sum(run["segment_type"] for run in runs[-len(seeds) :]) / len(seeds)
        print(f"{title_of(rung)}: segment Type@AV {100 * mean:.1f}", flush=True)
    facts = {
        "source": store.source,
        "sha256": store.digest,
        "videos": {name: len(split) for name, split in store.splits.items()},
        "epochs": options.epochs,
        "learning_rate": recipe.learning_rate,
        **SIZE,
        "command": f"python -m book.tools.make_small --seeds {options.seeds} --epochs {options.epochs}",
        "torch": str(torch.__version__),
        "runs": runs,
    }
    replace_file(stored(LADDER), (json.dumps(facts, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
