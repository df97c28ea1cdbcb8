"""The page on the controlled study: words follow intervals, figures and tables name their data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest

from cmpie_lite.metrics import SCORES
from cmpie_lite.notebook import study
from cmpie_lite.results.mechanism import MEASURES
from cmpie_lite.results.report_form import frame_of, split_of
from cmpie_lite.results.reports import settings_text
from cmpie_lite.results.study_files import read_study

ROWS = ("han", "two_hans", "segment_attention", "cmpie", "cmpie cma_form=projected")
READING = f"the reading {settings_text('cma_form=projected')} (over CM-PIE)"


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
    assert text.startswith("`corrupt`, share of spoilt segments (event Type@AV):")
    assert "- SA (+Seg Attention over two HANs): undecided at 0; helps at 1" in text
    assert "- CMA (CM-PIE over +Seg Attention): undecided at 0; hurts at 1" in text
    assert f"- {READING}: undecided at 0, 1" in text


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
    rows = pd.DataFrame(report["differences"]["data"], columns=report["differences"]["columns"])
    fewer = rows[(rows.level == "0") | ~rows.better.str.startswith("cmpie ")]
    cells = study.verdict_table(report | {"differences": split_of(fewer)}).cells
    assert cells.loc[("corrupt", "1"), READING] == "not run"
    fields = study.condition_table(report).cells.loc[("corrupt", "1"), "fields of SimConfig"]
    assert fields == settings_text("corrupt=1")


def test_everything_names_its_data(report: dict[str, Any]) -> None:
    source = "LLP-sim (NOT LLP), preset small, 3 seeds, 2 epochs, every run with dim\u00a0= 64"
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


def test_panels_of_behaviour_are_in_percent_and_points(report: dict[str, Any]) -> None:
    figure = study.mechanism_plot(report, "corrupt")
    panels = {axes.get_title("left") or axes.get_title(): axes for axes in figure.axes}
    heights = {
        title: {float(y) for line in axes.lines for y in line.get_ydata()} for title, axes in panels.items()
    }
    told = {title.replace("\n", " "): found for title, found in heights.items()}
    assert told["audio events that span the clip, % of those predicted"] == {50.0}
    assert told["what timing adds to event Type@AV, points"] == {1.0}
    assert max(told["share of CMA's attention on audio"]) <= 1


# ---------- what the page says ----------

ROOT = Path(__file__).resolve().parents[1]
SECOND, SA, CMA = ("two_hans", "han"), ("segment_attention", "two_hans"), ("cmpie", "segment_attention")
SAID = {  # event Type@AV in points, as the notebook's "What came out" prints it
    (*SA, "corrupt", "0.0"): "+0.5",
    (*SA, "signals", "2:1"): "+0.6",
    (*CMA, "corrupt", "0.0"): "-2.1",
    (*CMA, "place", "0.0"): "-2.6",
    (*CMA, "heard_only", "0.35"): "-3.5",
    (*CMA, "corrupt", "0.2"): "+1.3",
    (*CMA, "corrupt", "0.4"): "+3.3",
    (*CMA, "shared", "0.5"): "+0.1",
}


def test_what_the_page_says_of_the_study_is_what_is_stored() -> None:
    report = read_study(ROOT / "book" / "results" / "when_it_helps.json")
    cells = nbformat.read(ROOT / "notebooks" / "when_it_helps.ipynb", as_version=4).cells
    page = next(cell.source for cell in cells if cell.source.startswith("## What came out"))
    rows = frame_of(report["differences"])
    rows = rows[rows.metric == "event_type"].set_index(["better", "worse", "knob", "level"]).sort_index()
    for place, number in SAID.items():
        assert f"{100 * rows.loc[place, 'mean']:+.1f}" == number, place
        assert number in page
        undecided = rows.loc[place, "low"] <= 0 <= rows.loc[place, "high"]
        assert undecided == (place == (*CMA, "shared", "0.5")), place
    assert 100 * rows.loc[(*SA, "corrupt", "0.4"), "high"] < 0
    assert f"costs {-100 * rows.loc[(*SA, 'corrupt', '0.4'), 'mean']:.1f}" in page
    told = study.summary(report)[1]
    assert told.count("corrupt") + told.count("signals") == 3, "SA is told at three levels, and no other"
    once = frame_of(report["conditions"]).drop_duplicates("sha256")
    levels = pd.MultiIndex.from_frame(once[["knob", "level"]])
    assert len(levels) == 13
    projected = rows.loc[("cmpie cma_form=projected", "cmpie")].loc[levels]
    costs = -100 * projected["mean"][projected.high < 0]
    assert len(costs) == 11
    assert f"{costs.min():.1f} to {costs.max():.1f} points at eleven of 13 levels" in page
    over_all = rows.loc[("cmpie sa_axis=global", "cmpie")].loc[levels]
    brings = 100 * over_all["mean"][over_all.low > 0]
    assert len(brings) == 5
    assert f"{brings.min():.1f} to {brings.max():.1f}" in page
    assert (projected.low < 0).all()
    assert (over_all.high > 0).all(), "the other levels are undecided"

    runs = frame_of(report["runs"])
    spoilt = runs[(runs.knob == "corrupt") & (runs.level != "0.0")]
    gates = 100 * spoilt.groupby(["level", "system"]).gate_auc.mean().dropna()
    assert (round(gates.min()), round(gates.max())) == (50, 51)
    base = runs[(runs.knob == "corrupt") & (runs.level == "0.0")].groupby("system").mean(numeric_only=True)
    assert f"{100 * base.full_audio.cmpie:.0f} % of CM-PIE's audible events span the clip" in page
    assert f"{100 * base.full_audio.segment_attention:.0f} % of +Seg Attention's" in page
    assert f"{100 * base.cma_audio.cmpie:.0f} % goes to the sound" in page
    noisy = runs[(runs.knob == "corrupt") & (runs.level == "0.4")].groupby("system").mean(numeric_only=True)
    assert (noisy.timing_event < 0).all(), "every row would score higher with its classes in all seconds"
    assert f"+Seg Attention by {-100 * noisy.timing_event.segment_attention:.1f} points" in page
    assert f"CM-PIE by {-100 * noisy.timing_event.cmpie:.1f}." in page
    most = runs[(runs.knob == "shared") & (runs.level == "0.9")].groupby("system").event_type.mean()
    assert most.max() < 0.1, "no row finds much"
    unseen = runs[(runs.knob == "heard_only") & (runs.level == "0.7")].groupby("system").event_audio.mean()
    assert unseen.cmpie < 0.02, "CM-PIE finds next to nothing of what is heard"


def test_a_knob_without_readings_has_no_panels_of_them(report: dict[str, Any]) -> None:
    rows = frame_of(report["differences"])
    other = rows[~rows.better.str.startswith("cmpie ")].assign(knob="place")
    conditions = frame_of(report["conditions"])
    both = report | {
        "differences": split_of(pd.concat([rows, other], ignore_index=True)),
        "conditions": split_of(pd.concat([conditions, conditions.assign(knob="place")], ignore_index=True)),
    }
    assert len(study.difference_plot(both, "corrupt").axes) == 4
    assert len(study.difference_plot(both, "place").axes) == 2
    assert f"- {READING}: not run" in study.sentence(both, "place")
