"""What a built page costs: one style sheet, one script, maths only where there are formulas.

The theme loads nine style sheets, a dozen scripts and an icon library twice. After the build this extension
joins style sheets (without the rules that no page can use) and scripts into one file each, loads MathJax
after the rest and only on pages with formulas, and deletes what nothing loads.
"""

from __future__ import annotations

import hashlib
import html
import os
import re
import struct
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tinycss2
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import figures

UNUSED = re.compile(r"thebe|togglebutton|toggleHint|toggleOpenOnPrint|design-tabs|sphinx-design", re.I)
DEAD = (
    "**/*.map", "**/fontawesome/**/*.js", "**/fontawesome/**/*.ttf",
    "sphinx-thebe.*", "togglebutton.*", "design-tabs.js",
)  # fmt: skip
ALONE = re.compile(r"searchtools|language_data|searchindex")  # scripts of the search page only
STYLE = re.compile(r'\s*<link(?=[^>]*rel="stylesheet")[^>]*href="([^"?]+)[^>]*>')
SCRIPT = re.compile(r'\s*<script(?: [\w-]+="[^"]*")*? src="([^"?]+)[^>]*></script>')
PRELOAD = re.compile(r'\s*<link rel="preload"[^>]*>')
VIEWPORT = re.compile(r'\s*<meta name="viewport"[^>]*>')
PAGE_NAME = re.compile(r"\s*<script>DOCUMENTATION_OPTIONS.pagename[^<]*</script>")
MATHS = re.compile(r"\s*<script>(window\.MathJax = .*?)</script>", re.S)
IMAGE = re.compile(r'<img [^>]*?src="([^":?]+)"[^>]*>')
STORED_THEME = 'localStorage.getItem("theme") || ""'
THEME = (
    'localStorage.getItem("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")'
)
LATER = (
    "<script>{config};document.addEventListener('DOMContentLoaded', () => {{"
    " const s = document.createElement('script'); s.src = '{source}'; document.head.append(s); }});</script>"
)


def drop_unused(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Leave out the style sheets and scripts of extensions that no page uses (live code among them)."""
    scripts, styles = context.get("script_files", []), context.get("css_files", [])
    context["script_files"] = [s for s in scripts if not UNUSED.search(f"{s} {getattr(s, 'attributes', '')}")]
    context["css_files"] = [s for s in styles if not UNUSED.search(str(s))]


def all_pages(app: Sphinx, env: Any) -> list[str]:
    """Every page is written at every build: all of them name the joined files."""
    return sorted(env.all_docs)


def can_match(selectors: str, words: set[str]) -> bool:
    """Whether some selector names only classes that occur as words somewhere."""
    parts = re.sub(r":not\([^)]*\)", "", selectors).split(",")
    return any("\\" in part or set(re.findall(r"\.(-?[A-Za-z_][\w-]*)", part)) <= words for part in parts)


def kept(rules: list[Any], words: set[str]) -> str:
    """The CSS of the rules that can match."""
    out = []
    for rule in rules:
        if rule.type == "qualified-rule":
            if can_match(tinycss2.serialize(rule.prelude), words):
                out.append(rule.serialize())
        elif (
            rule.type == "at-rule"
            and rule.content is not None
            and rule.lower_at_keyword in ("media", "supports")
        ):
            within = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            if inner := kept(within, words):
                out.append(f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inner}}}")
        elif rule.type == "at-rule" and rule.lower_at_keyword not in ("charset", "import"):
            out.append(rule.serialize())
    return "\n".join(out)


def local_urls(text: str, path: Path, static: Path) -> str:
    """CSS whose relative addresses hold from `static`, where the joined file stands."""

    def moved(match: re.Match[str]) -> str:
        address = match[1].strip("\"'")
        if urlsplit(address).scheme or address.startswith(("#", "/")):
            return match[0]
        return f"url({os.path.relpath(path.parent / address, static)})"

    return re.sub(r"url\(([^)]+)\)", moved, text)


def with_imports(path: Path) -> list[Path]:
    """A style sheet after those that it imports."""
    names = re.findall(r"@import\s+(?:url\()?[\"']([^\"']+)", path.read_text("utf8"))
    return [*(found for name in names for found in with_imports(path.parent / name)), path]


def joined_styles(paths: list[Path], static: Path, words: set[str]) -> str:
    """All style sheets as one, in their order, with what they import."""
    parts = []
    for path in [found for named in paths for found in with_imports(named)]:
        rules = tinycss2.parse_stylesheet(path.read_text("utf8"), skip_comments=True, skip_whitespace=True)
        parts.append(local_urls(kept(rules, words), path, static))
    return "\n".join(parts)


def joined_scripts(paths: list[Path]) -> str:
    """All scripts as one, in their order."""
    return "\n;\n".join(re.sub(r"//# sourceMappingURL=.*", "", path.read_text("utf8")) for path in paths)


def stored(text: str, static: Path, suffix: str) -> str:
    """Write a joined file; its name carries its digest, so that a browser never shows an old one."""
    for old in static.glob(f"joined-*{suffix}"):
        old.unlink()
    name = f"joined-{hashlib.sha256(text.encode()).hexdigest()[:10]}{suffix}"
    (static / name).write_text(text, encoding="utf8")
    return name


def loaded(page: str) -> list[str]:
    """The scripts of the theme and of its extensions; those within the text of a page stay where they are."""
    head, _, body = page.partition("</head>")
    theme = [source for source in SCRIPT.findall(body) if "_static/scripts/" in source]
    return [
        s for s in SCRIPT.findall(head) + theme if not re.search(rf"mathjax|fontawesome|{ALONE.pattern}", s)
    ]


def lean(page: str, root: str, style: str, script: str) -> str:
    """A page with one style sheet, one deferred script, and MathJax only where there are formulas."""
    head, end, body = page.partition("</head>")
    source, config, later = re.search(r'src="([^"]*mathjax/[^"?]*)', head), MATHS.search(head), ""
    if source and config and re.search(r'class="[^"]*\bmath\b', body):
        later = LATER.format(config=config[1], source=source[1])
    alone = [s for s in SCRIPT.findall(head) if ALONE.search(s)]
    for pattern in (MATHS, STYLE, PRELOAD, VIEWPORT, SCRIPT, PAGE_NAME):
        head = pattern.sub("", head)
    head = head.replace(STORED_THEME, THEME)  # before the first paint, not after it
    body = re.sub(r'\s*<script src="[^"]*_static/scripts/[^"]*"></script>', "", body)
    added = [
        '<meta name="viewport" content="width=device-width, initial-scale=1" />',
        f'<link rel="stylesheet" href="{root}_static/{style}" />',
        *(f'<script defer src="{s}"></script>' for s in [f"{root}_static/{script}", *alone]),
    ]
    return head + "\n".join([*added, later, end]) + body


def lazy(image: re.Match[str], page: Path) -> str:
    """A figure of a notebook becomes part of the page; another picture loads when it comes near.

    A PNG states its size, so that nothing jumps.
    """
    path = page.parent / image[1]
    if "loading=" in image[0] or not path.is_file():
        return image[0]
    if path.suffix == ".svg" and path.parent.name == "_images":
        alt = re.search(r'alt="([^"]*)"', image[0])
        return figures.inlined(path.read_text("utf8"), html.unescape(alt[1]) if alt else "")
    data = path.read_bytes()[:24]
    known = data.startswith(b"\x89PNG") and not re.search(r'\b(height|style)="', image[0])
    size = ' width="{}" height="{}"'.format(*struct.unpack(">II", data[16:24])) if known else ""
    return f'<img loading="lazy"{size}{image[0][4:]}'


def deliver(app: Sphinx, error: Exception | None) -> None:
    """Rewrite every built page, and delete what no page loads."""
    if error or app.builder.name != "html":
        return
    site = Path(app.outdir)
    static = site / "_static"
    paths = [p for p in sorted(site.rglob("*.html")) if "_static" not in p.parts and p != site / "index.html"]
    pages = {path: path.read_text(encoding="utf8") for path in paths}
    for path in [path for pattern in DEAD for path in static.glob(pattern)]:
        path.unlink()
    scripts = [path.read_text("utf8") for path in static.rglob("*.js") if "mathjax" not in path.parts]
    words = {word for text in [*pages.values(), *scripts] for word in re.findall(r"-?[A-Za-z_][\w-]*", text)}
    model = pages[site / f"{app.config.root_doc}.html"]
    styles = [static / address.split("_static/", 1)[1] for address in STYLE.findall(model)]
    joined = [static / address.split("_static/", 1)[1] for address in loaded(model)]
    style = stored(joined_styles(styles, static, words), static, ".css")
    script = stored(joined_scripts(joined), static, ".js")
    for path, text in pages.items():
        if "_static/joined-" not in text:
            page = lean(text, "../" * (len(path.relative_to(site).parts) - 1), style, script)
            page = IMAGE.sub(lambda image, path=path: lazy(image, path), page)
            path.write_text(page, encoding="utf8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", drop_unused, priority=950)
    app.connect("env-updated", all_pages)
    app.connect("build-finished", deliver, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
