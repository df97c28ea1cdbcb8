"""The ledger of equations: each has its text, its code and its test, and a gap is called one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from book.tools import ledger


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Eq. 1: attention.", {"1"}),
        ("the weights (Eq. 4-5), the product (Eq. 6–7)", {"4", "5", "6", "7"}),
        ("Eq. 8, 10 and 12", {"8", "10", "12"}),
        ("Pools as HAN does (Eq. MMIL).", {"mmil"}),
        ("Eq. SEGMENT-F and EVENT-F", {"segment-f", "event-f"}),
        ("Eq. 14, equation 3, Eq. NONSENSE, IEEEq. 2", set()),
    ],
)
def test_docstrings_name_equations(text: str, found: set[str]) -> None:
    assert ledger.mentioned(text) == found


def small_project(root: Path, *, test_docstring: str = "Eq. 1 equals a loop.", cells: int = 1) -> Path:
    for folder in ("notebooks", "cmpie_lite", "tests"):
        (root / folder).mkdir()
    cell = {"cell_type": "markdown", "source": ["# 1 · Attention\n", "\n", "$$\n", "a = b\n", "$$ (eq-1)\n"]}
    (root / "notebooks" / "01_attention.ipynb").write_text(json.dumps({"cells": [cell] * cells}))
    (root / "cmpie_lite" / "attention.py").write_text(
        'def attend():\n    """Eq. 1."""\n\ndef _no():\n    """Eq. 2."""\n'
    )
    (root / "tests" / "test_attention.py").write_text(
        f'def test_it():\n    """{test_docstring}"""\n    assert True\n'
    )
    return root


def test_ledger_accounts_for_a_complete_equation(tmp_path: Path) -> None:
    row = ledger.rows(small_project(tmp_path))[0]
    assert not row.missing
    assert row.cells == [ledger.Place("notebooks/01_attention.ipynb", "1 · Attention", 1, 1)]
    assert row.functions == [ledger.Place("cmpie_lite/attention.py", "attend", 1, 2)]
    assert row.tests == [ledger.Place("tests/test_attention.py", "test_it", 1, 3)]


def test_an_equation_without_a_test_is_a_gap(tmp_path: Path) -> None:
    found = ledger.gaps(small_project(tmp_path, test_docstring="It runs."))
    assert "Eq. 1 (scaled dot-product attention) has no test" in found
    assert "Eq. 2 (HAN, audio) has no cell, no function, no test" in found


def test_an_equation_labelled_twice_is_a_gap(tmp_path: Path) -> None:
    assert any("labelled 2 times" in gap for gap in ledger.gaps(small_project(tmp_path, cells=2)))


def test_no_row_of_the_ledger_is_empty() -> None:
    assert ledger.gaps() == []
