"""The page that runs CM-PIE: its JavaScript is the package's model, its lessons hold, and it answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from book.tools import check_live
from book.tools.browser import Browser, find_chromium
from book.tools.check_live import TOLERANCE, blank_page, compare, in_node, largest_gaps, trials
from book.tools.live_world import SEED, make_split, make_world
from book.tools.make_live import CLIPS, read_export, stored_model, unpacked
from cmpie_lite.labels import CLASSES
from cmpie_lite.training.evaluate import evaluate


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser | None]:
    try:
        find_chromium()
    except FileNotFoundError:
        yield None
        return
    with Browser() as one:
        yield one


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


# ---------- the page itself ----------


@pytest.fixture(params=[1280, 390], ids=["wide", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser | None, tmp_path: Path) -> Browser:
    if browser is None:
        pytest.skip("no Chromium found: install it (Debian: apt-get install chromium) or set CHROMIUM")
    path = blank_page(tmp_path, whole=True)
    browser.open(path.as_uri(), request.param, "light")
    problems = [
        e for e in browser.events if e["method"] in ("Runtime.exceptionThrown", "Network.loadingFailed")
    ]
    assert not problems
    assert browser.evaluate("document.querySelector('#live').dataset.drawn") == "yes"
    return browser


def pressed(page: Browser, css: str, *points: int) -> None:
    """Press the mouse on the first of some elements, move over the others, let go."""
    middle = f"((n) => {{ const r = document.querySelectorAll({css!r})[n].getBoundingClientRect();"
    middle += "return [r.x + r.width / 2, r.y + r.height / 2]; })"
    places = page.evaluate(f"{json.dumps(points)}.map({middle})")
    acts = ["mousePressed", *["mouseMoved"] * (len(places) - 1), "mouseReleased"]
    for kind, (x, y) in zip(acts, [*places, places[-1]], strict=True):
        page.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


def painted(page: Browser) -> list[int]:
    """The first row of the first scene: Dog, heard."""
    return page.evaluate("LIVE_PAGE.state.rolls[0].map((row) => row[CMPIE_LIVE.classes.indexOf('Dog')])")


def test_a_reader_paints_with_mouse_and_keys(page: Browser) -> None:
    cells = "#live .clip .cell"
    page.evaluate("document.querySelector('#live .clip').scrollIntoView()")
    assert painted(page) == [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    pressed(page, cells, 5, 6, 7)
    assert painted(page) == [1, 1, 1, 0, 0, 1, 1, 1, 0, 0]
    pressed(page, cells, 1)
    assert painted(page) == [1, 0, 1, 0, 0, 1, 1, 1, 0, 0]
    page.evaluate("document.querySelector('#live .clip .cells').focus()")
    page.press("End")
    page.press("Enter")
    assert painted(page) == [1, 0, 1, 0, 0, 1, 1, 1, 0, 1]


CONTROLS = ("Segment attention (SA)", "Cross-modal aggregation (CMA)", "Stream s, the second",
            "Sound and picture exchanged", "Strength heard", "Noise")  # fmt: skip


@pytest.mark.parametrize("label", CONTROLS)
def test_every_control_changes_what_is_computed(page: Browser, label: str) -> None:
    state = "[...document.querySelectorAll('#live .gates, #live .cells')].map((n) => n.textContent).join()"
    before = page.evaluate(state)
    page.evaluate(
        f"(() => {{ const labels = [...document.querySelectorAll('#live label')], name = {label!r};"
        "const control = document.getElementById(labels.find((n) => n.textContent === name).htmlFor);"
        "if (control.type === 'checkbox') control.click();"
        "else { control.value = 10; control.dispatchEvent(new Event('input')); } })()"
    )
    assert page.evaluate(state) != before


def test_the_page_keeps_its_height_and_its_targets(page: Browser) -> None:
    """Through every scene, with sliders at their ends and switches turned one after the other."""
    heights = page.evaluate(
        "[...document.querySelectorAll('#live .scenes button')].map((scene) => { const found = [];"
        "const turn = (n, act) => { n.dispatchEvent(new Event('keydown', { bubbles: true })); act(n);"
        " found.push(n.closest('#live').offsetHeight); };"
        "const all = (type) => document.querySelectorAll(`#live input[type=${type}]`); scene.click();"
        "for (const n of all('range')) for (const to of [n.min, n.max, n.value])"
        " turn(n, () => { n.value = to; n.dispatchEvent(new Event('input')); });"
        "all('checkbox').forEach((n) => turn(n, () => n.click()));"
        "return Math.max(...found) - Math.min(...found); })"
    )
    assert heights == [0] * 5
    sizes = page.evaluate(
        "[...document.querySelectorAll('#live :is(input, select, button, .cell)')].map((n) => "
        "{ const r = n.getBoundingClientRect(); return [r.width, r.height]; })"
    )
    assert min(min(size) for size in sizes) >= 23.99
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_classes_come_and_go_by_keyboard(page: Browser) -> None:
    """A list is left by the keys that walk through it, and the focus goes where the reader paints next."""
    names = "LIVE_PAGE.state.classes.map((c) => CMPIE_LIVE.classes[c])"
    here = "document.activeElement.ariaLabel"
    others = "CMPIE_LIVE.classes.filter((name) => !['Dog', 'Speech'].includes(name))"
    page.evaluate("document.querySelector('#live .classes select').focus()")
    for key in ("ArrowDown", "ArrowDown"):
        page.press(key)
    assert page.evaluate(names) == ["Dog", "Speech"]
    page.press("Tab")
    page.press("Enter")
    chosen = page.evaluate(names)
    assert chosen == ["Dog", "Speech", page.evaluate(others)[2]]
    assert page.evaluate(here).startswith("The clip")
    page.press("Enter")
    assert page.evaluate("LIVE_PAGE.state.rolls[0][0][LIVE_PAGE.state.classes[2]]") == 1
    page.evaluate("document.querySelector('#live .classes button').focus()")
    page.press("Enter")
    assert len(page.evaluate(names)) == 2
    assert page.evaluate(here).startswith("The clip")


def test_ten_seconds_fit_on_a_phone(page: Browser) -> None:
    box = "document.querySelector('#live .clip .scroller')"
    assert page.evaluate(f"{box}.scrollWidth <= {box}.clientWidth")


def test_every_control_has_a_name(page: Browser) -> None:
    nameless = page.evaluate(
        "[...document.querySelectorAll('#live :is(input, select, button, [role=grid])')].filter((n) => "
        "!(n.tagName === 'BUTTON' && n.textContent.trim()) && !n.getAttribute('aria-label') && "
        "!n.labels?.[0]?.textContent).length"
    )
    assert nameless == 0


def test_only_the_live_page_loads_the_weights() -> None:
    root = Path(check_live.__file__).parents[2]
    pages = [
        p
        for p in [*root.glob("book/*.md"), *root.glob("notebooks/*.ipynb")]
        if "live/weights.js" in p.read_text()
    ]
    assert [p.name for p in pages] == ["live.md"]
    assert "live/" not in (root / "_config.yml").read_text()
