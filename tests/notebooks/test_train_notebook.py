"""The training notebook, run by papermill: it ends with a record, and refuses what it does not know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from chapters import stop_of
from papermill.exceptions import PapermillExecutionError

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
TINY = {
    "preset": "smoke",
    "epochs": 1,
    "dataset": "sim",
    "device": "cpu",
    "overrides": {"dim": 16, "ffn_dim": 16},
}

# Papermill and its kernel warn of their own dependencies' changes; that is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("default")


def run(folder: Path, **parameters: Any) -> nbformat.NotebookNode:
    """Run the notebook with parameters; returns it with outputs."""
    return papermill.execute_notebook(
        str(NOTEBOOKS / "train.ipynb"),
        str(folder / "out.ipynb"),
        parameters=TINY | {"output_dir": str(folder / "out")} | parameters,
        cwd=str(NOTEBOOKS),
        progress_bar=False,
    )


def text_of(notebook: nbformat.NotebookNode) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(str(o.get("text", "")) + str(o.get("data", {}).get("text/plain", "")) for o in outputs)


def test_it_trains_shows_and_records(tmp_path: Path) -> None:
    text = text_of(run(tmp_path, seeds=2))
    assert "THIS IS NOT LLP" in text
    assert "paper, CM-PIE, on LLP" in text
    records = [json.loads(path.read_text()) for path in sorted(tmp_path.rglob("record.json"))]
    assert [record["recipe"]["seed"] for record in records] == [1, 2]
    assert all(record["data"]["source"] == "LLP-sim" for record in records)
    assert len(list(tmp_path.rglob("predictions.safetensors"))) == 2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epoch": 3}, "unknown parameter 'epoch' = 3. Did you mean 'epochs'"),
        ({"epochs": "true"}, "Settings.epochs = 'true', expected a value of type int"),
        ({"overrides": {"batch_size": 0}}, "TrainConfig.batch_size = 0, expected an integer >= 1"),
    ],
)
def test_it_refuses_in_the_first_cell(tmp_path: Path, parameters: dict, message: str) -> None:
    given = TINY | {"output_dir": str(tmp_path / "out")} | parameters
    cell, error = stop_of(NOTEBOOKS / "train.ipynb", given)
    assert message in str(error)
    assert "settings_from(notebook_parameters(globals()))" in cell
    assert not (tmp_path / "out").exists()


def test_papermill_shows_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PapermillExecutionError, match=r"unknown parameter 'epoch' = 3\. Did you mean"):
        run(tmp_path, epoch=3)
    assert not (tmp_path / "out").exists()


def test_its_parameters_read_well() -> None:
    shown = papermill.inspect_notebook(str(NOTEBOOKS / "train.ipynb"))
    wanted = "epochs preset model seeds dataset data_dir device precision overrides output_dir".split()
    assert list(shown) == wanted
    for name, parameter in shown.items():
        assert parameter["inferred_type_name"] in ("int", "str", "list", "dict"), name
        assert parameter["help"], name
