"""Train the small CM-PIE of the page `book/live.md` and write it where the page finds it.

    python -m book.tools.make_live            a few minutes on two cores
    python -m book.tools.make_live --quick    a few seconds, to try the plumbing (with --out elsewhere)

The page's data stand in `weights.js`: parameters and world as float16, the rounded model's test scores, and
SA's mean gate per place. `book.tools.check_live` holds the page's JavaScript to the package.
"""

from __future__ import annotations

import argparse
import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from book.tools.live_world import LATENT, LEAK, NOISE, SIGNAL, VIEWS, World, half, make_store, make_world
from book.tools.project import ROOT
from cmpie_lite.config import ModelConfig, TrainConfig
from cmpie_lite.data.store import Split
from cmpie_lite.labels import CLASSES, NUM_SEGMENTS
from cmpie_lite.model import CMPIE
from cmpie_lite.training.evaluate import evaluate
from cmpie_lite.training.loop import train

FOLDER = ROOT / "book" / "_static" / "live"
CONFIG = ModelConfig(dim=64, ffn_dim=64, sa_squeeze="mean")  # the paper's word for what SA reads
RECIPE = TrainConfig(epochs=12, batch_size=32, learning_rate=1e-3)
CLIPS = {"train": 4000, "val": 300, "test": 1000}
WINDOW = "CMPIE_LIVE"  # the page's global variable
NARROW = {f"front_end.{name}.weight": width for name, (_, width, _, _) in VIEWS.items()}


def rounded(model: CMPIE) -> CMPIE:
    """The model with every parameter rounded to float16, in place."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half().float())
    return model


def packed(array: Any) -> dict[str, Any]:
    """An array as the page reads it: shape, and float16 in base64, little-endian."""
    values = np.asarray(array, dtype="<f2")
    return {"shape": list(values.shape), "float16": base64.b64encode(values.tobytes()).decode()}


def unpacked(entry: dict[str, Any]) -> np.ndarray:
    """The inverse of `packed`, as float64."""
    values = np.frombuffer(base64.b64decode(entry["float16"]), "<f2")
    return half(values).reshape(entry["shape"])


def parameters(model: CMPIE) -> dict[str, Any]:
    """All parameters by name; of the front end only the columns that the narrow views fill."""
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    return {
        name: packed(value[:, : NARROW[name]] if name in NARROW else value) for name, value in state.items()
    }


def gates_by_place(model: CMPIE, split: Split) -> dict[str, list[list[float]]]:
    """Mean and standard deviation over clips of SA's weight, (M, T) each."""
    with torch.inference_mode():
        gates = model.eval()(split.audio, split.visual_2d, split.visual_3d).weights["sa.segment"]
    return {"mean": gates.mean(0).tolist(), "sd": gates.std(0).tolist()}


def export(model: CMPIE, world: World, split: Split) -> dict[str, Any]:
    """Everything that the page needs, JSON values alone."""
    encoders = {
        name: {"modality": VIEWS[name][0], "mixing": packed(mixing.T), "level": packed(level)}
        for name, (mixing, level) in world.encoders.items()
    }
    return {
        "classes": [name.replace("_", " ") for name in CLASSES],
        "segments": NUM_SEGMENTS,
        "world": {
            "latent": LATENT, "signal": list(SIGNAL), "noise": NOISE, "leak": LEAK,
            "prototypes": packed(world.prototypes), "encoders": encoders,
        },
        "parameters": parameters(model),
        "scores": {k: round(v, 4) for k, v in evaluate(model, split).as_dict().items()},
        "gates": {k: np.round(v, 4).tolist() for k, v in gates_by_place(model, split).items()},
        "clips": CLIPS,
    }  # fmt: skip


def read_export(path: Path = FOLDER / "weights.js") -> dict[str, Any]:
    """What `export` wrote."""
    text = path.read_text(encoding="utf8")
    return json.loads(text[text.index("{") : text.rindex("}") + 1])


def stored_model(stored: dict[str, Any]) -> CMPIE:
    """The package's model with the page's parameters."""
    model = CMPIE(CONFIG)
    state = model.state_dict()
    for name, entry in stored["parameters"].items():
        value = torch.from_numpy(unpacked(entry)).float()
        target = torch.zeros_like(state[name])
        target[..., : value.shape[-1]] = value
        state[name] = target
    model.load_state_dict(state)
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--quick", action="store_true", help="few clips, two epochs: no model to show")
    args = parser.parse_args()
    clips = {"train": 400, "val": 20, "test": 20} if args.quick else CLIPS
    recipe = TrainConfig(epochs=2) if args.quick else RECIPE
    world = make_world()
    store = make_store(world, **clips)
    run = train(CONFIG, recipe, store, progress=True)
    assert isinstance(run.model, CMPIE)
    data = export(rounded(run.model), world, store.test) | {"clips": clips, "best_epoch": run.best_epoch}
    args.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    (args.out / "weights.js").write_text(f"window.{WINDOW} = {text};\n", encoding="utf8")
    print(json.dumps(data["scores"], indent=1))
    print(f"{len(text) / 1e3:.0f} kB, epoch {run.best_epoch}, {run.seconds:.0f} s of training")


if __name__ == "__main__":
    main()
