"""The audit of the paper's tables finds what is there, and nothing when a cell is changed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from book.tools import audit
from tests.making import ROOT

PAPER = ROOT / "cmpie_lite" / "results" / "paper"


def test_audit_finds_the_two_rows_that_do_not_add_up() -> None:
    failing = {(c.table, c.method, c.level) for c in audit.type_checks() if not c.holds}
    assert failing == {(1, "MM-Pyramid", "segment"), (1, "MM-Pyramid", "event")}


def test_audit_finds_the_cells_that_look_exchanged() -> None:
    segment, event, segment_mean, event_mean = audit.exchanges()[0]
    assert (segment, event) == ("av", "visual")
    assert round(segment_mean, 2) == Decimal("55.10")
    assert round(event_mean, 2) == Decimal("49.63")


def test_a_changed_cell_changes_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    original = audit.read

    def read(number: int) -> audit.Table:
        table = original(number)
        table["HAN"] = table["HAN"] | {"segment_type": Decimal("54.2"), "event_av": Decimal("49.0")}
        return table

    monkeypatch.setattr(audit, "read", read)
    assert [c for c in audit.type_checks() if c.method == "HAN" and not c.holds]
    page = audit.markdown()
    assert "HAN, segment level (printed 54.2, mean 53.97)" in page
    assert "CM-PIE is above HAN in 9 of 10 columns" in page


def test_state_of_the_art_is_held_against_more_than_the_papers_own_table() -> None:
    (found,) = (s for s in audit.sentences() if s.quotation.startswith("state-of-the-art"))
    assert found.verdict == "holds within the rows of Table 1, not beyond them"
    for figure in ("61.9 (MA", "53.9 (JoMoLD", "54.6 (DHHN", "52.5 (JoMoLD", "53.3 (DHHN"):
        assert figure in found.cells
    assert "we have not read them" in found.cells
    page = " ".join((ROOT / "book" / "paper_audit.md").read_text().split())
    assert "The drawings of the paper's Fig. 1–3 were not at hand" in page


@pytest.mark.shared
def test_the_tables_are_the_papers(shared: Path) -> None:
    for number in (1, 2):
        ours, theirs = (PAPER / f"table{number}.csv", shared / "paper" / f"table{number}.csv")
        assert ours.read_text().split() == theirs.read_text().split()
