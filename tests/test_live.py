"""The page that runs CM-PIE: its JavaScript is the package's model, and its lessons hold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from book.tools import check_live
from book.tools.browser import Browser
from book.tools.check_live import TOLERANCE, blank_page, compare, in_node, largest_gaps, trials
from book.tools.live_world import SEED, make_split, make_world
from book.tools.make_live import CLIPS, read_export, stored_model, unpacked
from cmpie_lite.labels import CLASSES
from cmpie_lite.training.evaluate import evaluate


@pytest.fixture(scope="module")
def script(browser: Browser | None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Runs JavaScript with the page's scripts: in Chromium, in node where there is none."""
    if browser is not None:
        browser.open(blank_page(tmp_path_factory.mktemp("live")).as_uri(), 1280, "light")
        return browser.evaluate
    if shutil.which("node") is None:
        pytest.skip("needs Chromium or node to run the page's scripts")
    return in_node


# ---------- page = package ----------


def test_the_page_computes_what_the_package_does(script: Callable[[str], Any]) -> None:
    gaps = largest_gaps(trials(100, script))
    assert {
        "video",
        "segments",
        "temporal",
        "sa.segment",
        "h.cross",
        "s.cma.visual",
        "feature visual_2d",
    } <= set(gaps)
    assert max(gaps.values()) < TOLERANCE, gaps


def test_a_difference_would_be_seen(script: Callable[[str], Any]) -> None:
    trial, model = script("trial(1)"), stored_model(read_export())
    assert max(compare(trial, model).values()) < TOLERANCE
    trial["features"]["visual_3d"][3][2] += 0.001
    assert compare(trial, model)["feature visual_3d"] == pytest.approx(0.001)
    with torch.no_grad():
        model.hans[1].layers[0].norm1.bias += 0.01
    assert compare(trial, model)["segments"] > TOLERANCE


def test_what_is_stored_is_what_the_scripts_would_write() -> None:
    stored, world = read_export(), make_world(SEED)
    assert stored["classes"] == [name.replace("_", " ") for name in CLASSES]
    assert np.array_equal(unpacked(stored["world"]["prototypes"]), world.prototypes)
    for name, (mixing, level) in world.encoders.items():
        encoder = stored["world"]["encoders"][name]
        assert np.array_equal(unpacked(encoder["mixing"]), mixing.T)
        assert np.array_equal(unpacked(encoder["level"]), level)


def test_the_stored_scores_are_the_models() -> None:
    stored = read_export()
    assert stored["clips"] == CLIPS
    split = make_split(make_world(), "test", CLIPS["test"])
    found = evaluate(stored_model(stored), split).as_dict()
    assert found == pytest.approx(stored["scores"], abs=2e-3)


# ---------- the lessons of the scenes ----------

PARSED = """((n, seeds, change, without) => {
  const world = CLIP.load(CMPIE_LIVE, CMPIE.nested), model = CMPIE.load(CMPIE_LIVE), found = [];
  const events = SCENES[n].events.filter(([name]) => name !== without);
  for (let seed = 1; seed <= seeds; seed += 1) {
    const rolls = rollsOf({ events }, CMPIE_LIVE.classes, CMPIE_LIVE.segments);
    const features = CLIP.features(world, { rolls, strength: [1, 1], noise: 1, seed });
    const { video, segments, weights } = CMPIE.parse(model, features, { ...CMPIE.ALL_ON, ...change });
    const pred = segments.map((pair) => pair.map((row) => row.map((p, c) => p >= 0.5 && video[c] >= 0.5)));
    found.push({ gate: weights["sa.segment"], pred });
  }
  return found;
})"""


def parsed(
    script: Callable[[str], Any], scene: str, seeds: int = 30, without: str = "", **change: bool
) -> list[dict[str, Any]]:
    """A scene parsed with several backgrounds: events (T, M, C) and SA's gates."""
    names = script("SCENES.map((scene) => scene.name)")
    return script(f"{PARSED}({names.index(scene)}, {seeds}, {json.dumps(change)}, {without!r})")


def share(found: list[dict[str, Any]], label: str, modality: int, first: int = 0, last: int = 9) -> float:
    """Share of these seconds, over all backgrounds, in which a class is reported."""
    pred = np.array([one["pred"] for one in found])
    return float(pred[:, first : last + 1, modality, CLASSES.index(label)].mean())


def test_a_voice_is_found_in_time_but_seen_where_nobody_is(script: Callable[[str], Any]) -> None:
    found = parsed(script, "A dog and a voice")
    assert share(found, "Dog", 0, 0, 2) > 0.9
    assert share(found, "Dog", 0, 3, 9) > 0.7
    assert share(found, "Speech", 0, 4, 9) > 0.9
    assert share(found, "Speech", 0, 0, 2) < 0.3
    assert share(found, "Speech", 1) > 0.9


def test_what_is_heard_leaks_into_what_is_seen(script: Callable[[str], Any]) -> None:
    scene = "What is heard leaks into what is seen"
    assert share(parsed(script, scene), "Violin_fiddle", 1) > 0.9
    assert share(parsed(script, scene, cma=False, second=False), "Violin_fiddle", 1) > 0.6


def test_a_short_event_is_lost(script: Callable[[str], Any]) -> None:
    found = parsed(script, "A short event is lost")
    assert share(found, "Vacuum_cleaner", 0) < 0.05
    assert share(found, "Speech", 0) > 0.9


def test_one_event_hides_another(script: Callable[[str], Any]) -> None:
    scene = "One event hides another"
    assert share(parsed(script, scene), "Dog", 0, 0, 2) < 0.4
    assert share(parsed(script, scene, without="Acoustic guitar"), "Dog", 0, 0, 2) > 0.9
    assert share(parsed(script, scene, without="Dog"), "Acoustic_guitar", 0) > 0.9


def test_segment_attention_is_a_gate_of_place(script: Callable[[str], Any]) -> None:
    scenes = script("SCENES.map((scene) => scene.name)")
    gates = np.array([one["gate"] for scene in scenes for one in parsed(script, scene, 5)])  # (clips, M, T)
    over_clips, over_places = gates.std(0).max(), gates.mean(0).std(1).min()
    assert over_clips < over_places / 4


def test_only_the_live_page_loads_the_weights() -> None:
    root = Path(check_live.__file__).parents[2]
    pages = [
        p
        for p in [*root.glob("book/*.md"), *root.glob("notebooks/*.ipynb")]
        if "live/weights.js" in p.read_text()
    ]
    assert [p.name for p in pages] == ["live.md"]
    assert "live/" not in (root / "_config.yml").read_text()
