"""What check_site.py does with an open page: keys, mouse, focus, paper."""

from __future__ import annotations

from typing import Any

from book.tools.browser import Browser

# What a key press must change: css of the part, css of the control within, keys, JavaScript of its state.
DRAWN = "[...part.querySelectorAll('svg, .bars, output, table, .said')].map((n) => n.outerHTML).join()"
ANSWERS = [
    ("[data-explorer]", "input[type=range]", ["End", "Home"], DRAWN),
    (
        "[data-explorer], #live",
        ".cells",
        ["ArrowRight", "End"],
        "[...part.querySelectorAll('.said')].map((n) => n.textContent).join()",
    ),
    ("#live", "input[type=range]", ["End", "Home"], DRAWN),
    (".quiz", "li button", ["Enter"], "part.innerHTML"),
]
FOCUS = """(() => { const node = document.activeElement, style = getComputedStyle(node);
  if (node === document.body) return null;
  const line = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  return line || style.boxShadow !== 'none' ? '' : node.outerHTML.slice(0, 100); })()"""
PAPER = """(() => { window.dispatchEvent(new Event('beforeprint')); const problems = [];
  for (const fold of document.querySelectorAll('article details')) {
    if (!fold.open) problems.push('a fold stays closed on paper');
    for (const part of fold.children) {
      const style = getComputedStyle(part);
      if (part.tagName !== 'SUMMARY' && (style.opacity !== '1' || style.animationName !== 'none'))
        problems.push('a fold is empty on paper: ' + part.outerHTML.slice(0, 80)); } }
  for (const box of document.querySelectorAll('.explorer .control, article video, .scroll-hint'))
    if (box.checkVisibility()) problems.push('on paper: ' + box.outerHTML.slice(0, 80));
  for (const box of document.querySelectorAll('.explorer .scroller'))
    if (box.scrollHeight > box.offsetHeight + 1)
      problems.push('on paper it lies over what follows: ' + box.textContent.trim().slice(0, 60));
  for (const part of document.querySelectorAll('div.math mjx-math, article table'))
    if (part.checkVisibility() &&
        part.getBoundingClientRect().right > part.closest('article').getBoundingClientRect().right + 1)
      problems.push('cut on paper: ' + part.textContent.trim().slice(0, 60));
  return problems; })()"""
WIDTH = 680  # of A4 between its margins, in pixels


def said_or_drawn(browser: Browser, part: str, state: str) -> Any:
    return browser.evaluate(f"(() => {{ {part} return {state}; }})()")


def check_keyboard(browser: Browser) -> list[str]:
    """Press keys in every explorer and quiz; something must change."""
    problems = []
    for css, control, keys, state in ANSWERS:
        for index in range(browser.evaluate(f"document.querySelectorAll({css!r}).length")):
            part = f"const part = document.querySelectorAll({css!r})[{index}];"
            find = f"const c = part.querySelector({control!r}); c?.focus(); return !!c;"
            if not browser.evaluate(f"(() => {{ {part} {find} }})()"):
                if css != "[data-explorer]":
                    problems.append(f"{css} {index}: no {control}")
                continue
            seen = {said_or_drawn(browser, part, state)} if len(keys) == 1 else set()
            heights = {said_or_drawn(browser, part, "part.offsetHeight")}
            for key in keys:
                browser.press(key)
                seen.add(said_or_drawn(browser, part, state))
                heights.add(said_or_drawn(browser, part, "part.offsetHeight"))
            if css != ".quiz" and max(heights) > min(heights) + 1:
                problems.append(f"{css} {index} grows under the reader's hand: {sorted(heights)} pixels")
            if len(seen) < 2:
                problems.append(f"{css} {index} does not answer to the keyboard")
    return problems


def check_mouse(browser: Browser) -> list[str]:
    """Move every explorer's slider with the mouse; something must change."""
    problems = []
    for index in range(browser.evaluate("document.querySelectorAll('[data-explorer]').length")):
        part = f"const part = document.querySelectorAll('[data-explorer]')[{index}];"
        for _ in range(3):  # a page that is still laid out moves away from under the mouse
            box = browser.evaluate(
                f"(() => {{ {part} const c = part.querySelector('input[type=range]'); if (!c) return null;"
                " c.scrollIntoView({block: 'center', behavior: 'instant'});"
                " return new Promise((done) => setTimeout(() => { const r = c.getBoundingClientRect();"
                " done([r.x, r.y + r.height / 2, r.width]); }, 150)); })()"
            )
            if box is None:
                break
            browser.click(box[0] + 0.05 * box[2], box[1])
            said_or_drawn(browser, part, f"window.before = {DRAWN}")
            browser.click(box[0] + 0.95 * box[2], box[1])
            if browser.becomes(f"(() => {{ {part} return {DRAWN} !== window.before; }})()", 4.0):
                break
        else:
            problems.append(f"explorer {index} does not answer to the mouse")
    return problems


def check_focus(browser: Browser, stops: int = 14) -> list[str]:
    """Walk through the page's first places with the tabulator; each must show that it has the focus."""
    browser.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    unseen = []
    for _ in range(stops):
        browser.press("Tab")
        if found := browser.evaluate(FOCUS):
            unseen.append(f"focus cannot be seen: {found}")
    return unseen


def check_paper(browser: Browser) -> list[str]:
    """What paper would show: every fold open and filled, nothing that only a screen can use, nothing cut."""
    width, height = browser.evaluate("[innerWidth, innerHeight]")
    browser.send("Emulation.setEmulatedMedia", media="print")
    browser.resize(WIDTH, height)
    browser.drawn()
    problems = browser.evaluate(PAPER)
    browser.send("Emulation.setEmulatedMedia", media="")
    browser.resize(width, height)
    browser.drawn()
    return sorted(set(problems))
