"""Reading chapters as data: their cells, their definitions, their exercises, without a kernel."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "notebooks").glob("0*.ipynb"))
EXERCISE = re.compile(r"\*\*Exercise (\d+\.\d+)\*\*")


def cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook; `source` is one string, `tags` always there."""
    found = json.loads(path.read_text(encoding="utf8"))["cells"]
    for cell in found:
        cell["source"] = "".join(cell["source"])
        cell["tags"] = cell["metadata"].get("tags", [])
    return found


def markdown(path: Path) -> str:
    return "\n\n".join(cell["source"] for cell in cells(path) if cell["cell_type"] == "markdown")


def exercises(path: Path) -> dict[int, tuple[str, str]]:
    """{place of the reader's cell: (number of the exercise, text of its solution)}."""
    found = {}
    every = cells(path)
    for place, cell in enumerate(every):
        if cell["cell_type"] != "markdown":
            continue
        for block in re.split(r'(?=<div class="exercise">)', cell["source"])[1:]:
            number = EXERCISE.search(block)
            solution = re.search(r'<details class="solution">(.*?)</details>', block, re.S)
            assert number, f"{path.name}: an exercise without its number: {block[:80]}"
            assert solution, f"{path.name}: exercise {number[1]} has no solution"
            lines = [x for x in solution[1].splitlines() if x.startswith("    ") or not x.strip()]
            following = next(i for i in range(place + 1, len(every)) if every[i]["cell_type"] == "code")
            found[following] = (number[1], textwrap.dedent("\n".join(lines)))
    return found


def defined(node: ast.stmt) -> set[str]:
    """The names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {x.id for target in node.targets for x in ast.walk(target) if isinstance(x, ast.Name)}
    return set()


def solved(source: str, solution: str) -> str:
    """A reader's cell with the solution in place of the stub it defines."""
    answer, stub = ast.parse(solution), ast.parse(source)
    names = {name for node in answer.body for name in defined(node)}
    stub.body = answer.body + [node for node in stub.body if not defined(node) & names]
    return ast.unparse(stub)


def definitions(path: Path) -> dict[str, Any]:
    """A chapter's own functions and classes, without running anything else of it.

    Imports, functions and classes are taken from the code cells; the cells of exercises are left out.
    """
    skipped = exercises(path)
    kept: list[ast.stmt] = []
    for place, cell in enumerate(cells(path)):
        if cell["cell_type"] != "code" or place in skipped or "setup" in cell["tags"]:
            continue
        wanted = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
        kept += [node for node in ast.parse(cell["source"]).body if isinstance(node, wanted)]
    namespace: dict[str, Any] = {"__name__": path.stem}
    exec(compile(ast.Module(kept, []), str(path), "exec"), namespace)
    return namespace


def leaned_on(path: Path) -> list[int]:
    """The places of the code cells that exercises need: theirs, and all that define a name of one."""
    every, tasks = cells(path), exercises(path)
    kept, wanted = [], set[str]()
    for place in reversed(range(len(every))):
        if every[place]["cell_type"] != "code" or "live-only" in every[place]["tags"]:
            continue
        nodes = list(ast.walk(ast.parse(every[place]["source"])))
        if place in tasks:
            nodes += ast.walk(ast.parse(tasks[place][1]))
        used = {node.id for node in nodes if isinstance(node, ast.Name)}
        named = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        named |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        named |= {(node.asname or node.name).split(".")[0] for node in nodes if isinstance(node, ast.alias)}
        if place in tasks or named & wanted:
            kept.append(place)
            wanted |= used
    return kept[::-1]


def run_with_solutions(paths: Sequence[Path]) -> dict[str, list[list[str]]]:
    """Run what exercises need, readers' cells twice: {exercise: [lines with the stub, with the solution]}.

    All chapters run in one process, apart from pytest's: as a reader's kernel, it does not check types.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    command = [sys.executable, __file__, *map(str, paths)]
    done = subprocess.run(command, cwd=paths[0].parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def stop_of(path: Path, parameters: dict[str, Any]) -> tuple[str, Exception]:
    """The cell at which a notebook with these parameters stops, and its error; without a kernel, here."""
    notebook = parameterize_notebook(load_notebook_node(str(path)), parameters)
    namespace: dict[str, Any] = {"__name__": "__main__", "In": []}
    for cell in [cell for cell in notebook.cells if cell.cell_type == "code"][:4]:  # set-up, parameters twice
        namespace["In"].append(cell.source)
        try:
            exec(cell.source, namespace)
        except Exception as error:
            return cell.source, error
    raise AssertionError(f"{path.name} went on with {parameters}")


def run(path: Path) -> dict[str, list[list[str]]]:
    """What `run_with_solutions` says of one chapter, run here."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    every, tasks, found = cells(path), exercises(path), {}
    for place in leaned_on(path):
        versions = [every[place]["source"]]
        if place in tasks:
            versions.append(solved(versions[0], tasks[place][1]))
        lines = []
        for source in versions:
            printed = io.StringIO()
            with redirect_stdout(printed):
                exec(compile(source, f"{path.name}[{place + 1}]", "exec"), namespace)
            lines.append([line for line in printed.getvalue().splitlines() if "Exercise" in line])
        if place in tasks:
            found[tasks[place][0]] = lines
    return found


if __name__ == "__main__":
    print(json.dumps({number: lines for name in sys.argv[1:] for number, lines in run(Path(name)).items()}))
