"""A chapter's figures, put into the page: they take its width, and its theme's colours.

`cmpie_lite.notebook.style` draws dark on white in shades of cividis. Ink becomes the page's own, white its
background, and a shade has a light twin for a dark page; pictures within a figure (maps, frames) and the
numbers on them stay as they are. LLP's names of classes are words: Violin fiddle.
"""

from __future__ import annotations

import hashlib
import html
import re

import numpy as np
from matplotlib.colors import to_hex, to_rgb

from cmpie_lite.labels import CLASSES
from cmpie_lite.notebook.style import DARK, INK, LIGHT, shades

ON_DARK = (
    "#8ab8f0",
    "#e6c84f",
)  # what is dark and what is light on a white page; --audio, --visual of book.css
NARROWEST, WIDEST = 0.9, 1.15  # of a figure's own size
PIXELS = 96 / 72  # per point
UNWANTED = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", re.S
)
TAG = re.compile(r"<(?!/)[^>]*>")
NAMES = re.compile("|".join(re.escape(name) for name in CLASSES if "_" in name))


def twin(share: float) -> str:
    """The colour on a dark page of a shade between the darkest (0) and the lightest (1)."""
    first, last = (np.array(to_rgb(colour)) for colour in ON_DARK)
    return to_hex(first + (last - first) * share)


def themed_colours() -> dict[str, str]:
    """Every colour that the book's figures use -> what it is in a page."""
    found = {
        to_hex(shade): twin(place / max(1, count - 1))
        for count in range(1, 13)
        for place, shade in enumerate(shades(count))
    }
    found |= {to_hex(DARK): ON_DARK[0], to_hex(LIGHT): ON_DARK[1]}
    themed = {shade: f"light-dark({shade}, {other})" for shade, other in found.items()}
    return themed | {INK: "currentColor", "#ffffff": "var(--pst-color-background)"}


THEMED = themed_colours()


def recoloured(tag: re.Match[str]) -> str:
    """A tag in the page's colours; the words on a map's cells keep theirs."""
    text = tag[0]
    known = [INK] if text.startswith("<text") else list(THEMED)
    return re.sub("|".join(known), lambda colour: THEMED[colour[0]], text)


def inlined(svg: str, alt: str) -> str:
    """A figure as a part of its page, named by its alternative text.

    Ids within it carry its digest: a page may hold several figures.
    """
    digest = hashlib.sha256(svg.encode()).hexdigest()[:6]
    width = PIXELS * float(re.search(r'width="([\d.]+)pt"', svg)[1])  # type: ignore[index]
    svg = UNWANTED.sub("", svg).strip()
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r'\bid="', f'id="f{digest}-', svg)
    svg = re.sub(r"(url\(#|href=\"#)", rf"\1f{digest}-", svg)
    svg = TAG.sub(recoloured, svg)
    svg = NAMES.sub(lambda name: name[0].replace("_", " "), svg)
    style = f"min-width: {NARROWEST * width:.0f}px; max-width: {WIDEST * width:.0f}px"
    head = f'<svg class="drawn" role="img" aria-label="{html.escape(alt)}" style="{style}"'
    svg = re.sub(r'<svg(?: (?:width|height|version)="[^"]*"| xmlns(?::xlink)?="[^"]*")*', head, svg, count=1)
    return f'<div class="drawing">{svg}</div>'
