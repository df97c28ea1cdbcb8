"""Hold the page `book/live.md` to the package: same features, same outputs; how long a change takes.

    python -m book.tools.check_live            100 clips in Chromium; in node where there is none

Each clip is drawn at random in JavaScript: what is heard and seen, strengths, noise, muted seconds, and which
blocks are switched off. Python makes the features of the same parts and runs the package's model on them.
"""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from book.tools.browser import Browser, find_chromium
from book.tools.live_world import VIEWS, latents, make_world, views
from book.tools.make_live import FOLDER, read_export, stored_model
from cmpie_lite.labels import NUM_SEGMENTS
from cmpie_lite.model import CMPIE

SCRIPTS = ("model.js", "clip.js", "scenes.js")
TOLERANCE = 1e-4

# A clip of random composition, and all that the page computes of it. TRIAL(seed) -> JSON values.
TRIAL = """
function trial(seed) {
  const stored = CMPIE_LIVE, world = CLIP.load(stored, CMPIE.nested), random = CLIP.randomFrom(seed + 1000);
  const classes = stored.classes.length, pick = (n) => Math.floor(random() * n);
  const rolls = [0, 1].map(() => Array.from({ length: stored.segments }, () => Array(classes).fill(0)));
  for (let k = pick(5); k > 0; k -= 1) {
    const m = pick(2), c = pick(classes), from = pick(10), to = from + 1 + pick(10 - from);
    for (let t = from; t < to; t += 1) rolls[m][t][c] = 1;
  }
  const muted = [0, 1].map(() => Array.from({ length: stored.segments }, () => random() < 0.1));
  const clip = { rolls, muted, strength: [2 * random(), 2 * random()], noise: 2 * random(), seed };
  const switches = { sa: seed % 3 > 0, cma: seed % 4 > 0, second: seed % 5 > 0, swap: seed % 7 === 0 };
  const features = CLIP.features(world, clip), output = CMPIE.parse(CMPIE.load(stored), features, switches);
  return JSON.parse(JSON.stringify({ clip, switches, parts: CLIP.partsOf(world, clip), features, output }));
}
"""

# Milliseconds that 40 changes of the page take, computed and drawn.
TIMES = """Array.from({ length: 40 }, (_, seed) => {
  LIVE_PAGE.state.seed = seed;
  LIVE_PAGE.update();
  return Number(document.querySelector("#live").dataset.milliseconds);
})"""


def in_node(expression: str) -> Any:
    """The value of an expression with the page's scripts loaded, in node."""
    node = shutil.which("node")
    if node is None:
        raise FileNotFoundError("neither Chromium nor node was found: the page's scripts cannot run.")
    parts = [f"globalThis.window = globalThis; {(FOLDER / 'weights.js').read_text(encoding='utf8')}"]
    parts += [(FOLDER / name).read_text(encoding="utf8") for name in SCRIPTS]
    parts += [TRIAL, f"console.log(JSON.stringify({expression}))"]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "trial.js"
        script.write_text("\n".join(parts).replace('"use strict";', ""), encoding="utf8")
        return json.loads(subprocess.run([node, script], capture_output=True, text=True, check=True).stdout)


def blank_page(folder: Path, whole: bool = False) -> Path:
    """A page that loads the live scripts from disk; with `whole` also the page's own parts, drawn."""
    scripts = [FOLDER / "weights.js", *(FOLDER / name for name in SCRIPTS)]
    body = ""
    if whole:
        scripts = [FOLDER.parent / "explorer.js", *scripts, FOLDER / "live.js"]
        styles = (FOLDER.parent / "book.css", FOLDER.parent / "explorer.css", FOLDER / "live.css")
        body = "".join(f'<link rel="stylesheet" href="{path.as_uri()}">' for path in styles)
        body += '<main style="max-width: 704px"><div id="live" class="explorer"></div></main>'
    tags = "".join(f'<script src="{path.as_uri()}"></script>' for path in scripts)
    path = folder / "live.html"
    path.write_text(
        f'<!doctype html><meta charset="utf8">{tags}<script>{TRIAL}</script>{body}', encoding="utf8"
    )
    return path


def trials(count: int, evaluate: Callable[[str], Any]) -> list[dict[str, Any]]:
    """The first `count` random clips as JavaScript computed them."""
    return [evaluate(f"trial({seed})") for seed in range(count)]


class Ungated(nn.Module):
    """Segment attention switched off: features pass as they are."""

    def forward(self, features: list[torch.Tensor]) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
        return list(features), {}


class Swapped(nn.Module):
    """A front end whose two modalities are exchanged."""

    def __init__(self, front_end: nn.Module) -> None:
        super().__init__()
        self.front_end = front_end

    def forward(self, *features: torch.Tensor) -> torch.Tensor:
        return self.front_end(*features).flip(1)


def switched(model: CMPIE, switches: dict[str, bool]) -> CMPIE:
    """A copy of the model with some blocks left out."""
    model = copy.deepcopy(model)
    if not switches["second"]:
        model.streams = ("h",)
    elif not switches["sa"]:
        model.segment_attention = Ungated()  # type: ignore[assignment]
    if not switches["cma"]:
        model.aggregations = nn.ModuleList()
    if switches["swap"]:
        model.front_end = Swapped(model.front_end)  # type: ignore[assignment]
    return model


def expected_features(trial: dict[str, Any]) -> dict[str, np.ndarray]:
    """The features of a trial's parts, as `live_world` makes them."""
    world = make_world()
    z = latents(
        world, *(np.asarray(trial["parts"][name], float) for name in ("background", "noise", "evidence"))
    )
    z[np.asarray(trial["clip"]["muted"], bool)] = 0.0
    return views(world, z)


def gap(found: Any, expected: Any) -> float:
    """The largest difference; infinite where shapes differ."""
    a, b = np.asarray(found, float), np.asarray(expected, float)
    return float(np.abs(a - b).max()) if a.shape == b.shape else float("inf")


def compare(trial: dict[str, Any], model: CMPIE) -> dict[str, float]:
    """The largest difference between page and package per feature, output and map of weights."""
    features = expected_features(trial)
    gaps = {f"feature {name}": gap(trial["features"][name], value) for name, value in features.items()}
    inputs = {}
    for name, (_, width, dim, _) in VIEWS.items():
        inputs[name] = torch.zeros(1, NUM_SEGMENTS, dim)
        inputs[name][0, :, :width] = torch.tensor(trial["features"][name])
    with torch.inference_mode():
        parsed = switched(model, trial["switches"])(**inputs)
    output = trial["output"]
    for name in ("video", "audio", "visual", "segments"):
        gaps[name] = gap(output[name], getattr(parsed, name)[0])
    if set(output["weights"]) != set(parsed.weights):
        raise AssertionError(
            f"the page gives {sorted(output['weights'])}, the package {sorted(parsed.weights)}"
        )
    for name, value in parsed.weights.items():
        gaps[name] = gap(output["weights"][name], value[0])
    return gaps


def largest_gaps(found: list[dict[str, Any]]) -> dict[str, float]:
    """Over all trials, the largest difference by name."""
    model = stored_model(read_export())
    every: dict[str, float] = {}
    for trial in found:
        for name, value in compare(trial, model).items():
            every[name] = max(every.get(name, 0.0), value)
    return every


def main() -> int:
    try:
        find_chromium()
    except FileNotFoundError:
        where, found = "node", trials(100, in_node)
    else:
        where = "Chromium"
        with tempfile.TemporaryDirectory() as folder, Browser() as browser:
            browser.open(blank_page(Path(folder)).as_uri(), 1280, "light")
            found = trials(100, browser.evaluate)
            browser.open(blank_page(Path(folder), whole=True).as_uri(), 1280, "light")
            times = browser.evaluate(TIMES)
            print(f"a change takes {np.median(times):.0f} ms (median of 40), {min(times):.0f} at best")
    gaps = largest_gaps(found)
    for name, value in sorted(gaps.items()):
        print(f"{'ok  ' if value <= TOLERANCE else 'FAIL'} {name}: {value:.1e}")
    print(f"{len(found)} clips in {where}, largest difference {max(gaps.values()):.1e}")
    return 0 if max(gaps.values()) <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
