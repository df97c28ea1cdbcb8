"""The paper's sentences on our runs: the rule, the sizes that are tested, the words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cmpie_lite.metrics import SCORES
from cmpie_lite.results.claims import CLAIMS, UNTESTED, judge, verdict, verdicts
from cmpie_lite.results.intervals import Interval
from cmpie_lite.results.pairing import paired
from cmpie_lite.results.published import published_scores
from cmpie_lite.systems.rows import paper_rows, title_of
from tests.making_reports import interval, two_systems


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([interval(0.1, 0.2), interval(0.01, 0.3)], "supported"),
        ([interval(0.1, 0.2), interval(0.0, 0.3)], "undecided at 6 seeds"),
        ([interval(0.1, 0.2), interval(-0.3, -0.1)], "contradicted"),
        ([interval(0.1, 0.2), interval(-0.3, 0.1)], "undecided at 6 seeds"),
        ([interval(0.1, 0.2), interval(0.1, 0.2, 5)], "undecided at 5 seeds (fewer than 6 decide nothing)"),
        ([interval(0.1, 0.2), None], UNTESTED),
        ([], UNTESTED),
    ],
)
def test_the_rule(intervals: list[Interval | None], expected: str) -> None:
    assert verdict(intervals) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.034, 0.05, "supported"),
        (0.02, 0.05, "undecided at 6 seeds"),
        (-0.01, 0.04, "undecided at 6 seeds"),
        (-0.019, 0.024, "contradicted"),  # what the first stored runs had for 3.3 points
        (0.01, 0.02, "contradicted"),  # better, but not by what the sentence says
    ],
)
def test_a_named_size_is_tested_for(low: float, high: float, expected: str) -> None:
    assert verdict([interval(low, high)], [0.033]) == expected
    sized = next(claim for claim in CLAIMS if "3.3%" in claim.quotation)
    assert [sized.least(metric) for metric in sized.metrics] == [0.033]
    rows = paired(two_systems(6), *sized.pairs[0])
    rows.loc[rows.metric == "event_event", ["low", "high"]] = [low, high]
    what, facts = judge(sized, rows)
    assert what == expected
    assert facts[0].endswith("; the sentence names +3.3")


def test_every_size_that_a_sentence_names_is_tested() -> None:
    for claim in CLAIMS:
        named = [float(x) for x in re.findall(r"(\d\.\d)%", claim.quotation)]
        assert list(claim.at_least) == named, claim.quotation


def test_state_of_the_art_is_tested_against_the_code_as_published() -> None:
    claim = next(claim for claim in CLAIMS if "state-of-the-art" in claim.quotation)
    assert "mm_pyramid_swapped" in claim.worse
    assert "mm_pyramid" not in claim.worse


def test_the_papers_sentences_on_our_runs() -> None:
    rows = paired(two_systems(6), "cmpie", "han")
    judged = {claim.quotation[:12]: judge(claim, rows)[0] for claim in CLAIMS if claim.table == 1}
    assert judged["a significan"] == "supported"
    assert judged["up to a 1.6%"] == "contradicted"  # +2.0 points of each; 1.6 and 2.3 are named
    assert judged["state-of-the"] == UNTESTED  # AVE, AVSDN and MM-Pyramid were not run
    rows.loc[rows.metric == "event_av", ["low", "high"]] = [-0.2, -0.1]
    assert judge(CLAIMS[0], rows)[0] == "contradicted"
    text = verdicts(1, rows, "LLP-sim")
    assert "On LLP-sim: **contradicted**." in text
    assert "event AV, CM-PIE above HAN" in text


def test_claims_name_systems_and_scores_that_exist() -> None:
    for claim in CLAIMS:
        assert {claim.better, *claim.worse} <= paper_rows(claim.table).keys()
        assert set(claim.metrics) <= set(SCORES)
    assert set(paper_rows(2).values()) == set(published_scores(2))
    assert set(paper_rows(1).values()) == set(published_scores(1))
    assert title_of("han") == "HAN"
    assert title_of("without_visual") == "w/o. V"


@pytest.mark.shared
def test_claims_are_the_papers_words(shared: Path) -> None:
    paper = re.sub(r"\s+", " ", (shared / "paper" / "cm-pie.md").read_text(encoding="utf8"))
    assert [c.quotation for c in CLAIMS if c.quotation not in paper] == []
