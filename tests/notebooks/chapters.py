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
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

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


def run_with_solutions(path: Path) -> dict[str, list[list[str]]]:
    """Run a chapter, each reader's cell twice: {exercise: [lines checked with the stub, with the solution]}.

    It runs in a process of its own, as a reader's kernel does: without the types that pytest checks.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    command = [sys.executable, __file__, str(path)]
    done = subprocess.run(command, cwd=path.parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def main(path: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    tasks, found = exercises(path), {}
    for place, cell in enumerate(cells(path)):
        if cell["cell_type"] != "code" or "live-only" in cell["tags"]:
            continue
        versions = [cell["source"]]
        if place in tasks:
            versions.append(solved(cell["source"], tasks[place][1]))
        lines = []
        for source in versions:
            printed = io.StringIO()
            with redirect_stdout(printed):
                exec(compile(source, f"{path.name}[{place + 1}]", "exec"), namespace)
            lines.append([line for line in printed.getvalue().splitlines() if "Exercise" in line])
        if place in tasks:
            found[tasks[place][0]] = lines
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
