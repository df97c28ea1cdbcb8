"""The house that a newcomer reads in an evening: short files, few of them at the root, tests apart."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("cmpie_lite", "data_fetch", "book", "tests")
FILES = [path for name in FOLDERS for path in (ROOT / name).rglob("*.py") if "_build" not in path.parts]


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf8").splitlines())


def test_no_file_is_long() -> None:
    assert len(FILES) > 250
    assert {str(path.relative_to(ROOT)): lines(path) for path in FILES if lines(path) > 260} == {}


def test_the_root_of_the_package_is_the_paper() -> None:
    root = list((ROOT / "cmpie_lite").glob("*.py"))
    assert len(root) <= 16
    assert sum(map(lines, root)) <= 1550


def test_the_readmes_tree_is_short() -> None:
    tree = (ROOT / "README.md").read_text(encoding="utf8").split("## What is where")[1].split("```")[1]
    assert len(tree.strip().splitlines()) <= 14
    for name in (*FOLDERS[:3], "notebooks"):
        assert f"\n{name}/" in tree


def test_no_test_file_imports_another() -> None:
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            found = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            assert not found.rpartition(".")[2].startswith("test_"), path
