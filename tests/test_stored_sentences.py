"""Sentences of pages and captions of figures say what the stored reports say."""

from __future__ import annotations

import math
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from book.tools import headline
from cmpie_lite.metrics import SCORES
from cmpie_lite.results.findings import (
    FITTED,
    NEEDED,
    TAGS,
    of_behaviour,
    of_differences,
    of_durations,
    of_parts,
    of_readings,
    of_tagging,
)
from cmpie_lite.results.intervals import Interval, side_of_zero
from cmpie_lite.results.pairing import interval_of
from cmpie_lite.results.published import published_scores
from cmpie_lite.results.report_files import read_report
from cmpie_lite.results.report_form import frame_of
from cmpie_lite.results.score_tables import behaviour_of
from cmpie_lite.systems.rows import paper_rows

ROOT = Path(__file__).resolve().parents[1]


# ---------- the notebooks that show stored reports ----------


TABLE_NOTEBOOKS = [ROOT / "notebooks" / f"table{n}.ipynb" for n in (1, 2)]


@pytest.mark.parametrize("path", TABLE_NOTEBOOKS, ids=lambda path: path.stem)
def test_every_figure_is_read(path: Path) -> None:
    """After a figure stands a cell that says in a sentence, made of its numbers, what it shows."""
    cells = nbformat.read(path, as_version=4).cells
    figures = [i for i, cell in enumerate(cells) if "figure" in cell.metadata.get("mystnb", {})]
    assert len(figures) >= 2
    for i in figures:
        assert cells[i + 1].source.startswith("Markdown(findings.of_"), cells[i].source
        text = cells[i + 1].outputs[0].data["text/markdown"]
        assert text.endswith(".")
        assert any(c.isdigit() for c in text)


@pytest.mark.parametrize("path", TABLE_NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_says_before_its_scores_which_systems_only_tag(path: Path) -> None:
    behaviour = frame_of(read_report(ROOT / "book" / "results" / f"{path.stem}.json")["tables"]["behaviour"])
    cells = nbformat.read(path, as_version=4).cells
    outputs = [str(cell.get("outputs", "")) for cell in cells]
    first = next(
        i for i, text in enumerate(outputs) if f"**Read this first.** {of_tagging(behaviour)}" in text
    )
    assert first < next(i for i, cell in enumerate(cells) if cell.source.startswith("score_table("))
    assert any("behaviour_table(report)" in cell.source for cell in cells)
    shown = [cell for cell in cells if cell.source.startswith("Markdown(findings.of_behaviour")]
    assert shown[0].outputs[0].data["text/markdown"] == of_behaviour(behaviour)


def test_systems_that_only_tag_are_named() -> None:
    rows = {
        "han": {"full_audio": 0.5, "full_visual": 0.6, "timing_event": 0.012},
        "cmpie": {"full_audio": TAGS + 0.01, "full_visual": 0.6, "timing_event": 0.02},
        "segment_attention": {"full_audio": 0.5, "full_visual": 0.6, "timing_event": NEEDED - 0.001},
    }
    behaviour = pd.DataFrame(rows).T
    said = of_tagging(behaviour)
    assert "little or nothing by saying when: CM-PIE and +Seg Attention." in said
    assert said.endswith("Of the others, HAN times best: its timing adds 1.2 points.")
    assert of_tagging(behaviour.drop("han")).endswith("in all ten seconds.")
    assert of_tagging(behaviour.loc[["han"]]) == "Every system here places events in time."


def test_findings_are_whole_sentences() -> None:
    """No "-0.0 points", no sign for a verb, no sentence that begins in lower case with a system's name."""
    rows = {
        "two_hans": {"full_audio": 0.5, "full_visual": 0.6, "timing_event": -0.0004},
        "cmpie": {"full_audio": 0.5, "full_visual": 0.6, "timing_event": -0.012},
        "han": {"full_audio": 0.5, "full_visual": 0.6, "timing_event": 0.009},
    }
    behaviour = pd.DataFrame(rows).T
    first, second, third = of_behaviour(behaviour).splitlines()
    assert first.startswith("- **two HANs, no SA (control)** gains little or nothing")
    assert first.endswith("its timing adds 0.0 points of event Type@AV.")
    assert second.endswith("its timing costs 1.2 points of event Type@AV.")
    assert third.endswith("its timing adds 0.9 points of event Type@AV.")
    assert "little or nothing by saying when: two HANs, no SA (control) and CM-PIE." in of_tagging(behaviour)
    columns = ["segment_type", "event_type"]
    kinds = ["recognition alone", "model", "true timing", "true recognition"]
    parts = pd.DataFrame([[0.5, 0.4], [0.4997, 0.39], [0.6, 0.5], [0.7, 0.6]], kinds, columns)
    assert "timing adds 0.0 points of segment Type@AV and costs 1.0 points of event" in of_parts(parts)
    durations = {"audio": pd.DataFrame({"true": [4, 2], "recall": [0.25, 0.5]}, [4, 5])}
    assert of_durations(durations).startswith(
        "Of the audio events of up to 4 s, 1 of 4 are found, and 1 of 2"
    )


def test_the_reading_that_times_best_is_named() -> None:
    rows = {
        "default": {"full_audio": 0.8, "full_visual": 0.8, "timing_event": 0.001},
        "sa_axis=global": {"full_audio": 0.5, "full_visual": 0.6, "timing_event": 0.015},
        "heads=8": {"full_audio": 0.5, "full_visual": 0.6, "timing_event": 0.012},
    }
    behaviour = pd.DataFrame(rows).T
    assert of_readings(behaviour) == (
        "Of 3 readings, the default among them, 2 place events in time: `sa_axis=global` and `heads=8`. The "
        "timing of `sa_axis=global` is worth most: it adds 1.5 points of event Type@AV, where that of the "
        "default adds 0.1 points."
    )
    assert "2 readings, the default among them, 1 places events in time: `heads=8`." in of_readings(
        behaviour.drop("sa_axis=global")
    )
    alone = of_readings(behaviour.loc[["default"]])
    assert "none places events in time. The timing of the default is worth most: it adds 0.1 points" in alone


def test_what_chapters_say_of_table_2_is_what_is_stored() -> None:
    """The sentences of chapters 3, 4 and 7 and of the training page that read the controls and CMA."""
    report = read_report(ROOT / "book" / "results" / "table2.json")
    intervals, behaviour = frame_of(report["intervals"]), frame_of(report["tables"]["behaviour"])
    with_sa = "segment_attention"

    def found(better: str, worse: str, metric: str) -> Interval:
        interval = interval_of(intervals, better, worse, metric)
        assert interval is not None
        return interval

    for level in ("segment", "event"):
        metric = f"{level}_type"
        assert found(with_sa, "han", metric).low > 0
        for pair in (("two_hans", "han"), ("han_behind_sa", "han"), (with_sa, "two_hans")):
            assert found(*pair, metric).low < 0 < found(*pair, metric).high, (pair, metric)
        assert found("cmpie", with_sa, metric).high < 0
        without, whole = (found(row, "han", f"{level}_audio").mean for row in ("two_hans", with_sa))
        assert 0.7 < without / whole < 0.8, "a second HAN brings three quarters of the gain in audio"
    assert len(report["seeds"]) == 8
    before, cmpie = behaviour.loc[with_sa], behaviour.loc["cmpie"]
    assert behaviour.full_audio["without_visual"] > before.full_audio  # CMA on audio alone
    assert behaviour.full_visual["without_audio"] > before.full_visual
    assert behaviour.timing_event[list(paper_rows(2))].idxmax() == with_sa
    assert min(cmpie.full_audio, cmpie.full_visual) > 0.5
    assert cmpie.timing_event < NEEDED
    gates = behaviour.gate_videos.dropna()
    assert len(gates) == 5
    assert (gates > 0.02).all()  # SA's gate follows the clip


def test_what_chapter_4_says_of_the_printed_form_is_what_is_stored() -> None:
    results = ROOT / "book" / "results"
    report, wide = (read_report(results / f"ambiguities{kind}.json") for kind in ("_narrow", ""))
    printed = report["effects"]["cma_form"]["printed"]["all"]
    cells = nbformat.read(ROOT / "notebooks" / "04_cross_modal_aggregation.ipynb", as_version=4).cells
    said = " ".join("".join(cell.source for cell in cells if cell.cell_type == "markdown").split())
    sizes = [
        f"{printed[f'{level}_type']['mean']:.1f} points of {level} Type@AV" for level in ("segment", "event")
    ]
    assert f"stand {sizes[0]} and {sizes[1]} above our default (D = 128, six seeds)" in said
    assert all((printed[f"{level}_type"]["low"] or 0) > 0 for level in ("segment", "event"))
    assert (len(report["seeds"]), report["base"].split(",")[0]) == (6, "dim=128")
    assert behaviour_of(report).timing_event.idxmax() == "cma_form=printed"
    forms, sharing = (wide["effects"][field] for field in ("cma_form", "cma_sharing"))
    event, segment = (forms["printed"]["all"][f"{level}_type"] for level in ("event", "segment"))
    assert f"{segment['mean']:.1f} points of segment Type@AV and {event['mean']:.1f} points of event" in said
    milder = [effect["all"]["segment_type"] for effect in (forms["residual"], sharing["modality"])]
    assert "stands {:.1f} and {:.1f} points of segment".format(*(x["mean"] for x in milder)) in said
    assert all(side_of_zero(x["low"], x["high"]) == 1 for x in (event, segment, *milder))
    assert (len(wide["seeds"]), wide["base"]) == (10, "precision=tf32")
    assert behaviour_of(wide).timing_event.idxmax() == "cma_form=printed"


def test_what_pages_say_of_runs_at_the_size_of_llp_is_what_is_stored() -> None:
    report = read_report(ROOT / "book" / "results" / "full_size.json")
    intervals = frame_of(report["intervals"]).set_index("metric")
    points, sides = (
        100 * intervals["mean"],
        dict(zip(intervals.index, map(side_of_zero, intervals.low, intervals.high), strict=True)),
    )
    assert (report["videos"]["train"], len(report["seeds"]), report["epochs"]) == (10_000, 10, 40)
    assert {"segment_type": 0, "event_type": 1, "event_visual": 1, "event_audio": -1}.items() <= sides.items()
    said = {
        number: " ".join("".join(cell.source for cell in nbformat.read(path, as_version=4).cells).split())
        for number in ("04", "07", "table2")
        for path in (ROOT / "notebooks").glob(f"{number}*.ipynb")
    }
    assert f"CM-PIE stands {points.event_type:.1f} points of event Type@AV above HAN" in said["04"]
    assert f"stands {points.event_type:.1f} points of event Type@AV above it" in said["07"]
    assert f"CM-PIE stands {points.event_type:.1f} points of event Type@AV above HAN" in said["table2"]
    assert (
        f"{points.event_visual:.1f} points, and against what it hears, {-points.event_audio:.1f} points"
        in said["07"]
    )
    found = behaviour_of(read_report(ROOT / "book" / "results" / "full_size_behaviour.json"))
    ours_long, hans_long = (round(100 * found.full_visual[name]) for name in ("cmpie", "han"))
    said["first"] = " ".join(headline.markdown().split())
    for page in ("first", "04", "07"):
        assert (
            f"{ours_long} % of the events that it sees span the whole clip, and {hans_long} % of those"
            in said[page]
        )
    assert f"events that it sees {ours_long} % span the whole clip, of HAN's {hans_long} %" in said["table2"]
    short = {name: round(100 * found.short_visual[name]) for name in ("cmpie", "han")}
    assert f"it finds {short['cmpie']} %, HAN {short['han']} %" in said["04"]
    assert found.timing_event["han"] < found.timing_event["cmpie"] < 0  # where timing costs, length gains
    runs = frame_of(report["runs"])
    ours = 100 * runs[runs.system == "han"][list(SCORES)].mean()
    gaps = ours - pd.Series(published_scores(1)["HAN"].percent())[list(SCORES)]
    page = " ".join((ROOT / "book" / "llp_sim.md").read_text(encoding="utf8").split())
    largest = gaps.filter(like="segment_").abs().max()
    assert f"is within {math.ceil(10 * largest) / 10:.1f} points of the paper's five segment scores" in page
    assert f"event scores are up to {-gaps.filter(like='event_').min():.1f} points too low (visual)" in page
    assert gaps.idxmin() == "event_visual"


def test_what_pages_say_of_table_1_is_what_is_stored() -> None:
    """The sentences about CM-CS+HAN's profile and parts, and on how near the rows come to the paper's."""
    results = ROOT / "book" / "results"
    rows = frame_of(read_report(results / "table1.json")["intervals"])
    rows = 100 * rows[rows.worse == "han"].set_index(["better", "metric"])["mean"]
    cells = nbformat.read(ROOT / "notebooks" / "table1.ipynb", as_version=4).cells
    said = " ".join("".join(cell.source for cell in cells if cell.cell_type == "markdown").split())
    audio, visual = rows["cm_cs", "segment_audio"], rows["cm_cs", "segment_visual"]
    assert f"ours is {audio:.1f} above and {-visual:.1f} below, on six seeds" in said
    without = read_report(results / "cm_cs.json")["effects"]["stages"]["none"]
    assert f"without its two stages is {without['mean']:.1f} points higher in segment Type@AV" in said
    assert all(effect["mean"] > 0 for values in read_report(results / "cm_cs.json")["effects"].values()
               for effect in values.values()), "no part helps"  # fmt: skip
    paper = {name: row.percent() for name, row in published_scores(1).items()}
    names = {"mm_pyramid_swapped": "MM-Pyramid", "cmpie": "CM-PIE", "ave": "AVE", "avsdn": "AVSDN",
             "cm_cs": "CM-CS+HAN"}  # fmt: skip
    away = {
        ours: max(abs(rows[ours, m] - paper[row][m] + paper["HAN"][m]) for m in SCORES)
        for ours, row in names.items()
    }
    page = " ".join((ROOT / "book" / "llp_sim.md").read_text().split())
    assert f"within {away['mm_pyramid_swapped']:.1f} points of the published ones" in page
    assert f"CM-PIE's lie within {away['cmpie']:.1f}." in page
    assert f"are up to {away['ave']:.0f}, {away['avsdn']:.0f} and {away['cm_cs']:.0f} points away" in page


@pytest.mark.parametrize("path", TABLE_NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_those_of_the_stored_report(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    intervals = frame_of(read_report(ROOT / "book" / "results" / f"{path.stem}.json")["intervals"])
    outputs = str([cell.get("outputs") for cell in notebook.cells])
    assert of_differences(intervals) in outputs
    assert FITTED in outputs
    for old in ("not supported", "starred by chance alone", "resamples"):
        assert old not in "".join(cell.source for cell in notebook.cells)
