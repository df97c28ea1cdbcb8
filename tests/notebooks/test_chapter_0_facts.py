"""Facts about LLP that chapter 0 tells are those of its annotations."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from chapters import ROOT, markdown

from cmpie_lite.data.annotations import fault_table, read_annotations
from cmpie_lite.results.metric_tables import trivial_references

NOTEBOOKS = ROOT / "notebooks"


def table_after(stem: str, marker: str) -> list[list[str]]:
    """The cells of the Markdown table that follows a comment `<!-- marker: ... -->`, without its head."""
    text = markdown(NOTEBOOKS / f"{stem}.ipynb")
    body = re.search(rf"<!-- {marker}:.*?-->\n\n((?:\|.*\n?)+)", text)
    assert body, f"{stem} has no table marked {marker}"
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in body[1].strip().splitlines()[2:]]


@pytest.mark.shared
def test_the_faults_that_chapter_0_tells(shared: Path) -> None:
    counted = fault_table(read_annotations(shared / "llp")).groupby("what")["count"]
    total, parts = counted.sum(), counted.apply(list)
    told = {row[0]: row for row in table_after("00_task", "audit")}
    found = {what: int(re.search(r"\d+", row[2])[0]) for what, row in told.items()}  # type: ignore[index]
    assert found == {
        "ids of no split": total["distinct ids in no split"],
        "offset not after onset": total["offset not after onset"],
        "the same row twice": total["duplicate row"],
        "a label twice in one row": total["repeated label"],
        "weak labels differ from the union of the dense ones": total["weak labels differ from dense labels"],
        "no audio event at all": total["videos without audio event"],
        "no visual event at all": total["videos without visual event"],
    }
    for told_as, what in (
        ("weak labels differ from the union of the dense ones", "weak labels differ from dense labels"),
        ("no audio event at all", "videos without audio event"),
        ("no visual event at all", "videos without visual event"),
    ):
        assert [int(n) for n in re.findall(r"\d+", told[told_as][1])] == parts[what]


@pytest.mark.shared
def test_the_references_that_chapter_0_tells(shared: Path) -> None:
    split = read_annotations(shared / "llp").test
    assert split.dense_audio is not None
    assert split.dense_visual is not None
    labels = (torch.from_numpy(x) for x in (split.weak, split.dense_audio, split.dense_visual))
    scores = trivial_references(*labels)
    told = {(row[0].replace(" ", "_"), row[1]): row[2:] for row in table_after("00_task", "references")}
    assert told == {
        (name, level): [f"{x:.1f}" for key, x in s.percent().items() if key.startswith(f"{level}_")]
        for name, s in scores.items()
        for level in ("segment", "event")
    }
