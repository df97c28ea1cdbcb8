"""The book's promises that need no build: its contents, scripts, quotations, drawings and figures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from book.tools import audit, diagram, register, sim_drawing
from cmpie_lite.data.llp_sim_labels import llp_statistics
from tests.making import ROOT

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = sorted((ROOT / "book").glob("*.md"))
STATIC = ROOT / "book" / "_static"
KINDS = ("audible_only", "both", "visible_only", "identical")


# ---------- table of contents, configuration ----------


def toc_files() -> list[str]:
    parts = [chapter["file"] for part in TOC["parts"] for chapter in part["chapters"]]
    return [TOC["root"], *parts]


def test_every_page_and_notebook_is_in_the_table_of_contents() -> None:
    files = toc_files()
    assert len(files) == len(set(files))
    written = {
        p.relative_to(ROOT).with_suffix("").as_posix() for p in [*PAGES, *NOTEBOOKS] if p.stem != "out"
    }
    assert set(files) == written


def test_numbered_notebooks_stand_in_order() -> None:
    numbered = [f for f in toc_files() if re.match(r"notebooks/\d\d_", f)]
    assert numbered == sorted(numbered)


def test_scripts_are_vendored() -> None:
    config = CONFIG["sphinx"]["config"]
    for path in [
        config["mathjax_path"],
        *config["html_js_files"],
        *config["html_css_files"],
    ]:
        assert (STATIC / path).is_file(), path
    assert CONFIG["execute"]["execute_notebooks"] == "off"
    assert CONFIG["launch_buttons"]["thebe"] is False
    for path in [*STATIC.glob("*.js"), *STATIC.glob("*.css")]:
        addresses = set(re.findall(r"https?://[^\"')\s]+", path.read_text(encoding="utf8")))
        assert addresses <= {"http://www.w3.org/2000/svg"}, f"{path.name} names {addresses}"


# ---------- audit ----------


def plain(text: str) -> str:
    """Text without mark-up, quotation marks and spacing, to compare quotations."""
    return re.sub(r"[\s*`$“”\"’'\\]|&amp;", "", text.replace("&", "&amp;"))


@pytest.mark.shared
def test_quotations_are_exact(shared: Path) -> None:
    lines = (shared / "paper" / "cm-pie.md").read_text(encoding="utf8").replace("$\\oplus$", "⊕").splitlines()
    between = ("**Fig.", "**Table", "### ")  # captions and headings that stand in the middle of a sentence
    body = [x for x in lines if "\t" not in x and not x.startswith(between)]
    paper = plain("\n".join(lines + body))
    quotations = [claim.quotation for claim in audit.sentences() if claim.section[0].isdigit()]
    for entry in [*register.ENTRIES.values(), register.GATE]:
        quotations += re.findall(r"“([^”]+)”", entry.paper)
    sources = {p: p.read_text(encoding="utf8") for p in PAGES}
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf8"))["cells"]
        sources[path] = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    for text in sources.values():
        for block in re.findall(r"(?:^> ?.*\n?)+", text, re.M):
            joined = " ".join(line.lstrip("> ") for line in block.splitlines())
            quotations += re.findall(r"[“\"](.+?)[”\"] —", joined)
    assert len(quotations) > 15
    wrong = [
        q
        for q in quotations
        for part in re.split(r"\s*(?:\[?…\]?|\.\.\.)\s*", q)
        if plain(part).rstrip(".") not in paper
    ]
    assert not wrong, f"not the paper's words: {wrong}"


# ---------- drawings ----------


def test_drawings_are_those_of_the_generator() -> None:
    assert {p.stem for p in diagram.FOLDER.glob("*.svg")} == {*diagram.VARIANTS, "llp_sim"}
    for name in diagram.VARIANTS:
        stored = (diagram.FOLDER / f"{name}.svg").read_text(encoding="utf8")
        assert stored == diagram.svg(name), f"{name}.svg is stale: run python book/tools/diagram.py"
    drawn = (diagram.FOLDER / "llp_sim.svg").read_text(encoding="utf8")
    assert drawn == sim_drawing.svg(), "llp_sim.svg is stale: run python -m book.tools.sim_drawing"


def test_drawings_light_known_blocks() -> None:
    names = {box.name for box in diagram.BOXES}
    assert all(lit <= names for lit, _ in diagram.VARIANTS.values())


# ---------- chapters keep to the guide ----------


def markdown_cells(path: Path) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf8"))["cells"]
    return ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_read_well_outside_the_book(path: Path) -> None:
    cells = markdown_cells(path)
    text = "\n\n".join(re.sub(r"^```.*?^```", "", c, flags=re.M | re.S) for c in cells)
    raw = "\n\n".join(cells)
    assert len(re.findall(r"^# ", text, re.M)) == 1, "one title a notebook"
    assert cells[0].startswith("# "), "the first Markdown cell begins with the title"
    assert not re.findall(r"^(?:```|:::)\{.*", raw, re.M), "MyST directives show as raw text in Colab"
    assert not re.findall(r"\{[\w:]+\}`[^`]+`", raw), "MyST roles show as raw text in Colab"
    assert not re.findall(r"!\[\s*\]", raw), "a picture has no alternative text"
    for tag in ("div", "details"):
        assert len(re.findall(rf"<{tag}\b", raw)) == len(re.findall(rf"</{tag}>", raw)), f"unbalanced <{tag}>"
    assert not re.findall(r"(?:<div class=\"[\w-]+\">|</summary>)\n(?!\n)", raw), (
        "a blank line after an opening tag"
    )
    assert not re.findall(r"(?<!\n)\n</(?:div|details)>", raw), "a blank line before a closing tag"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_figures_have_alternative_text_and_a_caption(path: Path) -> None:
    bare = []
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf8"))["cells"], 1):
        kinds = {kind for out in cell.get("outputs", []) for kind in out.get("data", {})}
        if kinds & {"image/png", "image/svg+xml"} and "remove-output" not in cell["metadata"].get("tags", []):
            nb: dict[str, Any] = cell["metadata"].get("mystnb", {})
            if not nb.get("image", {}).get("alt") or not nb.get("figure", {}).get("caption"):
                bare.append(number)
    assert not bare, (
        f"cells {bare} draw figures without mystnb.image.alt or mystnb.figure.caption in their metadata"
    )


def test_the_lab_log_is_dated_newest_first() -> None:
    dates = re.findall(
        r"^## (\d{4}-\d\d-\d\d)$", (ROOT / "book" / "lab_log.md").read_text(encoding="utf8"), re.M
    )
    assert dates
    assert dates == sorted(dates, reverse=True)


SPELT = {  # acronym -> what a page that uses it must say once
    "HAN": "hybrid attention network",
    "SA": "segment(-based)? attention",
    "CMA": "cross-modal aggregation",
    "MMIL": "multimodal multiple-instance learning|multi-modal multiple instance learning",
    "LLP": "look, listen,? and parse",
    "IoU": "intersection over union",
}
READ_ALONE = [
    *NOTEBOOKS,
    *(ROOT / "book" / f"{name}.md" for name in ("intro", "how_to_run", "llp_sim", "live")),
]


@pytest.mark.parametrize("path", READ_ALONE, ids=lambda p: p.stem)
def test_a_page_spells_its_acronyms_out(path: Path) -> None:
    """Whoever opens one page alone can read it: an acronym stands beside its words once."""
    cells = markdown_cells(path) if path.suffix == ".ipynb" else [path.read_text(encoding="utf8")]
    text = re.sub(r"```.*?```|`[^`]*`|\$[^$]*\$", "", "\n".join(cells), flags=re.S)
    plain_text = re.sub(r"[\s*>]+", " ", text)
    used = [name for name in SPELT if re.search(rf"(?<![\w+-]){name}\b(?!-sim)", plain_text)]
    left = [name for name in used if not re.search(SPELT[name], plain_text, re.I)]
    assert not left, f"{path.name} uses {left} and never says what they stand for"


def test_what_chapter_0_says_of_heard_and_seen_is_what_llp_counts() -> None:
    """Speech and Cheering are mostly heard only, one dog in eight is silent, three in five seconds agree."""
    counts = {
        name: {kind: sum(ways[company][kind] for company in ("alone", "among_others")) for kind in KINDS}
        for name, ways in llp_statistics()["dense"]["by_class"].items()
    }
    mostly = {n for n, c in counts.items() if c["audible_only"] > c["both"] + c["visible_only"]}
    assert mostly == {"Speech", "Cheering"}
    dog = counts["Dog"]
    silent = dog["visible_only"] / (dog["audible_only"] + dog["both"] + dog["visible_only"])
    assert round(1 / silent) == 8
    both, same = (sum(c[kind] for c in counts.values()) for kind in ("both", "identical"))
    assert round(same / both, 1) == 0.6
