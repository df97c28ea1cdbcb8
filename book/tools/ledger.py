"""The equation ledger: every equation -> notebook cell, function, test, status.

Nothing is typed twice. A notebook shows an equation by labelling it (`$$ ... $$ (eq-4)`); a public function
of `cmpie_lite` computes it, and a test holds it, where its docstring names it (`Eq. 4`, `Eq. 4-7`,
`Eq. 8, 10`, `Eq. MMIL`). This module only reads. A row with an empty place is a gap, and a gap fails the
strict build.
"""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from book.tools.project import ROOT

# What there is to account for: the paper's numbered equations, then what it uses without printing it.
EQUATIONS: dict[str, str] = {
    "1": "scaled dot-product attention",
    "2": "HAN, audio",
    "3": "HAN, visual",
    "4": "segment weights, audio",
    "5": "segment weights, visual",
    "6": "refined features, audio",
    "7": "refined features, visual",
    "8": "aggregation, audio, stream h",
    "9": "aggregation, visual, stream h",
    "10": "aggregation, audio, stream s",
    "11": "aggregation, visual, stream s",
    "12": "mean of the streams, audio",
    "13": "mean of the streams, visual",
    "mmil": "MMIL pooling",
    "bce": "binary cross-entropy",
    "smooth": "label smoothing",
    "loss": "weak-label loss",
    "gate": "decoding with the video gate",
    "segment-f": "segment-level F-score",
    "event-f": "event-level F-score",
    "type-av": "Type@AV",
    "event-av": "Event@AV",
}

TOKEN = r"(?:\d+(?:\s?[-–]\s?\d+)?|[A-Z]+(?:-[A-Z]+)*\b)"
MENTION = re.compile(rf"\bEqs?\.\s+({TOKEN}(?:(?:,\s|\sand\s|\sor\s){TOKEN})*)")
LABEL = re.compile(r"\$\$\s*\(eq-([\w-]+)\)|:label:\s*eq-([\w-]+)")


class Place(NamedTuple):
    """Something that accounts for an equation: where it is (path, name) and its lines (or its cell)."""

    path: str
    name: str
    first: int
    last: int


class Row(NamedTuple):
    """One equation and all that accounts for it."""

    identity: str
    title: str
    cells: list[Place]
    functions: list[Place]
    tests: list[Place]

    @property
    def missing(self) -> list[str]:
        places = {"cell": self.cells, "function": self.functions, "test": self.tests}
        return [name for name, found in places.items() if not found]


def printed(identity: str) -> str:
    """An equation's number as it stands beside it: 4, MMIL, EVENT-F."""
    return identity.upper()


def mentioned(text: str) -> set[str]:
    """The equations that a docstring names: "Eq. 4-6" gives 4, 5, 6; unknown names are left out."""
    found: set[str] = set()
    for match in MENTION.finditer(text):
        for token in re.findall(TOKEN, match[1]):
            bounds = re.split(r"\s?[-–]\s?", token)
            if bounds[0].isdigit():
                found |= {str(n) for n in range(int(bounds[0]), int(bounds[-1]) + 1)}
            else:
                found.add(token.lower())
    return found & EQUATIONS.keys()


def definitions(path: Path) -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    """Functions and classes of a file, and their methods, with qualified names."""
    for node in ast.parse(path.read_text(encoding="utf8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
            for inner in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(inner, ast.FunctionDef):
                    yield f"{node.name}.{inner.name}", inner


def named(folder: Path, pattern: str, wanted: str, root: Path) -> dict[str, list[Place]]:
    """{equation: definitions below `folder` whose name matches `wanted` and whose docstring names it}."""
    found: dict[str, list[Place]] = defaultdict(list)
    for path in sorted(folder.rglob(pattern)):
        for name, node in definitions(path):
            if re.match(wanted, name.rsplit(".", 1)[-1]):
                place = Place(
                    path.relative_to(root).as_posix(), name, node.lineno, node.end_lineno or node.lineno
                )
                for identity in mentioned(ast.get_docstring(node) or ""):
                    found[identity].append(place)
    return found


def labelled(folder: Path, root: Path) -> dict[str, list[Place]]:
    """{equation: notebook cells (numbered from 1) that show it with its label}."""
    found: dict[str, list[Place]] = defaultdict(list)
    for path in sorted(folder.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf8"))["cells"]
        title = next((re.findall(r"^# (.+)", "".join(c["source"]), re.M) for c in cells), []) or [path.stem]
        for number, cell in enumerate(cells, 1):
            if cell["cell_type"] == "markdown":
                for match in LABEL.finditer("".join(cell["source"])):
                    place = Place(path.relative_to(root).as_posix(), title[0], number, number)
                    found[match[1] or match[2]].append(place)
    return found


def rows(root: Path = ROOT) -> list[Row]:
    """Read notebooks, package and tests, and account for every equation."""
    cells = labelled(root / "notebooks", root)
    functions = named(root / "cmpie_lite", "*.py", r"(?!_)", root)
    tests = named(root / "tests", "test_*.py", r"test_", root)
    return [Row(i, title, cells[i], functions[i], tests[i]) for i, title in EQUATIONS.items()]


def gaps(root: Path = ROOT) -> list[str]:
    """One sentence for every equation that lacks a cell, a function or a test, or has more than one cell."""
    sentences = []
    for row in rows(root):
        if row.missing:
            sentences.append(f"Eq. {printed(row.identity)} ({row.title}) has no {', no '.join(row.missing)}")
        if len(row.cells) > 1:
            where = ", ".join(f"{c.path} cell {c.first}" for c in row.cells)
            sentences.append(f"Eq. {printed(row.identity)} is labelled {len(row.cells)} times: {where}")
    return sentences


def markdown(root: Path = ROOT) -> str:
    """The ledger as a Markdown table, with links to cells, source lines and tests."""

    def links(places: list[Place], shown: int = 3) -> str:
        parts = [f"[`{p.name}`](../{p.path}#{p.name})" for p in places[:shown]]
        more = [f"and {len(places) - shown} more"] if len(places) > shown else []
        return "<br>".join(parts + more) or "**none**"

    lines = ["| Eq. | what | chapter | function | test |", "|---|---|---|---|---|"]
    for row in rows(root):
        cells = "<br>".join(f"[{c.name}](../{c.path}#eq-{row.identity})" for c in row.cells)
        lines.append(
            f"| {printed(row.identity)} | {row.title} | {cells or '**none**'} | {links(row.functions)} "
            f"| {links(row.tests)} |"
        )
    complete = sum(not row.missing for row in rows(root))
    summary = f"{complete} of {len(EQUATIONS)} equations have a cell, a function and a test."
    return "\n".join([summary, "", '<div class="wide ledger">', "", *lines, "", "</div>"])
