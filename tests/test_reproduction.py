"""The page of what is reproduced says what the stored reports say, and what was not run."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from book.tools import register, reproduction, stored
from cmpie_lite.results.findings import of_one
from cmpie_lite.results.published import printed_cells
from cmpie_lite.results.report_files import read_report, write_report
from cmpie_lite.results.report_form import Report, frame_of, split_of
from cmpie_lite.results.reports import make_report
from cmpie_lite.results.score_tables import behaviour_of
from tests.making_reports import readings_report, record, report_of_one_that_times

ROOT = Path(__file__).resolve().parents[1]


def report(source: str, gap: float, seeds: int = 6) -> Report:
    records = [record("han", s, 0.5 + 0.01 * s, source=source) for s in range(seeds)]
    records += [record("cmpie", s, 0.5 + 0.01 * s + gap, source=source) for s in range(seeds)]
    return make_report(records, [("cmpie", "han")], f"the command for {source}")


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(reproduction, "RESULTS", tmp_path)
    monkeypatch.setattr(reproduction.reports, "__defaults__", (tmp_path,))
    monkeypatch.setattr(register, "RESULTS", tmp_path)
    return tmp_path


def test_without_results_nothing_is_claimed(results: Path) -> None:
    page = reproduction.markdown()
    assert "No number of the paper's tables is reproduced here" in page
    assert "Nothing is stored." in page
    assert "0 supported" in page
    assert page.count("No run is stored: not run here.") == 2
    assert "python -m cmpie_lite grid --table 1 --dataset llp" in page
    assert "CM-CS+HAN (our reading): the published model itself. No code is public" in page
    assert "`sa_axis=channel`" in page
    assert "Not run here: `python -m cmpie_lite grid --dataset sim --ambiguities --systems cm_cs" in page


def test_stored_ablations_are_shown(results: Path) -> None:
    write_report(results / "cm_cs.json", readings_report({("sa_axis", "channel"): -0.02}))
    page = reproduction.markdown()
    assert "better" not in page.split("## CM-CS+HAN by its parts")[1].split("## ")[0]
    assert "over our default reading, worse: `sa_axis=channel` -2.0 [" in page
    assert re.search(r"\| sa_axis\u00a0= channel \| segment \| -2\.0 \[-2\.\d,\u00a0-1\.9\]\u00a0\* \|", page)


def test_a_result_on_llp_sim_is_no_result_on_llp(results: Path) -> None:
    write_report(results / "table1.json", report("LLP-sim", 0.02))
    page = reproduction.markdown()
    assert "No number of the paper's tables is reproduced here" in page
    assert "trained on LLP-sim." in page
    assert "| on LLP-sim |" in page
    assert "1 supported, 2 contradicted, 0 undecided, 4 not run here" in page
    assert "the command for LLP-sim" in page
    assert "AVE (our reading), AVSDN (our reading), MM-Pyramid (modalities not swapped), MM-Pyramid" in page
    assert "in no stored run of Table 1. `python -m cmpie_lite grid --table 1 --dataset sim" in page
    assert "in no stored run of Table 2" not in page
    assert "Table 1 on LLP. With the features packed" in page
    assert "LLP-sim (NOT LLP)" in page


def test_verdicts_follow_the_report(results: Path) -> None:
    write_report(results / "table1.json", report("LLP-sim", -0.02))
    assert "0 supported, 3 contradicted" in reproduction.markdown()
    write_report(results / "table1.json", report("LLP-sim", 0.02, seeds=5))
    assert "0 supported, 0 contradicted, 3 undecided" in reproduction.markdown()
    write_report(results / "table1.json", report("LLP", 0.02))
    page = reproduction.markdown()
    assert "Trained on LLP: Table 1" in page
    assert "Table 1 on LLP. With the features packed" not in page
    assert "NOT LLP" not in page


def test_measured_readings_leave_the_list(results: Path) -> None:
    write_report(results / "ambiguities_narrow.json", readings_report({("heads", 4): 0.0}, dim=128))
    assert "`heads=4`" in reproduction.markdown()  # still not at the width of the paper
    write_report(results / "ambiguities.json", readings_report({("heads", 4): 0.0}))
    assert "`heads=4`" not in reproduction.markdown()
    assert "`heads=8`" in reproduction.markdown()


def test_the_stored_reports_can_be_read() -> None:
    for table, stored_report in reproduction.reports().items():
        runs = frame_of(stored_report["runs"])
        assert {"han", "cmpie"} <= set(runs.system)
        assert stored_report["source"] in ("LLP", "LLP-sim")
        assert read_report(ROOT / "book" / "results" / f"table{table}.json") == stored_report
        assert " /" not in stored_report["command"]  # no path of one machine


def test_a_notebook_shows_a_report_and_keeps_its_parameters(tmp_path: Path) -> None:
    cells = [
        new_markdown_cell("# T"),
        new_code_cell("# Parameters\nstored = ''", metadata={"tags": ["parameters"]}),
        new_code_cell("print('reads', stored)"),
    ]
    path = tmp_path / "nb" / "t.ipynb"
    path.parent.mkdir()
    nbformat.write(new_notebook(cells=cells), path)
    stored.show_stored(path, tmp_path / "r.json")
    first = path.read_bytes()
    notebook = nbformat.read(path, as_version=4)
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in cells]
    assert notebook.cells[2].outputs[0].text == "reads ../r.json\n"
    assert [cell.execution_count for cell in notebook.cells[1:]] == [1, 2]
    stored.show_stored(path, tmp_path / "r.json")
    assert path.read_bytes() == first


def test_the_page_answers_first(results: Path) -> None:
    """What the runs say of SA, CMA and a second HAN, on what conditions, and what needs LLP: ten lines."""
    page = reproduction.markdown()
    assert page.count("not run here. `python -m cmpie_lite grid --table 2 --dataset sim") == 5
    rows = [("han", 0.5), ("segment_attention", 0.52), ("cmpie", 0.51)]
    records = [record(name, s, base + 0.001 * s * s) for name, base in rows for s in range(6)]
    pairs = [("segment_attention", "han"), ("cmpie", "segment_attention"), ("cmpie", "han")]
    write_report(results / "table2.json", make_report(records, pairs, "c"))
    head = reproduction.markdown().split("## Table 1")[0]
    lines = [line for line in head.splitlines() if line]
    assert len(lines) <= 10
    assert (
        "SA (a second HAN behind segment attention)**: +Seg Attention minus HAN: segment Type@AV +2.0" in head
    )
    assert "**CMA**: CM-PIE minus +Seg Attention: segment Type@AV -1.0 [-1.0, -1.0], down" in head
    assert "A second HAN alone**: two HANs, no SA (control) minus HAN: not run here" in head
    assert "fitted so that HAN scores about what it scores on LLP" in head
    assert "Without LLP nobody can say" in head
    page = (ROOT / "book" / "reproduction.md").read_text(encoding="utf8")
    assert page.splitlines()[2] == "<!-- generated: reproduction -->"


def test_the_page_says_first_whether_our_model_parses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And which of its readings do."""
    stored = reproduction.reports()
    write_report(tmp_path / "ambiguities.json", report_of_one_that_times())
    monkeypatch.setattr(register, "RESULTS", tmp_path)
    second = reproduction.summary(stored)[2]
    behaviour = frame_of(stored[2]["tables"]["behaviour"])
    assert of_one("cmpie", behaviour.loc["cmpie"]) in second
    assert (
        "At D = 128, of 2 readings, the default among them, 1 places events in time: `sa_axis=global`."
        in second
    )


def test_runs_at_the_size_of_llp_have_a_section_and_a_line(results: Path) -> None:
    assert "size of LLP" not in reproduction.markdown()
    write_report(results / "full_size.json", report("LLP-sim", 0.02, seeds=10))
    page = reproduction.markdown()
    assert "10 seeds, 40 epochs: segment Type@AV" in page
    assert page.index("## Table 2") < page.index("## At the size of LLP") < page.index("## Never run")
    assert "in other runs" not in page
    one_each = report("LLP-sim", 0.02, seeds=1)
    one_each["tables"]["behaviour"] = split_of(
        behaviour_of(report_of_one_that_times()).iloc[:1].set_axis(["han"])
    )
    write_report(results / "full_size_behaviour.json", one_each)
    page = reproduction.markdown()
    assert "One run of each says how. Of HAN's audible and visible events 50 and 50 % span the clip" in page
    assert "How they place events in time, in other runs" in page


def test_the_fields_rows_of_the_papers_table_are_its_cells() -> None:
    page = (ROOT / "book" / "the_field.md").read_text(encoding="utf8")
    rows = [
        [cell.strip(" *") for cell in line.split("|")[1:-1]]
        for line in page.splitlines()
        if line.endswith("| CM-PIE |")
    ]
    assert {row[0] for row in rows} == {"HAN", "MM-Pyramid", "CM-CS+HAN", "CM-PIE"}
    for name, *cells, _ in rows:
        assert cells == [str(x) for x in printed_cells(1)[name].values()]
    assert "second-hand" in page
