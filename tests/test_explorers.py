"""Explorers of the pages: their scores are the package's, their text cannot break a page, and they answer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from book.tools.browser import Browser
from cmpie_lite.metrics import parsing_scores
from cmpie_lite.notebook import explorers

STATIC = Path(__file__).resolve().parents[1] / "book" / "_static"

NODE = shutil.which("node")


def probabilities(seed: int, videos: int = 8) -> dict[str, np.ndarray]:
    """Random predictions and truths; in some videos nothing is true, in some nothing is predicted."""
    rng = np.random.default_rng(seed)
    segments = rng.random((videos, 10, 2, 25)) ** 3
    segments[1] *= 0.1
    truth = rng.random((2, videos, 10, 25)) < 0.15
    truth[:, 2] = False
    truth[0, 3] = False
    return {
        "segments": segments,
        "video": segments.max((1, 2)) * 0.9,
        "true_audio": truth[0],
        "true_visual": truth[1],
    }


def json_of(block: explorers.Html) -> Any:
    match = re.search(r'<script type="application/json">(.*)</script>', block.html)
    assert match
    return json.loads(match[1])


def videos_of(p: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    return [{"id": str(n), **{k: v[n] for k, v in p.items()}} for n in range(len(p["video"]))]


@pytest.mark.skipif(NODE is None, reason="needs node to run the page's script")
@pytest.mark.parametrize("gate", [True, False])
@pytest.mark.parametrize("threshold", [0.05, 0.29, 0.5, 0.57, 0.95])
def test_the_pages_scores_are_those_of_the_package(threshold: float, gate: bool) -> None:
    p = probabilities(int(100 * threshold))
    p["segments"][4, 3, 0, 7], p["video"][4, 7] = threshold, threshold  # exactly on it: counts as positive
    p["video"][3, :9] *= 1.9  # a pooled video score may pass 1
    data = json_of(explorers.timeline_explorer(videos_of(p), [f"c{i}" for i in range(25)]))
    script = f"""
        const e = require({json.dumps(str(STATIC / "explorer.js"))});
        const videos = JSON.parse(require("fs").readFileSync(0, "utf8")).videos;
        const at = {round(threshold * explorers.SCALE)}, gate = {json.dumps(gate)};
        const rolls = videos.map((v) => e.decode(v, at, gate));
        const scores = videos.map((v, n) => e.scoreVideo(...rolls[n], v.true_audio, v.true_visual));
        console.log(JSON.stringify(e.meanScores(scores)));
    """
    answer = subprocess.run(
        [str(NODE), "-e", script], input=json.dumps(data), capture_output=True, text=True, check=True
    )
    segments, video = torch.from_numpy(p["segments"]), torch.from_numpy(p["video"])
    pred = (segments >= threshold) & ((video >= threshold)[:, None, None] | (not gate))
    truth = torch.from_numpy(p["true_audio"]), torch.from_numpy(p["true_visual"])
    expected = parsing_scores(pred[:, :, 0], pred[:, :, 1], *truth).as_dict()
    assert json.loads(answer.stdout) == pytest.approx(expected, abs=1e-12)
    assert len(expected) == 10


def test_explorers_refuse_what_they_cannot_draw() -> None:
    p = probabilities(0, videos=4)
    p["segments"][0, 0, 0, 0] = 1.5
    with pytest.raises(ValueError, match=r"1\.5, expected all in \[0, 1\]"):
        explorers.timeline_explorer(videos_of(p), ["c"] * 25)
    with pytest.raises(ValueError, match=r"\(2, 3, 4\), expected \(H, 3, 5\)"):
        explorers.attention_explorer(np.ones((2, 3, 4)), ["q"] * 3, ["k"] * 5)
    with pytest.raises(ValueError, match=r"expected \(1, T\)"):
        explorers.weights_explorer(np.ones((2, 10)), ["a"])


@pytest.mark.parametrize("text", ["</script><b>", "<!--<script>", "<!-- -->", "a < b & c"])
def test_no_text_can_end_or_swallow_the_data(text: str) -> None:
    for block in (
        explorers.weights_explorer(np.ones((1, 10)), [text], title=text),
        explorers.attention_explorer(np.ones((1, 1, 1)), [text], [text], steps=[text], step_name=text),
    ):
        data = re.search(r'<script type="application/json">(.*)</script></div>$', block.html)
        assert data
        assert "<" not in data[1]
        assert text in json.dumps(json.loads(data[1]), ensure_ascii=False)


@pytest.mark.skipif(NODE is None, reason="needs node to run the page's script")
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("e.shortNames(['audio 0', 'audio 1', 'visual 0'])",
         {"names": ["0", "1", "0"],
          "groups": [{"name": "audio", "count": 2}, {"name": "visual", "count": 1}]}),
        ("e.shortNames(['3 Dog', '4 Dog'])", {"names": ["3 Dog", "4 Dog"], "groups": []}),
        ("e.moved([1, 1], 'ArrowRight', 2, 3)", [1, 2]),
        ("e.moved([1, 2], 'ArrowRight', 2, 3)", [1, 2]),
        ("e.moved([1, 2], 'Home', 2, 3)", [1, 0]),
        ("e.moved([0, 0], 'ArrowUp', 2, 3)", [0, 0]),
        ("e.moved([0, 0], 'x', 2, 3) ?? null", None),
        ("e.reading([.1, .1, .1], ['a', 'b', 'c'])", "all 3 alike (.10 each)"),
        ("e.reading([.1, .7, .2], ['a', 'b', 'c'], 2)", "mostly b (.70), c (.20)"),
    ],
)  # fmt: skip
def test_parts_of_the_pages_script(expression: str, expected: Any) -> None:
    source = json.dumps(str(STATIC / "explorer.js"))
    script = f"const e = require({source}); console.log(JSON.stringify({expression}))"
    answer = subprocess.run([str(NODE), "-e", script], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == expected


# ---------- in a browser ----------


@pytest.fixture(params=[1280, 390], ids=["wide", "phone"])
def page(request: pytest.FixtureRequest, chromium: Browser, tmp_path: Path) -> Browser:
    """All three explorers as a notebook's outputs, with the book's script and style, as wide as on a page."""
    names = [f"{m} {t}" for m in ("audio", "visual") for t in range(10)]
    rng = np.random.default_rng(0)
    blocks = [
        explorers.timeline_explorer(videos_of(probabilities(0)), [f"class {c}" for c in range(25)]),
        explorers.attention_explorer(rng.dirichlet(np.ones(20), (2, 10)), names[:10], names),
        explorers.weights_explorer(rng.random((3, 10)), ["one", "<!--<script>", "three"]),
    ]
    body = "".join(f'<div class="cell docutils container">{block.html}</div>' for block in blocks)
    links = "".join(
        f'<link rel="stylesheet" href="{(STATIC / f"{name}.css").as_uri()}">' for name in ("book", "explorer")
    )
    links += f'<script src="{(STATIC / "explorer.js").as_uri()}"></script>'
    (tmp_path / "page.html").write_text(
        f'<!doctype html><meta charset="utf8">{links}'
        f'<main style="max-width: 700px">{body}<p id="after">after</p></main>'
    )
    chromium.open((tmp_path / "page.html").as_uri(), request.param, "light")
    return chromium


def part(page: Browser, kind: str, expression: str) -> Any:
    """The value of an expression in which `part` is the explorer."""
    return page.evaluate(
        f"(() => {{ const part = document.querySelector('[data-explorer={kind}]'); return {expression}; }})()"
    )


def point(page: Browser, css: str, press: bool) -> None:
    """Move the mouse onto an element; press it too."""
    place = (
        f"(() => {{ const n = document.querySelector({css!r}); n.scrollIntoView({{block: 'center'}});"
        "const r = n.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
    )
    x, y = page.evaluate(place)
    for kind in ("mouseMoved", "mousePressed", "mouseReleased")[: 3 if press else 1]:
        page.send(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left" if press else "none", clickCount=1
        )


def test_nothing_after_an_explorer_is_swallowed(page: Browser) -> None:
    assert page.evaluate("document.querySelector('#after').parentElement.tagName") == "MAIN"
    assert page.evaluate("document.querySelectorAll('[data-drawn=yes]').length") == 3


def test_the_timelines_height_is_fixed(page: Browser) -> None:
    heights = set()
    for threshold in (5, 30, 50, 95):
        part(page, "timeline", "(() => { const s = part.querySelector('input[type=range]'); "
             f"s.value = {threshold}; s.dispatchEvent(new Event('input')); }})()")  # fmt: skip
        heights.add(part(page, "timeline", "part.getBoundingClientRect().height"))
    assert len(heights) == 1
    assert heights.pop() < 800


@pytest.mark.parametrize("kind", ["timeline", "attention", "weights"])
def test_explorers_answer_to_pointer_click_and_keys(page: Browser, kind: str) -> None:
    said = [part(page, kind, "part.querySelector('.said').textContent")]
    cell = f"[data-explorer={kind}] [role=gridcell]"
    for act in (
        lambda: point(page, cell, press=False),
        lambda: point(page, f"{cell}:nth-of-type(4)", press=True),
        lambda: (part(page, kind, "part.querySelector('.cells').focus()"), page.press("ArrowRight")),
        lambda: page.press("End"),
    ):
        act()
        said.append(part(page, kind, "part.querySelector('.said').textContent"))
    assert len(set(said)) == len(said), said


@pytest.mark.parametrize("press", [False, True], ids=["look", "press"])
@pytest.mark.parametrize("kind", ["timeline", "attention", "weights"])
def test_the_head_of_a_row_is_no_cell(page: Browser, kind: str, press: bool) -> None:
    said = "part.querySelector('.said').textContent"
    before = part(page, kind, said)
    page.events.clear()
    point(page, f"[data-explorer={kind}] [role=rowheader]", press)
    assert part(page, kind, said) == before
    assert [e for e in page.events if e["method"] == "Runtime.exceptionThrown"] == []


@pytest.mark.parametrize("across", [True, False], ids=["drag", "scroll"])
def test_a_finger_drags_a_slider_but_scrolls_past_it(page: Browser, across: bool) -> None:
    slider = "part.querySelector('input[type=range]')"
    part(page, "timeline", f"{slider}.scrollIntoView({{block: 'end'}})")
    box = part(page, "timeline", f"{slider}.getBoundingClientRect().toJSON()")
    x, y, width = box["x"] + box["width"] / 4, box["y"] + box["height"] / 2, box["width"]
    state = (
        f"[{slider}.value, part.querySelector('output').textContent, part.querySelector('.said').textContent]"
    )
    before, top = part(page, "timeline", state), page.evaluate("scrollY")
    page.send("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        for step in range(11):
            place = {"x": x + step * (width / 20 if across else 0), "y": y - (0 if across else 15 * step)}
            page.send(
                "Input.dispatchTouchEvent", type="touchMove" if step else "touchStart", touchPoints=[place]
            )
            page.drawn()
        page.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    finally:
        page.send("Emulation.setTouchEmulationEnabled", enabled=False)
    if across:
        assert all(one != other for one, other in zip(part(page, "timeline", state), before, strict=True))
        assert page.evaluate("scrollY") == top
    else:
        assert page.becomes(f"scrollY > {top} + 50")
        assert part(page, "timeline", state) == before


@pytest.mark.parametrize("kind", ["timeline", "attention", "weights"])
def test_nothing_to_touch_is_under_24_pixels(page: Browser, kind: str) -> None:
    sizes = part(page, kind, "[...part.querySelectorAll('input, select, button, .cell')].map((n) => "
                 "{ const r = n.getBoundingClientRect(); return [r.width, r.height]; })")  # fmt: skip
    assert min(min(size) for size in sizes) >= 23.99


def test_segments_are_counted_from_0_and_everything_is_labelled(page: Browser) -> None:
    heads = "[...part.querySelectorAll('[role=columnheader]')].map((n) => n.getAttribute('aria-label'))"
    for kind in ("timeline", "weights"):
        assert part(page, kind, heads) == [str(t) for t in range(10)]
    assert part(page, "attention", heads) == [f"{m} {t}" for m in ("audio", "visual") for t in range(10)]
    assert part(page, "attention", "part.querySelectorAll('[role=rowheader]').length") == 10
    texts = "[...part.querySelectorAll('%s')].map((n) => n.textContent)"
    assert part(page, "attention", texts % ".group") == ["audio", "visual"]
    assert re.fullmatch(r"weight 0\d\.\d\d", *part(page, "attention", texts % ".colour-bar"))
    assert all(re.fullmatch(r"\.\d\d", text) for text in part(page, "attention", texts % ".cell"))
