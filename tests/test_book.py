"""The book's promises that need no build: generated pages, declarations, addresses, static explorers."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml

from book.tools import audit, diagram, ledger, register, sim_drawing
from cmpie_lite.config import ModelConfig
from cmpie_lite.decoding import DecodeConfig
from cmpie_lite.results.report_files import write_report
from cmpie_lite.support.fields import override
from tests.making import readings_report

ROOT = Path(__file__).resolve().parents[1]

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = sorted((ROOT / "book").glob("*.md"))
PAPER = ROOT / "cmpie_lite" / "results" / "paper"
STATIC = ROOT / "book" / "_static"


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


def test_audit_finds_the_two_rows_that_do_not_add_up() -> None:
    failing = {(c.table, c.method, c.level) for c in audit.type_checks() if not c.holds}
    assert failing == {(1, "MM-Pyramid", "segment"), (1, "MM-Pyramid", "event")}


def test_audit_finds_the_cells_that_look_exchanged() -> None:
    segment, event, segment_mean, event_mean = audit.exchanges()[0]
    assert (segment, event) == ("av", "visual")
    assert round(segment_mean, 2) == Decimal("55.10")
    assert round(event_mean, 2) == Decimal("49.63")


def test_a_changed_cell_changes_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    original = audit.read

    def read(number: int) -> audit.Table:
        table = original(number)
        table["HAN"] = table["HAN"] | {"segment_type": Decimal("54.2"), "event_av": Decimal("49.0")}
        return table

    monkeypatch.setattr(audit, "read", read)
    assert [c for c in audit.type_checks() if c.method == "HAN" and not c.holds]
    page = audit.markdown()
    assert "HAN, segment level (printed 54.2, mean 53.97)" in page
    assert "CM-PIE is above HAN in 9 of 10 columns" in page


def test_state_of_the_art_is_held_against_more_than_the_papers_own_table() -> None:
    (found,) = (s for s in audit.sentences() if s.quotation.startswith("state-of-the-art"))
    assert found.verdict == "holds within the rows of Table 1, not beyond them"
    for figure in ("61.9 (MA", "53.9 (JoMoLD", "54.6 (DHHN", "52.5 (JoMoLD", "53.3 (DHHN"):
        assert figure in found.cells
    assert "we have not read them" in found.cells
    assert "The drawings of Fig. 1–3 were not at hand" in audit.markdown()


@pytest.mark.shared
def test_the_tables_are_the_papers(shared: Path) -> None:
    for number in (1, 2):
        ours, theirs = (PAPER / f"table{number}.csv", shared / "paper" / f"table{number}.csv")
        assert ours.read_text().split() == theirs.read_text().split()


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


# ---------- register ----------


def test_register_has_one_entry_for_each_open_field() -> None:
    fields = {f.name for f in ModelConfig.__dataclass_fields__.values()}
    settled = {"streams", "segment_attention", "cma_audio", "cma_visual", "dim"}  # Table 2's rows, d = 512
    assert set(register.ENTRIES) == fields - settled
    assert settled <= fields


@pytest.mark.parametrize("field", sorted(register.ENTRIES))
def test_register_lists_the_readings_default_first(field: str) -> None:
    readings = list(register.ENTRIES[field].readings)
    assert readings[0] == register.default(field)
    if (allowed := register.choices(field)) is not None:
        assert tuple(readings) == allowed
    for value in readings[1:]:
        assert getattr(override(ModelConfig(), {field: value}), field) == value
        overrides = re.search(r"-p overrides '(.*)'", register.command(field, value))
        assert overrides is not None
        assert json.loads(overrides[1]) == {field: value}


def test_register_lists_the_gates_and_who_uses_which() -> None:
    assert tuple(register.GATE.readings) == get_args(get_type_hints(DecodeConfig)["gate"])
    assert next(iter(register.GATE.readings)) == DecodeConfig().gate
    page = register.markdown()
    assert "| `either` | One of the two modalities' probabilities reaches it; it opens both. | LEAP |" in page
    assert "nobody that we know" in page


def test_register_shows_what_was_measured_and_says_what_was_not() -> None:
    stored = {
        "base": "dim=128,ffn_dim=128",
        "effects": {"sa_axis": {"channel": {"metric": "event_type", "mean": -0.4, "low": -0.9, "high": 0.1}}},
    }
    assert register.effect("sa_axis", "channel", [stored]) == "-0.40 [-0.90, +0.10] event type"
    assert register.effect("sa_axis", "both", [stored]) == "not run here"
    assert register.effect("sa_axis", "segment", [stored]) == "default"
    assert register.effect("ffn_dim", 512, [stored]) == "default (there 128)"
    before = {
        "base": "cma_form=projected",
        "effects": {"cma_form": {"residual_norm": stored["effects"]["sa_axis"]["channel"]}},
    }
    assert (
        register.effect("cma_form", "residual_norm", [before])
        == "-0.40 [-0.90, +0.10] event type, over projected"
    )
    assert register.effect("cma_form", "projected", [before]) == "what these runs have otherwise"
    assert register.effect("cma_form", "residual", [before]) == "not run here"
    assert register.effect("sa_axis", "segment", [before]) == "default"


def test_the_registers_summary_ranks_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def store(name: str, gaps: dict[tuple[str, Any], float], seeds: int = 10, **base: Any) -> str:
        write_report(tmp_path / name, readings_report(gaps, seeds, **base))
        return register.markdown()

    monkeypatch.setattr(register, "RESULTS", tmp_path)
    three = {("heads", 4): 0.0005, ("heads", 8): -0.009, ("sa_axis", "both"): 0.008}
    page = store("ambiguities_narrow.json", three, dim=128)
    assert "LLP-sim, which is not LLP: 10 paired seeds, 40 epochs, every run with `dim=128`" in page
    assert "Student's t over paired seeds" in page
    assert "cpu, 2 cores, x, torch 2; at commit abc; 2026-01-01." in page
    assert "Of 3 readings, 2 have an interval of segment Type@AV that leaves out zero" in page
    assert "`sa_axis=both`, `heads=8`. Half an interval is about 0.1 points" in page
    rows = [line for line in page.splitlines() if line.startswith(("| `sa_axis=", "| `heads="))]
    assert [row.split("`")[1] for row in rows] == ["sa_axis=both", "heads=4", "heads=8"]
    assert [row.count("*") for row in rows] == [2, 0, 2]
    page = store("ambiguities.json", {("heads", 8): 0.015})
    assert page.index("### At D = 512") < page.index("### At D = 128")
    assert "| `heads` | reading | effect on LLP-sim, D = 512 | effect on LLP-sim, D = 128 |" in page
    row = "| `8` | Eight. | +1.50 [+1.39, +1.61] segment type | -0.90 [-1.01, -0.79] segment type |"
    assert row in page
    assert "| `4` | Four. | not run here | +0.05 [-0.06, +0.16] segment type |" in page
    again = {("heads", 4): 0.007, ("heads", 8): 0.09}
    page = store("ambiguities_2.json", again)  # reports of one width share a column, the first has precedence
    assert [x for x in page.splitlines() if x.startswith("### At D")] == [
        "### At D = 512: heads", "### At D = 512: heads", "### At D = 128: heads, sa_axis",
    ]  # fmt: skip
    assert "| `heads` | reading | effect on LLP-sim, D = 512 | effect on LLP-sim, D = 128 |" in page
    assert "| `4` | Four. | +0.70 [+0.59, +0.81] segment type | +0.05 [-0.06, +0.16] segment type |" in page
    assert row in page
    page = store("ambiguities_2.json", again, seeds=11)
    assert "| `8` | Eight. | +9.00 [" in page  # the one of more seeds has precedence
    page = store("ambiguities_2.json", again, source="LLP")
    assert "| effect on LLP-sim, D = 512 | effect on LLP, D = 512 | effect on LLP-sim, D = 128 |" in page
    assert "Measured on LLP: 10 paired seeds" in page
    assert store("ambiguities_2.json", again, seeds=1).count("### At D") == 2  # one seed measures no effect


# ---------- ledger ----------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Eq. 1: attention.", {"1"}),
        ("the weights (Eq. 4-5), the product (Eq. 6–7)", {"4", "5", "6", "7"}),
        ("Eq. 8, 10 and 12", {"8", "10", "12"}),
        ("Pools as HAN does (Eq. MMIL).", {"mmil"}),
        ("Eq. SEGMENT-F and EVENT-F", {"segment-f", "event-f"}),
        ("Eq. 14, equation 3, Eq. NONSENSE, IEEEq. 2", set()),
    ],
)
def test_docstrings_name_equations(text: str, found: set[str]) -> None:
    assert ledger.mentioned(text) == found


def small_project(root: Path, *, test_docstring: str = "Eq. 1 equals a loop.", cells: int = 1) -> Path:
    for folder in ("notebooks", "cmpie_lite", "tests"):
        (root / folder).mkdir()
    cell = {"cell_type": "markdown", "source": ["# 1 · Attention\n", "\n", "$$\n", "a = b\n", "$$ (eq-1)\n"]}
    (root / "notebooks" / "01_attention.ipynb").write_text(json.dumps({"cells": [cell] * cells}))
    (root / "cmpie_lite" / "attention.py").write_text(
        'def attend():\n    """Eq. 1."""\n\ndef _no():\n    """Eq. 2."""\n'
    )
    (root / "tests" / "test_attention.py").write_text(
        f'def test_it():\n    """{test_docstring}"""\n    assert True\n'
    )
    return root


def test_ledger_accounts_for_a_complete_equation(tmp_path: Path) -> None:
    row = ledger.rows(small_project(tmp_path))[0]
    assert not row.missing
    assert row.cells == [ledger.Place("notebooks/01_attention.ipynb", "1 · Attention", 1, 1)]
    assert row.functions == [ledger.Place("cmpie_lite/attention.py", "attend", 1, 2)]
    assert row.tests == [ledger.Place("tests/test_attention.py", "test_it", 1, 3)]


def test_an_equation_without_a_test_is_a_gap(tmp_path: Path) -> None:
    found = ledger.gaps(small_project(tmp_path, test_docstring="It runs."))
    assert "Eq. 1 (scaled dot-product attention) has no test" in found
    assert "Eq. 2 (HAN, audio) has no cell, no function, no test" in found


def test_an_equation_labelled_twice_is_a_gap(tmp_path: Path) -> None:
    assert any("labelled 2 times" in gap for gap in ledger.gaps(small_project(tmp_path, cells=2)))


def test_no_row_of_the_ledger_is_empty() -> None:
    assert ledger.gaps() == []


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
