"""The training notebook, run by papermill: it ends with a record, and refuses what it does not know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from chapters import ROOT, stop_of
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from cmpie_lite.data.store import FeatureStore
from cmpie_lite.experiments.record import RECORD
from cmpie_lite.experiments.run_one import run_experiment
from cmpie_lite.experiments.settings import settings_from
from cmpie_lite.training.checkpoint import LAST
from tests.killing import content
from tests.making import write_store

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
TINY = {"epochs": 2, "device": "cpu", "overrides": {"dim": 16, "ffn_dim": 16}}
KILLING = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.killing import count_down
count_down(28)
"""

# Papermill and its kernel warn of their own dependencies' changes; that is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("default")


def run(folder: Path, path: Path = NOTEBOOKS / "train.ipynb", **parameters: Any) -> nbformat.NotebookNode:
    """Run the notebook with parameters; returns it with outputs."""
    return papermill.execute_notebook(
        str(path),
        str(folder / "out.ipynb"),
        parameters=TINY | {"output_dir": str(folder / "out")} | parameters,
        cwd=str(NOTEBOOKS),
        progress_bar=False,
    )


def text_of(notebook: nbformat.NotebookNode) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(str(o.get("text", "")) + str(o.get("data", {}).get("text/plain", "")) for o in outputs)


def test_it_trains_shows_and_records_however_often_it_is_killed(
    simulated: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the training of its second seed, it goes on: every bit is that of runs in peace."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # of the kernel
    write_store(tmp_path / "data", simulated)
    mortal = nbformat.read(NOTEBOOKS / "train.ipynb", as_version=4)
    mortal.cells.insert(0, nbformat.v4.new_code_cell(KILLING))
    nbformat.write(mortal, tmp_path / "mortal.ipynb")
    given = {"data_dir": str(tmp_path / "data"), "seeds": 2}
    with pytest.raises(DeadKernelError):
        run(tmp_path, tmp_path / "mortal.ipynb", **given)
    assert len(list(tmp_path.rglob(RECORD))) == 1
    assert len(list(tmp_path.rglob(LAST))) == 2
    text = text_of(run(tmp_path, **given))
    whole = settings_from(TINY | given | {"output_dir": str(tmp_path / "whole")})
    run_experiment(whole, simulated)
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert "THIS IS NOT LLP" in text
    assert "paper, CM-PIE, on LLP" in text
    records = [json.loads(path.read_text()) for path in sorted((tmp_path / "out").rglob(RECORD))]
    assert [record["recipe"]["seed"] for record in records] == [1, 2]
    assert all(record["data"]["source"] == "LLP-sim" for record in records)
    assert len(list((tmp_path / "out").rglob("predictions.safetensors"))) == 2


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
