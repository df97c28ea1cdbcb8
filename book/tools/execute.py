"""Execute notebooks in place, so that a second run changes nothing.

    python -m book.tools.execute                          every notebook that takes no parameters
    python -m book.tools.execute notebooks/02_han.ipynb   only this one

Two threads, a fixed hash seed, the notebook's own folder as working directory. What depends on the moment is
left out: times, random cell ids, the version of Python, the output of cells tagged `live-only` (widgets
without a kernel). The first code cell, tagged `setup`, is the same in all notebooks; it is written here, with
the address of the repository that `_config.yml` states, and with the further packages that a notebook's own
cell names as `needs` in its metadata.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from book.tools.project import ROOT, repository

NOTEBOOKS = ROOT / "notebooks"
LIGHT = ("jaxtyping", "safetensors")  # what the book needs and Colab does not have
LIMIT, TRAINING_LIMIT = 300, 3600  # seconds a cell may take, in a chapter and where whole models are trained

SETUP = """\
# On Colab: installs the book's package beside Colab's own torch. Elsewhere: nothing.
import importlib.util
import os
import subprocess
import sys

if "google.colab" in sys.modules or os.environ.get("COLAB_RELEASE_TAG"):
    light = {light}
    missing = [name for name in light if importlib.util.find_spec(name) is None]
    book = ["--no-deps", "git+{url}"]
    pip = [sys.executable, "-m", "pip", "install", "-q"]
    for wanted in filter(None, (missing, book)):
        if subprocess.run(pip + wanted).returncode:
            raise RuntimeError(
                f"pip could not install {{wanted[-1]}}: check the network, then run this cell again"
            )\
"""

NO_ADDRESS = """\
# No public address yet: where cmpie_lite is missing, the error says what to do.
import importlib.util

if importlib.util.find_spec("cmpie_lite") is None:
    raise ModuleNotFoundError(
        "cmpie_lite is not installed: in the project's folder run `make setup`, or, on "
        "Colab, upload the folder and run `%pip install {names}` and "
        "`%pip install --no-deps FOLDER`, then this cell again"
    )\
"""


def setup_cell(url: str, needs: Sequence[str] = ()) -> str:
    """The text of a notebook's first code cell, for a book with this address (or with none).

    `needs` are packages beyond the book's own that Colab lacks, each under the name by which it is imported.
    """
    light = (*LIGHT, *needs)
    written = f"({', '.join(json.dumps(name) for name in light)})"
    return SETUP.format(url=url, light=written) if url else NO_ADDRESS.format(names=" ".join(light))


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def takes_parameters(notebook: NotebookNode) -> bool:
    """True for notebooks that papermill runs, such as train.ipynb."""
    return any("parameters" in tags(cell) for cell in notebook.cells)


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run every cell in a fresh kernel; an exception in a cell is raised here."""
    client = NotebookClient(
        notebook,
        timeout=TRAINING_LIMIT if takes_parameters(notebook) else LIMIT,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
    )
    return client.execute()


def normalise(notebook: NotebookNode, url: str | None = None) -> NotebookNode:
    """Write the setup cell, and replace whatever differs from run to run or from machine to machine.

    The address is the one that `_config.yml` states where `url` is None.
    """
    url = repository()["url"] if url is None else url
    taken: set[str] = set()
    for cell in notebook.cells:
        if "setup" in tags(cell):
            cell.source = setup_cell(url, cell.metadata.get("needs", ()))
        cell.id = content_id(cell, taken)
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [] if "live-only" in tags(cell) else merge_streams(cell.outputs)
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def content_id(cell: NotebookNode, taken: set[str]) -> str:
    """An id made of the cell's kind and text; a counter tells equal cells apart."""
    base = hashlib.sha256(f"{cell.cell_type}\0{cell.source}".encode()).hexdigest()[:8]
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}-{count}"
    taken.add(name)
    return name


def merge_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join neighbouring pieces of printed text: where they are cut depends on timing."""
    merged: list[NotebookNode] = []
    for output in outputs:
        before = merged[-1] if merged else None
        if before and output.output_type == before.output_type == "stream" and output.name == before.name:
            before.text += output.text
        else:
            merged.append(output)
    return merged


def run(path: Path) -> float:
    """Execute and rewrite one notebook; returns the seconds it took."""
    notebook = normalise(nbformat.read(path, as_version=4))
    began = time.perf_counter()
    notebook = normalise(execute(notebook, path.parent))
    seconds = time.perf_counter() - began
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    return seconds


def main(arguments: list[str]) -> None:
    os.environ |= {
        "OMP_NUM_THREADS": "2",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    chosen = [Path(name).resolve() for name in arguments]
    if not chosen:
        every = sorted(NOTEBOOKS.glob("*.ipynb"))
        chosen = [path for path in every if not takes_parameters(nbformat.read(path, as_version=4))]
    for path in chosen:
        print(f"{path.name}: {run(path):.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
