"""Open every page of the built site as a reader would, from disk with the network off, and complain.

    python -m book.tools.check_site _build/html [--only PART] [--shots FOLDER] [--axe axe.min.js]

Every page, at 1280 and 390 pixels, light and dark. It fails on: a dead link or fragment, a link outside that
nobody looked up, a first paint later than 2.5 s on slow 4G, 20 requests or more, a resource from the network,
a console error; a picture that is missing, has no alternative text, or shows letters too small to read; maths
that is not drawn or is cut; anything that scrolls sideways without a sign; a finding of axe-core; a focus
that cannot be seen; an explorer or quiz that does not answer to keys and mouse; a fold that is empty on
paper; a live model that differs from the package's. Needs Chromium, and npm for axe-core.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from book.tools import check_use
from book.tools.browser import Browser, find_chromium
from book.tools.check_links import check_links, check_outside, check_weight, html_files
from book.tools.project import ROOT

AXE = "axe-core@4.14.1"
VIEWS = {
    1280: ("light", "dark"),
    390: ("dark", "light"),
}  # at each width: how it opens, and what it is turned to

LOOK = (Path(__file__).parent / "check_page.js").read_text(encoding="utf8")
REQUESTS = 20

# A header that is a formula has no text for axe, since MathJax draws with styles; it has a name instead.
RUN_AXE = """axe.run(document, {preload: false, resultTypes: ["violations"] RULES}).then((r) => r.violations
  .map((v) => ({...v, nodes: v.nodes.filter(
    (n) => !(v.id === "empty-table-header" && n.html.includes("aria-label")))}))
  .filter((v) => v.nodes.length)
  .map((v) => `axe ${v.impact} ${v.id}: ${v.help}: ` +
    v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120)).join(" | ")))"""
CONTRAST = ', runOnly: ["color-contrast"]'


def complaints(events: list[dict[str, Any]]) -> list[str]:
    """What the browser itself reported while a page loaded."""
    problems = []
    for event in events:
        what = event["params"]
        match event["method"]:
            case "Runtime.exceptionThrown":
                details = what["exceptionDetails"]
                said = details.get("exception", {}).get("description", details["text"])
                place = f"{details.get('url', '')}:{details['lineNumber']}:{details['columnNumber']}"
                problems.append(f"exception: {said} ({place})")
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


def axe_source(path: Path | None, folder: Path) -> str:
    """axe-core's script: from a file, or from the npm registry into `folder`.

    Raises:
        FileNotFoundError: there is neither.
    """
    path = path or folder / "axe.min.js"
    if not path.exists():
        if shutil.which("npm") is None:
            raise FileNotFoundError(
                f"no npm found, which fetches {AXE}: install it (Debian: apt-get install npm), or fetch "
                "axe.min.js elsewhere and name it with --axe"
            )
        command = ["npm", "pack", AXE, "--silent"]
        packed = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if packed.returncode:
            raise FileNotFoundError(
                f"npm could not fetch {AXE}: {packed.stderr.strip()[-300:]}; is there a network?"
            )
        archive = folder / packed.stdout.strip().splitlines()[-1]
        with tarfile.open(archive) as tar:
            path.write_bytes(tar.extractfile("package/axe.min.js").read())  # type: ignore[union-attr]
        archive.unlink()
    return path.read_text(encoding="utf8")


def check_view(browser: Browser, width: int, theme: str, axe: str) -> list[str]:
    """All complaints about the open page at one width in one theme."""
    problems = browser.evaluate(LOOK)
    if width > 1000:
        browser.evaluate(axe + ";0")
        problems += browser.evaluate(RUN_AXE.replace("RULES", CONTRAST if theme == "dark" else ""))
    if theme == "light":
        problems += check_use.check_keyboard(browser) + check_use.check_mouse(browser)
    if width > 1000 and theme == "light":
        problems += check_use.check_focus(browser) + check_use.check_paper(browser)
    return problems + complaints(browser.events)


def check_page(browser: Browser, page: Path, axe: str, shots: Path | None) -> dict[str, list[str]]:
    """All complaints about one page -> the views that have them; with `shots`, pictures under that path."""
    found: dict[str, list[str]] = {}
    for width, (first, other) in VIEWS.items():
        browser.open(page.resolve().as_uri(), width, first)
        sent = [e["params"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
        asked = {one["requestId"] for one in sent if not one["request"]["url"].startswith("data:")}
        if len(asked) >= REQUESTS:
            found[f"{len(asked)} requests, expected fewer than {REQUESTS}"] = [f"{width}"]
        for theme in (first, other):
            if theme == other:
                browser.wear(theme)
            for problem in check_view(browser, width, theme, axe):
                found.setdefault(problem, []).append(f"{width} {theme}")
            if shots:
                browser.screenshots(shots.with_name(f"{shots.name}-{width}-{theme}"))
    return found


def check_pages(pages: list[Path], site: Path, axe: str, shots: Path | None) -> list[str]:
    """All complaints about some pages, in a browser of their own."""
    problems = []
    with Browser() as browser:
        for page in pages:
            name = page.relative_to(site).with_suffix("").as_posix()
            found = check_page(browser, page, axe, shots and shots / name.replace("/", "_"))
            problems += [f"{name}: {text} [{', '.join(views)}]" for text, views in found.items()]
            print(f"{'ok  ' if not found else 'FAIL'} {name}", flush=True)
    return problems


def check_live() -> list[str]:
    """The page's own model against the package's, where the book has one."""
    if importlib.util.find_spec("book.tools.check_live") is None:
        return []
    command = [sys.executable, "-m", "book.tools.check_live"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print("check_live:", *[line for line in ran.stdout.splitlines() if not line.startswith("ok")], sep="\n  ")
    return [f"check_live: {(ran.stdout + ran.stderr).strip()[-600:]}"] if ran.returncode else []


def chosen_pages(site: Path, part: str) -> list[Path]:
    """The pages to open: all but the copy of the first one, and of the source pages the three longest."""
    pages = [p for p in html_files(site) if part in str(p) and p != site / "index.html"]
    source = [p for p in pages if p.is_relative_to(site / "source")]
    longest = sorted(source, key=lambda p: -p.stat().st_size)[:3]
    return [p for p in pages if p not in source] + longest


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/site"), help="where axe.min.js is kept")
    parser.add_argument("--only", default="", help="only pages whose path holds this text")
    parser.add_argument("--shots", type=Path, help="folder for pictures of every page in every view")
    parser.add_argument("--axe", type=Path, help=f"axe.min.js; default: npm pack {AXE}")
    args = parser.parse_args()
    for folder in filter(None, (args.out, args.shots)):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        find_chromium()
        axe = axe_source(args.axe, args.out)
    except FileNotFoundError as error:
        print(f"check_site: {error}", file=sys.stderr)
        return 2
    pages = chosen_pages(args.site, args.only)
    if not pages:
        print(f"no page in {args.site} holds {args.only!r}")
        return 2
    began = time.monotonic()
    problems = check_links(args.site) + check_outside(args.site) + check_weight(args.site) + check_live()
    by_size = sorted(pages, key=lambda p: -p.stat().st_size)
    with ThreadPoolExecutor(2) as pool:
        halves = pool.map(
            lambda part: check_pages(part, args.site, axe, args.shots), (by_size[::2], by_size[1::2])
        )
        problems += [problem for half in halves for problem in half]
    print(*problems, sep="\n")
    seconds = time.monotonic() - began
    print(f"{len(pages)} pages, {2 * len(VIEWS)} views each, {len(problems)} problems, {seconds:.0f} s")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
