"""Spaces at which no line of a page may break: a number keeps its unit, an interval its two ends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

NBSP = "\u00a0"
APART = re.compile(  # what is no text of the page: code, maths, drawings, tags
    r"<(pre|code|script|style|svg|textarea)\b.*?</\1>|<(span|div) class=\"math\b.*?</\2>|<!--.*?-->|<[^>]+>",
    re.S,
)
NUMBERED = r"\b(Eqs?\.|Figs?\.|Secs?\.|Sections?|Tables?|[Cc]hapters?|w/o\.?) (?=\d|[AV]\b)"
TOGETHER = [
    (re.compile(r"(?<=\d) (?=(?:%|s|ms|GB|MB|px)(?![\w]))"), NBSP),  # 95 %, 4 s
    (re.compile(r"(\[[+\u2212-]?[\d.]+,) (?=[+\u2212-]?[\d.]+\])"), rf"\1{NBSP}"),  # [-1.2, +0.4]
    (re.compile(r"\b([A-Z]) = (?=\d)"), rf"\1{NBSP}={NBSP}"),  # D = 512
    (re.compile(NUMBERED), rf"\1{NBSP}"),
]


def bound(page: str) -> str:
    """The HTML of a page, with such spaces in the text of its body."""
    head, end, body = page.partition("</head>")
    parts, at = [], 0
    for match in APART.finditer(body):
        parts += [together(body[at : match.start()]), match[0]]
        at = match.end()
    return head + end + "".join([*parts, together(body[at:])])


def together(text: str) -> str:
    """A text with its numbers and what belongs to them on one line."""
    for pattern, put in TOGETHER:
        text = pattern.sub(put, text)
    return text


def bind(app: Sphinx, error: Exception | None) -> None:
    """Rewrite every page of the site, and the one page that is printed."""
    if error or app.builder.name not in ("html", "singlehtml"):
        return
    for path in sorted(Path(app.outdir).rglob("*.html")):
        if "_static" not in path.parts:
            path.write_text(bound(path.read_text(encoding="utf8")), encoding="utf8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", bind, priority=960)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
