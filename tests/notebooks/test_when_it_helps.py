"""The notebook of the controlled study: it trains, shows every knob, and refuses what it does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from chapters import stop_of

from cmpie_lite.results.reports import settings_text

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"

# Papermill and its kernel warn of their own dependencies' changes; that is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("default")


def run(folder: Path, **parameters: Any) -> str:
    """Run the notebook with parameters; returns all text and the kinds of all outputs."""
    notebook: nbformat.NotebookNode = papermill.execute_notebook(
        str(NOTEBOOKS / "when_it_helps.ipynb"),
        str(folder / "out.ipynb"),
        parameters={"output_dir": str(folder / "out"), "device": "cpu"} | parameters,
        cwd=str(NOTEBOOKS),
        progress_bar=False,
    )
    return "\n".join(str(output) for cell in notebook.cells for output in cell.get("outputs", []))


def test_a_tiny_study_is_trained_and_shown(tmp_path: Path) -> None:
    text = run(
        tmp_path,
        stored="",
        study=["place"],
        systems=["han", "cmpie"],
        readings=[],
        seeds=1,
        epochs=1,
        knobs={"seed": 3, "num_train": 80, "num_val": 10},
        test_videos=20,
        workers=1,
        overrides={"dim": 16, "ffn_dim": 16},
    )
    assert "THIS IS NOT LLP" in text
    assert "all of it (CM-PIE over HAN): one seed at 1.0, 0.0" in text
    assert repr(settings_text("place=0.0"))[1:-1] in text
    assert text.count("image/svg+xml") == 2  # one figure of differences, one of mechanisms
    assert "Not run here" not in text


def test_without_a_report_it_says_what_was_not_run(tmp_path: Path) -> None:
    text = run(tmp_path, stored=str(tmp_path / "none.json"), seeds=2)
    assert "python -m cmpie_lite controlled" in text
    assert "--seeds 1 2" in text
    assert "--test-videos 10000" in text
    assert text.count("Not run here") == 5
    assert "image/svg" not in text


def test_an_unknown_knob_stops_it_in_the_first_cell() -> None:
    cell, error = stop_of(NOTEBOOKS / "when_it_helps.ipynb", {"stored": "", "study": ["corupt"]})
    assert "expected some of corrupt, gap" in str(error)
    assert "notebook_parameters(globals())" in cell


def test_its_parameters_read_well() -> None:
    """All but `readings`: papermill's help leaves out a default that holds "="."""
    shown = papermill.inspect_notebook(str(NOTEBOOKS / "when_it_helps.ipynb"))
    wanted = "stored study systems seeds epochs preset test_videos knobs overrides device precision"
    assert list(shown) == [*wanted.split(), "workers", "scheduler", "together", "output_dir"]
    assert all(parameter["help"] for parameter in shown.values())
