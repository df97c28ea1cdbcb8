"""The page of what is reproduced says what the stored reports say, and what was not run."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from book.tools import register, reproduction, stored
from cmpie_lite.results.report_files import read_report, write_report
from cmpie_lite.results.report_form import Report, frame_of
from cmpie_lite.results.reports import make_report
from tests.making import readings_report, record

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


def test_a_result_on_llp_sim_is_no_result_on_llp(results: Path) -> None:
    write_report(results / "table1.json", report("LLP-sim", 0.02))
    page = reproduction.markdown()
    assert "No number of the paper's tables is reproduced here" in page
    assert "trained on LLP-sim." in page
    assert "| on LLP-sim |" in page
    assert "1 supported, 2 contradicted, 0 undecided, 4 not run here" in page
    assert "the command for LLP-sim" in page
    assert "AVE (our reading), AVSDN (our reading), MM-Pyramid, MM-Pyramid (modalities swapped" in page
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
