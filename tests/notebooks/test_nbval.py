"""nbval with our settings: it notices a changed output, and passes over what may change."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
from chapters import ROOT
from nbformat.v4 import new_code_cell, new_notebook, new_output

SANITIZE = ROOT / "tests" / "notebooks" / "sanitize.cfg"


def printed(source: str, text: str, *tags: str) -> nbformat.NotebookNode:
    output = new_output("stream", name="stdout", text=text)
    return new_code_cell(source, outputs=[output], execution_count=1, metadata={"tags": list(tags)})


def test_changed_outputs_fail_and_what_may_change_passes(tmp_path: Path) -> None:
    cells = [
        printed("print(round(1 / 3, 2))", "0.33\n"),
        printed("print(round(1 / 3, 2))", "0.34\n"),
        printed("print('versions')", "other versions\n", "nbval-ignore-output"),
        printed("print(object())", "<object object at 0x7fffdeadbeef>\n"),
        printed("print(f'{-0.0:.2f}')", "0.00\n"),
        printed("print('-0.05 and 0.5')", "0.05 and 0.5\n"),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    path = tmp_path / "changed.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata=kernel), path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    options = [
        "-c",
        os.devnull,
        "--rootdir",
        str(tmp_path),
        "--nbval",
        "--nbval-sanitize-with",
        str(SANITIZE),
    ]
    done = subprocess.run([*command, *options, str(path)], capture_output=True, text=True, cwd=tmp_path)
    failed = [
        number for number in range(len(cells)) if f"::Cell {number} " in done.stdout.split("summary")[-1]
    ]
    assert failed == [1, 5], done.stdout[-3000:]
    assert "4 passed" in done.stdout
