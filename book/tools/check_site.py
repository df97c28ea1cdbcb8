"""Open every page of the built site as a reader would, with the network off, and complain.

    python book/tools/check_site.py _build/html --out out/site [--only PART] [--axe axe.min.js]

Every page, at 1280 and 390 pixels, light and dark. It fails on: a dead internal link or fragment; a resource
from the network; a console error; a picture that is missing or has no alternative text; maths that is not
drawn; sideways scrolling; a serious or critical finding of axe-core; an explorer, quiz or widget that is not
drawn or does not answer to the keyboard. Screenshots go to the folder `--out`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from book.tools.browser import Browser
from book.tools.check_links import check_links, check_outside, check_weight, html_files

AXE = "axe-core@4.14.1"
VIEWS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]

LOOK = (Path(__file__).parent / "check_page.js").read_text(encoding="utf8")

RUN_AXE = """axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations
  .filter((v) => ["serious", "critical"].includes(v.impact))
  .map((v) => `axe ${v.impact} ${v.id}: ${v.help}: ` +
    v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120)).join(" | ")))"""

# What a key press must change: css of the part, css of the control within, keys, JavaScript of its state.
DRAWN = "[...part.querySelectorAll('svg, .bars, output, table')].map((n) => n.outerHTML).join()"
HANDLE = "part.querySelector('[role=slider]').getAttribute('aria-valuenow')"
ANSWERS = [
    ("[data-explorer]", "input[type=range]", ["End", "Home"], DRAWN),
    (".quiz", "li button", ["Enter"], "part.innerHTML"),
    (".jupyter-widgets.widget-slider", "[role=slider]", ["ArrowRight", "ArrowLeft"], HANDLE),
]


def complaints(events: list[dict[str, Any]]) -> list[str]:
    """What the browser itself reported while a page loaded."""
    problems = []
    for event in events:
        what = event["params"]
        match event["method"]:
            case "Runtime.exceptionThrown":
                details = what["exceptionDetails"]
                problems.append(
                    f"exception: {details.get('exception', {}).get('description', details['text'])}"
                )
            case "Runtime.consoleAPICalled" if what["type"] in ("error", "assert"):
                problems.append(
                    f"console error: {[a.get('value', a.get('description')) for a in what['args']]}"
                )
            case "Log.entryAdded" if what["entry"]["level"] == "error":
                problems.append(f"log: {what['entry']['text']} {what['entry'].get('url', '')}")
            case "Network.requestWillBeSent" if what["request"]["url"].startswith("http"):
                problems.append(f"asked the network for {what['request']['url']}")
            case "Network.loadingFailed" if not what.get("canceled"):
                problems.append(f"did not load: {what.get('errorText')} ({what.get('type')})")
    return problems


def check_answers(browser: Browser) -> list[str]:
    """Press keys in every explorer, quiz and slider; something must change."""
    problems = []
    for css, control, keys, state in ANSWERS:
        for index in range(browser.evaluate(f"document.querySelectorAll({css!r}).length")):
            part = f"const part = document.querySelectorAll({css!r})[{index}];"
            if not browser.evaluate(
                f"(() => {{ {part} const c = part.querySelector({control!r}); c?.focus(); return !!c; }})()"
            ):
                if css != "[data-explorer]":
                    problems.append(f"{css} {index}: no {control}")
                continue
            seen = set()
            for key in keys:
                browser.press(key)
                seen.add(browser.evaluate(f"(() => {{ {part} return {state}; }})()"))
            before = len(keys) if len(keys) > 1 else 1
            said = browser.evaluate(
                f"(() => {{ {part} return part.querySelector('.said')?.textContent ?? 'x'; }})()"
            )
            if len(seen) < before or not said:
                problems.append(f"{css} {index} does not answer to the keyboard")
    return problems


def axe_source(path: Path | None, folder: Path) -> str:
    """axe-core's script: from a file, or from the npm registry into `folder`."""
    if path is None:
        path = folder / "axe.min.js"
        if not path.exists():
            packed = subprocess.run(
                ["npm", "pack", AXE, "--silent"], cwd=folder, check=True, capture_output=True, text=True
            )
            archive = folder / packed.stdout.strip().splitlines()[-1]
            with tarfile.open(archive) as tar:
                path.write_bytes(tar.extractfile("package/axe.min.js").read())  # type: ignore[union-attr]
            archive.unlink()
    return path.read_text(encoding="utf8")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/site"))
    parser.add_argument("--only", default="", help="only pages whose path holds this text")
    parser.add_argument("--axe", type=Path, help=f"axe.min.js; default: npm pack {AXE}")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    axe = axe_source(args.axe, args.out)
    problems = check_links(args.site) + check_outside(args.site) + check_weight(args.site)
    pages = [p for p in html_files(args.site) if args.only in str(p) and p != args.site / "index.html"]
    if not pages:
        print(f"no page in {args.site} holds {args.only!r}")
        return 2
    with Browser() as browser:
        for page in pages:
            name = page.relative_to(args.site).with_suffix("").as_posix()
            found: dict[str, list[str]] = {}
            for width, theme in VIEWS:
                browser.open(page.resolve().as_uri(), width, theme)
                seen = browser.evaluate(LOOK)
                browser.screenshot(args.out / f"{name.replace('/', '_')}-{width}-{theme}.png")
                browser.evaluate(axe + ";0")
                seen += browser.evaluate(RUN_AXE) + check_answers(browser) + complaints(browser.events)
                for problem in seen:
                    found.setdefault(problem, []).append(f"{width} {theme}")
            problems += [f"{name}: {text} [{', '.join(views)}]" for text, views in found.items()]
            print(f"{'ok  ' if not found else 'FAIL'} {name}", flush=True)
    print(*problems, sep="\n")
    print(f"{len(pages)} pages, {len(VIEWS)} views each, {len(problems)} problems; screenshots in {args.out}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
