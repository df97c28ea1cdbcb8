"""Put a stored report's outputs into the table notebooks, and leave their parameters as they are.

    python -m book.tools.stored                            both, from book/results/table1.json and table2.json
    python -m book.tools.stored notebooks/table2.ipynb     one

The notebook is executed with `stored` naming the report, as `papermill -p stored ...` would do, and the
injected cell is taken out again: whoever opens the notebook trains by default, and sees the stored run.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

from book.tools.execute import NOTEBOOKS, execute, normalise, tags
from book.tools.project import ROOT


def show_stored(path: Path, report: Path) -> None:
    """Execute one notebook on a report and write it back with the outputs."""
    notebook = normalise(nbformat.read(path, as_version=4))
    place = next(i for i, cell in enumerate(notebook.cells) if "parameters" in tags(cell)) + 1
    where = os.path.relpath(report, path.parent)
    notebook.cells.insert(place, new_code_cell(f'# Parameters\nstored = "{where}"'))
    notebook = execute(notebook, path.parent)
    del notebook.cells[place]
    for cell in notebook.cells:
        if "remove-stderr" in tags(cell):
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    count = 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = count
    notebook = normalise(notebook)
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def main(arguments: list[str]) -> None:
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    chosen = [Path(name).resolve() for name in arguments]
    for path in chosen or [NOTEBOOKS / "table1.ipynb", NOTEBOOKS / "table2.ipynb"]:
        show_stored(path, ROOT / "book" / "results" / f"{path.stem}.json")
        print(path.name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
