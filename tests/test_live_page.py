"""The page that runs CM-PIE answers its reader, by mouse and keyboard, on a wide screen and on a phone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from book.tools.browser import Browser
from book.tools.check_live import blank_page


@pytest.fixture(params=[1280, 390], ids=["wide", "phone"])
def page(request: pytest.FixtureRequest, chromium: Browser, tmp_path: Path) -> Browser:
    path = blank_page(tmp_path, whole=True)
    chromium.open(path.as_uri(), request.param, "light")
    problems = [
        e for e in chromium.events if e["method"] in ("Runtime.exceptionThrown", "Network.loadingFailed")
    ]
    assert not problems
    assert chromium.evaluate("document.querySelector('#live').dataset.drawn") == "yes"
    return chromium


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
