"""The page on the controlled study: words follow intervals, figures and tables name their data."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from cmpie_lite.metrics import SCORES
from cmpie_lite.notebook import study
from cmpie_lite.results.mechanism import MEASURES
from cmpie_lite.results.report_form import split_of

ROWS = ("han", "two_hans", "segment_attention", "cmpie", "cmpie cma_form=projected")


@pytest.fixture
def report() -> dict[str, Any]:
    """A made-up report: on level 1, SA helps and CMA hurts; on level 0, nothing is told."""
    runs, differences = [], []
    effect = {"0": 0.0, "1": 0.02}
    for level, size in effect.items():
        for seed in (1, 2, 3):
            for i, name in enumerate(ROWS):
                measures = dict.fromkeys(MEASURES, None if name == "han" else 0.1 * i)
                behaviour = {
                    "full_audio": 0.5,
                    "full_visual": 0.6,
                    "timing_segment": 0.0,
                    "timing_event": 0.01,
                }
                runs.append({"knob": "corrupt", "level": level, "system": name, "seed": seed,
                             **dict.fromkeys(SCORES, 0.5 + 0.01 * i), **measures, **behaviour})  # fmt: skip
        pairs = [*study.BLOCKS, ("cmpie cma_form=projected", "cmpie")]
        signs = {("segment_attention", "two_hans"): 1, ("cmpie", "segment_attention"): -1}
        for better, worse in pairs:
            mean = signs.get((better, worse), 0) * size
            for metric in SCORES:
                where = {
                    "knob": "corrupt",
                    "level": level,
                    "better": better,
                    "worse": worse,
                    "metric": metric,
                }
                differences.append(where | {"mean": mean, "low": mean - 0.01, "high": mean + 0.01})
    conditions = [
        {"knob": "corrupt", "level": k, "question": "share of spoilt segments", "set": f"corrupt={k}",
         "sha256": k * 64, "videos": "640/200/2000"} for k in effect
    ]  # fmt: skip
    frames = {"conditions": conditions, "runs": runs, "differences": differences}
    facts = {
        "source": "LLP-sim",
        "preset": "small",
        "seeds": [1, 2, 3],
        "epochs": 2,
        "overrides": {"dim": 64},
    }
    return facts | {name: split_of(pd.DataFrame(rows)) for name, rows in frames.items()}


def test_words_follow_intervals(report: dict[str, Any]) -> None:
    assert (study.word(0.1, 0.2), study.word(-0.2, -0.1), study.word(-0.1, 0.1)) == (
        "helps",
        "hurts",
        "undecided",
    )
    assert study.word(float("nan"), float("nan")) == "one seed"
    text = study.sentence(report, "corrupt")
    assert text.startswith("`corrupt`, share of spoilt segments (event type):")
    assert "- SA (+Seg Attention over two HANs): undecided at 0; helps at 1" in text
    assert "- CMA (CM-PIE over +Seg Attention): undecided at 0; hurts at 1" in text
    assert "- the reading cma_form=projected (over CM-PIE): undecided at 0, 1" in text


def test_the_summary_names_the_levels_at_which_a_block_acts(report: dict[str, Any]) -> None:
    lines = study.summary(report)
    assert (
        lines[1]
        == "SA (+Seg Attention over two HANs) helps at corrupt 1 (+2.0); is undecided at 1 of 2 levels."
    )
    assert lines[2].startswith("CMA (CM-PIE over +Seg Attention) hurts at corrupt 1 (-2.0);")
    assert lines[0] == "A second HAN (two HANs over HAN) is undecided at 2 of 2 levels."
    again = pd.DataFrame(report["conditions"]["data"], columns=report["conditions"]["columns"])
    twice = report | {"conditions": split_of(again.assign(sha256="a" * 64))}
    assert study.summary(twice)[0].endswith("undecided at 1 of 1 levels."), "one data set is told once"


def test_the_table_gives_word_points_and_interval(report: dict[str, Any]) -> None:
    table = study.verdict_table(report)
    assert (
        table.cells.loc[("corrupt", "1"), "SA (+Seg Attention over two HANs)"]
        == "helps: +2.0 [+1.0,\u00a0+3.0]"
    )
    assert len(table.cells) == 2
    assert study.condition_table(report).cells.loc[("corrupt", "1"), "fields of SimConfig"] == "corrupt=1"


def test_everything_names_its_data(report: dict[str, Any]) -> None:
    source = "LLP-sim (NOT LLP), preset small, 3 seeds, 2 epochs, every run with dim=64"
    assert study.study_source(report) == source
    for table in (study.verdict_table(report), study.condition_table(report)):
        assert table.title.startswith(source)
    for figure in (study.difference_plot(report, "corrupt"), study.mechanism_plot(report, "corrupt")):
        assert figure.get_suptitle() == source
    assert study.knobs_in(report) == ["corrupt"]


def test_a_measure_that_no_row_has_gets_no_panel(report: dict[str, Any]) -> None:
    runs = pd.DataFrame(report["runs"]["data"], columns=report["runs"]["columns"]).assign(gate_auc=None)
    panels = study.mechanism_plot(report | {"runs": split_of(runs)}, "corrupt").axes
    titles = [a.get_title(place) for a in panels for place in ("left", "center")]  # where the style puts them
    assert not any("tells spoilt segments" in title for title in titles)
    assert any("CMA's attention on audio" in title for title in titles)
