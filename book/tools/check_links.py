"""What can be said of the built site without opening it: links, resources, addresses outside, weight."""

from __future__ import annotations

import gzip
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from book.tools.project import repository

# Where a link may lead outside: places that were looked up, and that do not depend on the book's own address.
OUTSIDE = (
    "https://arxiv.org/abs/", "https://doi.org/", "https://aclanthology.org/", "https://creativecommons.org/licenses/",
    "https://github.com/YapengTian/AVVP-ECCV20", "https://github.com/JustinYuu/MM_Pyramid",
    "https://drive.google.com/", "https://distributed.dask.org/", "https://www.python.org/", "https://pytorch.org/",
)  # fmt: skip
DELAY, RATE, LIMIT = 0.150, 1.6e6 / 8, 2.5  # slow 4G: seconds, bytes per second; seconds to the first paint


class Page(HTMLParser):
    """The ids, links and loaded resources of one HTML file."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.resources: list[str] = []
        self.blocking: list[str] = []  # what the first paint waits for
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids.update(found[name] for name in ("id", "name") if name in found)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if "src" in found:
            self.resources.append(found["src"])
        if tag == "link" and found.get("rel") == "stylesheet":
            self.blocking.append(found["href"])
        if tag == "script" and "src" in found and "defer" not in found and "async" not in found:
            self.blocking.append(found["src"])
        if tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload", "shortcut icon"):
            self.resources.append(found["href"])


def html_files(site: Path) -> list[Path]:
    """The site's pages, without the templates that the theme leaves in _static."""
    return sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)


def check_outside(site: Path, address: str | None = None) -> list[str]:
    """Links to places outside that nobody looked up, above all to a repository that is not published."""
    own = repository()["url"] if address is None else address
    known = OUTSIDE + (
        (own, "https://colab.research.google.com/github/", "https://mybinder.org/v2/") if own else ()
    )
    problems = []
    for path in html_files(site):
        links = set(Page(path.read_text(encoding="utf8")).links)
        outside = sorted(
            x for x in links if urlsplit(x).scheme in ("http", "https") and not x.startswith(known)
        )
        problems += [f"{path.relative_to(site)}: a link outside to an unknown place: {x}" for x in outside]
    return problems


def seconds_to_paint(path: Path) -> float:
    """Seconds to a page's first paint on slow 4G with gzip, at least: two delays to connect, page, styles.

    What a page's own processor takes is not in it; `book.tools.first_paint` measures that too.
    """
    text = path.read_bytes()
    blocking = [path.parent / unquote(urlsplit(a).path) for a in Page(text.decode()).blocking]
    found = [file.read_bytes() for file in blocking if file.is_file()]
    size = sum(len(gzip.compress(data, 6)) for data in [text, *found])
    return DELAY * (3 + bool(found)) + size / RATE


def check_weight(site: Path) -> list[str]:
    """Pages that cannot show anything within 2.5 s on slow 4G; files that no page should ship."""
    late = {p: seconds_to_paint(p) for p in html_files(site)}
    problems = [
        f"{p.relative_to(site)}: first paint after {s:.1f} s on slow 4G, expected {LIMIT} s or less"
        for p, s in late.items()
        if s > LIMIT
    ]
    maps = [p.relative_to(site) for p in site.rglob("*.map")]
    return problems + [f"{p}: a source map, which no reader needs" for p in maps]


def check_links(site: Path) -> list[str]:
    """Dead internal links and fragments, resources that are missing or come from the network."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf8")) for path in html_files(site)}
    problems = []
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for address in page.resources:
            parts = urlsplit(address)
            if parts.scheme in ("http", "https") or address.startswith("//"):
                problems.append(f"{name}: loads {address} from the network")
            elif parts.scheme != "data" and parts.path and not (path.parent / unquote(parts.path)).exists():
                problems.append(f"{name}: {address} is missing")
        for address in page.links:
            parts = urlsplit(address)
            if parts.scheme or address.startswith("//"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                problems.append(f"{name}: dead link {address}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                problems.append(f"{name}: no such place {address}")
    for path in site.rglob("*.css"):
        if "url(http" in path.read_text(encoding="utf8", errors="replace").replace('"', "").replace("'", ""):
            problems.append(f"{path.relative_to(site)}: loads from the network")
    return problems
