"""The pipeline of CM-PIE as an SVG, drawn once, with one block lit for each chapter.

    python -m book.tools.diagram          writes book/_static/diagram/<block>.svg
    python -m book.tools.diagram --card   and book/_static/card.png, which a shared link shows (Chromium)

Text and lines take the colour of the page around them (`currentColor`), so the inlined drawing follows the
light and the dark theme. A file shown by itself follows the system's theme.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / "_static" / "diagram"


class Box(NamedTuple):
    """One block of the drawing: its name, two lines of text, centre and size."""

    name: str
    title: str
    note: str
    x: float
    y: float
    width: float
    height: float = 46


# The upper lane is the plain stream (h), the lower lane the stream with segment-based attention (s).
TOP, MIDDLE, BOTTOM = 66, 114, 162
BOXES = (
    Box("audio", "Audio", "10 × 128", 46, TOP, 80),
    Box("visual", "Visual", "10 × 2560", 46, BOTTOM, 80),
    Box("sa", "SA", "Eq. 4–7", 140, BOTTOM, 60),
    Box("han", "HAN", "Eq. 2–3", 219, TOP, 60),
    Box("han", "HAN", "Eq. 2–3", 219, BOTTOM, 60),
    Box("cma", "CMA", "Eq. 8–11", 298, TOP, 64),
    Box("cma", "CMA", "Eq. 8–11", 298, BOTTOM, 64),
    Box("mean", "Mean", "Eq. 12–13", 379, MIDDLE, 66),
    Box("mmil", "MMIL", "pooling", 460, MIDDLE, 64),
    Box("metrics", "F", "scores", 530, MIDDLE, 44),
)

# name of the variant -> (blocks that are lit, description)
VARIANTS: dict[str, tuple[set[str], str]] = {
    "task": ({"audio", "visual", "metrics"}, "the task: what goes in and how the answer is scored"),
    "attention": ({"han", "cma"}, "attention, the operation inside HAN and CMA"),
    "han": ({"han"}, "HAN, hybrid attention within and across the modalities"),
    "sa": ({"sa"}, "SA, segment-based attention, before the second HAN"),
    "cma": ({"cma", "mean"}, "CMA, cross-modal aggregation, and the mean of the two streams"),
    "mmil": ({"mmil"}, "MMIL, the pooling of segments into video predictions"),
    "metrics": ({"metrics"}, "the F-scores, segment and event level"),
    "cmpie": ({box.name for box in BOXES}, "the whole model"),
    "plain": (set(), "the whole model"),
}

STYLE = (
    "svg{color:#1d2733}@media (prefers-color-scheme:dark){svg{color:#e8ecf1}}"
    ".cd text{fill:currentColor;font-family:system-ui,sans-serif;text-anchor:middle}"
    ".cd .t{font-size:16px;font-weight:600}.cd .n{font-size:11.5px}.cd .s{font-size:12px;font-style:italic}"
    ".cd rect{fill:none;stroke:currentColor;stroke-width:1.2}.cd .lit rect{fill:#ffd54a;stroke-width:3}"
    ".cd .lit text{fill:#1d2733}.cd .lit .here{fill:currentColor;stroke:none}"
    ".cd path{fill:none;stroke:currentColor;stroke-width:1.5}.cd .visual{stroke-dasharray:4 3}"
    ".cd .tip{fill:currentColor;stroke:none}"
)


def box(b: Box, lit: bool, pointer: bool) -> str:
    """A rounded rectangle with its title and note; lit ones have a fill, a thick edge and a pointer above."""
    left, top = b.x - b.width / 2, b.y - b.height / 2
    here = f'<path class="here" d="M{b.x:g} {top - 5:g}l-7 -10h14z"/>' if lit and pointer else ""
    return (
        f'<g class="{"lit" if lit else "dim"}">{here}'
        f'<rect x="{left:g}" y="{top:g}" width="{b.width:g}" height="{b.height:g}" rx="7"/>'
        f'<text class="t" x="{b.x:g}" y="{b.y - 2:g}">{b.title}</text>'
        f'<text class="n" x="{b.x:g}" y="{b.y + 15:g}">{b.note}</text></g>'
    )


def arrow(points: str, x: float, y: float, kind: str) -> str:
    """A line along `points` (SVG path data) that ends in an arrow head at (x, y), pointing right."""
    return f'<path class="{kind}" d="{points}"/><path class="tip" d="M{x:g} {y:g}l-6 -4v8z"/>'


def wires() -> str:
    """Audio travels on solid lines, visual on dashed ones; both run through both streams."""
    out = []
    for kind, offset in (("audio", -7), ("visual", 7)):
        top, bottom, source = TOP + offset, BOTTOM + offset, TOP if kind == "audio" else BOTTOM
        bend = 99 if kind == "audio" else 93
        start = source + offset
        out += [
            arrow(f"M86 {start}H{bend}V{top}H189", 189, top, kind),
            arrow(f"M86 {start}H{bend}V{bottom}H110", 110, bottom, kind),
            arrow(f"M170 {bottom}H189", 189, bottom, kind),
            arrow(f"M249 {top}H266", 266, top, kind),
            arrow(f"M249 {bottom}H266", 266, bottom, kind),
            arrow(f"M330 {top}H{338 - offset / 3.5:g}V{MIDDLE + offset}H346", 346, MIDDLE + offset, kind),
            arrow(f"M330 {bottom}H{338 + offset / 3.5:g}V{MIDDLE + offset}H346", 346, MIDDLE + offset, kind),
            arrow(f"M412 {MIDDLE + offset}H428", 428, MIDDLE + offset, kind),
            arrow(f"M492 {MIDDLE + offset}H508", 508, MIDDLE + offset, kind),
        ]
    return "".join(out)


def svg(variant: str) -> str:
    """The drawing with the blocks of one variant lit, as a complete SVG file with a title."""
    lit, text = VARIANTS[variant]
    label = "The CM-PIE pipeline" if variant in ("plain", "cmpie") else f"You are here: {text}"
    pointer = variant not in ("plain", "cmpie")
    key = (
        '<path class="audio" d="M176 218h26"/><text class="n" x="226" y="222">audio</text>'
        '<path class="visual" d="M262 218h26"/><text class="n" x="313" y="222">visual</text>'
        '<text class="s" x="140" y="52">stream h</text><text class="s" x="140" y="203">stream s</text>'
    )
    blocks = "".join(box(b, b.name in lit, pointer) for b in BOXES)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cd" viewBox="0 0 560 232" role="img" '
        f'aria-label="{label}"><title>{label}</title><style>{STYLE}</style>{wires()}{blocks}{key}</svg>\n'
    )


def card() -> None:
    """The picture that a shared link shows: 1200 x 630, the title above the pipeline."""
    from book.tools.browser import Browser

    page = (
        "<style>body{margin:0;padding:44px 70px;font:600 52px system-ui,sans-serif;color:#1d2733}"
        "p{font-size:30px;font-weight:400;margin:.4em 0 .2em}svg{width:100%}</style>"
        "CM-PIE, one equation at a time<p>Which sounds, which sights, when?</p>" + svg("plain")
    )
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        path = Path(folder) / "card.html"
        path.write_text(page, encoding="utf8")
        browser.open(path.as_uri(), 1200, "light", 630)
        browser.screenshot(FOLDER.parent / "card.png", 630)


def main() -> None:
    """Write every variant."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if "--card" in sys.argv:
        card()
    for variant in VARIANTS:
        (FOLDER / f"{variant}.svg").write_text(svg(variant), encoding="utf8")


if __name__ == "__main__":
    main()
