"""Records to tables: pairing, the guard between data sources, verdicts, what a table says of its data."""

from __future__ import annotations

import copy
import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from book.tools import register
from cmpie_lite.errors import DataError
from cmpie_lite.metrics import SCORES
from cmpie_lite.notebook.seed_plots import (
    confusion_plot,
    difference_dots,
    duration_plot,
    parts_plot,
    reliability_plot,
    seed_dots,
)
from cmpie_lite.results.claims import CLAIMS, UNTESTED, judge, verdict, verdicts
from cmpie_lite.results.intervals import MIN_SEEDS, Interval
from cmpie_lite.results.pairing import check_comparable, interval_of, paired
from cmpie_lite.results.published import published_scores
from cmpie_lite.results.report_files import check_report, read_report, write_report
from cmpie_lite.results.report_form import Report, frame_of, split_of
from cmpie_lite.results.reports import about, caution, made_by, make_report, remarks, runs_frame
from cmpie_lite.results.score_tables import (
    Table,
    behaviour_table,
    interval_table,
    paper_differences,
    paper_table,
    score_table,
)
from cmpie_lite.systems.rows import paper_rows, title_of
from tests.making import readings_report, record

ROOT = Path(__file__).resolve().parents[1]


def two_systems(seeds: int, gap: float = 0.02, **kinds: Any) -> pd.DataFrame:
    """HAN and CM-PIE; the seeds' own spread is ten times the gap, and pairing takes it away."""
    offsets = np.random.default_rng(0).normal(0.5, 10 * gap / 3, seeds)
    small = np.random.default_rng(1).normal(gap, gap / 10, seeds)
    records = [record("han", s, offsets[s], **kinds) for s in range(seeds)]
    records += [record("cmpie", s, offsets[s] + small[s], **kinds) for s in range(seeds)]
    return runs_frame(records)


# ---------- rows ----------


def test_a_row_knows_what_its_run_changed() -> None:
    frame = runs_frame([record("cmpie", 1, 0.5), record("cmpie", 1, 0.6, sa_axis="channel", heads=4)])
    assert frame.changed.tolist() == ["", "heads=4,sa_axis=channel"]
    assert frame.segment_audio.tolist() == [0.5, 0.6]
    assert frame.videos.tolist() == ["800/20/40"] * 2


def test_rows_refuse_what_they_cannot_count() -> None:
    with pytest.raises(DataError, match="no run records"):
        runs_frame([])
    with pytest.raises(DataError, match="seed 1 occurs twice"):
        runs_frame([record("han", 1, 0.5), record("han", 1, 0.6)])
    with pytest.raises(DataError, match="record of 'old', expected one of"):
        runs_frame([record("han", 1, 0.5) | {"model": "old"}])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"source": "LLP"}, "2 sources"),
        ({"digest": "b" * 64}, "2 data sets"),
        ({"epochs": 5}, "2 numbers of epochs"),
    ],
)
def test_other_data_never_share_a_table(other: dict[str, Any], message: str) -> None:
    frame = runs_frame([record("han", 1, 0.5), record("cmpie", 1, 0.6, **other)])
    makers = (
        check_comparable,
        score_table,
        lambda f: paired(f, "cmpie", "han"),
        lambda f: seed_dots(f, 1),
        lambda f: difference_dots(f, pd.DataFrame()),
    )
    for make in makers:
        with pytest.raises(DataError, match=f"{message}.*cannot share a table"):
            make(frame)
    with pytest.raises(DataError, match="cannot share"):
        make_report([record("han", 1, 0.5), record("cmpie", 1, 0.6, **other)], [], "")


# ---------- pairs ----------


def test_pairing_takes_the_seeds_spread_away() -> None:
    frame = two_systems(8)
    rows = paired(frame, "cmpie", "han")
    assert rows.metric.tolist() == list(SCORES)
    interval = interval_of(rows, "cmpie", "han", "event_type")
    assert interval is not None
    assert 0.015 < interval.low < interval.mean < interval.high < 0.025
    assert (interval.seeds, interval.videos) == (8, 0)
    wrong = frame.copy()
    wrong.loc[wrong.system == "han", "seed"] = wrong.loc[wrong.system == "han", "seed"].to_numpy()[::-1]
    loose = interval_of(paired(wrong, "cmpie", "han"), "cmpie", "han", "event_type")
    assert loose is not None
    assert loose.mean == pytest.approx(interval.mean)
    assert loose.high - loose.low > 10 * (interval.high - interval.low)


def test_only_common_seeds_are_paired() -> None:
    frame = two_systems(8)
    part = frame[(frame.system == "han") | (frame.seed < 3)]
    assert set(paired(part, "cmpie", "han").seeds) == {3}
    with pytest.raises(DataError, match="no seed in common"):
        paired(frame[(frame.system == "han") == (frame.seed < 3)], "cmpie", "han")


def test_scores_of_videos_give_the_same_mean_and_a_wider_interval() -> None:
    frame = two_systems(6)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.2, (2, 40, 10))
    noise -= noise.mean(1, keepdims=True)
    videos = {
        (row.system, row.changed, row.seed): frame.loc[i, list(SCORES)].to_numpy(float)
        + noise[int(row.system == "han")]
        for i, row in frame.iterrows()
    }
    alone, both = paired(frame, "cmpie", "han"), paired(frame, "cmpie", "han", videos=videos)
    assert both["mean"].tolist() == pytest.approx(alone["mean"].tolist())
    assert set(both.videos) == {40}
    assert ((both.high - both.low) > 2 * (alone.high - alone.low)).all()


def test_readings_are_paired_by_what_they_changed() -> None:
    frame = runs_frame(
        [record("cmpie", s, 0.5) for s in range(3)] + [record("cmpie", s, 0.4, heads=4) for s in range(3)]
    )
    rows = paired(frame, "heads=4", "", key="changed")
    assert rows["mean"].to_numpy() == pytest.approx(-0.1)
    mixed = runs_frame([record("cmpie", 1, 0.5), record("cmpie", 2, 0.5, heads=4), record("han", 1, 0.4)])
    with pytest.raises(DataError, match="several kinds"):
        paired(mixed, "cmpie", "han")


# ---------- verdicts ----------


def interval(low: float, high: float, seeds: int = MIN_SEEDS) -> Interval:
    return Interval((low + high) / 2, low, high, seeds, 0)


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
    assert "event av, CM-PIE above HAN" in text


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


# ---------- tables, plots ----------


def test_a_table_says_what_its_data_are() -> None:
    table = score_table(two_systems(3))
    assert table.title.startswith("LLP-sim (NOT LLP), 800/20/40 videos, 3 seeds, 40 epochs.")
    assert "NOT LLP" in table.markdown()
    assert "<caption>LLP-sim (NOT LLP)" in table._repr_html_()
    assert "NOT" not in score_table(two_systems(3, source="LLP")).title
    assert len(table.markdown().splitlines()) == 4 + 4
    assert len(table._repr_html_().split("<tr")) == 1 + 2 + 4


def test_cells_are_percent() -> None:
    frame = runs_frame([record("han", 1, 0.5), record("han", 2, 0.52)])
    cells = score_table(frame).cells.map(lambda text: text.replace("\u00a0", " "))
    assert cells.loc[("HAN", "segment"), "Audio"] == "51.0 ± 1.4"
    assert cells.loc[("HAN", "event"), "Event@AV"] == "51.9 ± 1.4"
    assert score_table(frame[frame.seed == 1]).cells.loc[("HAN", "segment"), "Audio"] == "50.0"
    frame = two_systems(6)
    differences = interval_table(frame, paired(frame, "cmpie", "han")).cells.replace(
        "\u00a0", " ", regex=True
    )
    assert re.fullmatch(r"\+2\.\d \[\+1\.\d, \+2\.\d\] \*", differences.loc[("CM-PIE", "event"), "AV"])
    assert paper_table(1).cells.loc[("CM-CS+HAN", "segment"), "Visual"] == "57.6"
    assert "on LLP" in paper_table(2).title
    assert paper_differences(2).cells.loc[("+Seg Attention", "event"), "AV"] == "-0.9"


def test_runs_of_several_kinds_share_no_row() -> None:
    kinds = [record("cmpie", 1, 0.5), record("cmpie", 1, 0.6, heads=4)]
    frame = runs_frame([*kinds, record("cmpie", 2, 0.6, heads=4)])
    with pytest.raises(DataError, match=r"cmpie: runs of several kinds \(2, such as '' and 'heads=4'\)"):
        score_table(frame)
    assert list(score_table(frame, key="changed").cells.loc[:, "Audio"])[1].startswith("60.0")
    with pytest.raises(DataError, match="several kinds"):
        score_table(runs_frame([*kinds, record("han", 1, 0.5)]), key="changed")


def test_a_reader_is_warned() -> None:
    assert caution(two_systems(3, source="LLP")) == ""
    text = caution(two_systems(3, epochs=5, train=400))
    assert "not LLP" in text
    assert "MEAN NOTHING" in text
    assert "5 of the recipe's 40" in text
    assert "MEAN NOTHING" not in caution(two_systems(3))
    assert about(two_systems(1)).endswith("1 seed, 40 epochs")
    assert about(two_systems(2, dim=64)).endswith("2 seeds, 40 epochs, every run with dim=64")
    mixed = two_systems(2, dim=64)
    mixed.loc[mixed.system == "cmpie", "changed"] = "cma_form=projected,dim=64"
    assert about(mixed).endswith("every run with dim=64, CM-PIE with cma_form=projected")


def test_the_papers_values_are_drawn_on_llp_alone() -> None:
    def diamonds(frame: pd.DataFrame) -> list[float]:
        axes = seed_dots(frame, 1).axes[0]  # segment audio
        return [float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "D"]  # type: ignore[index]

    assert diamonds(two_systems(3)) == []
    assert diamonds(two_systems(3, source="LLP")) == pytest.approx([60.1, 61.7])


def test_plots_show_every_seed() -> None:
    frame = two_systems(7)
    rows = paired(frame, "cmpie", "han")
    axes = difference_dots(frame, rows).axes
    assert len(axes) == 10
    drawn = [line.get_xdata() for line in axes[3].lines if line.get_marker() == "o"]
    han, cmpie = (frame[frame.system == name].segment_type.to_numpy() for name in ("han", "cmpie"))
    assert np.sort(np.asarray(drawn[0])) == pytest.approx(np.sort(100 * (cmpie - han)))
    counts = pd.DataFrame(np.arange(16).reshape(4, 4), index=list("abcd"), columns=list("abcd"))
    texts = [t.get_text() for t in confusion_plot(counts).axes[0].texts]
    assert texts[5] == "5\n23%"
    bins = pd.DataFrame({"low": [0, 0.5], "high": [0.5, 1], "count": [2, 0], "mean": [0.2, np.nan],
                         "frequency": [0.5, np.nan]})  # fmt: skip
    assert "0.300" in reliability_plot(bins, 0.3).axes[0].get_title(loc="left")
    durations = pd.DataFrame({"true": [3, 0], "recall": [0.5, np.nan]}, index=[1, 2])
    assert len(duration_plot({"audio": durations, "visual": durations}).axes) == 2
    parts = pd.DataFrame(
        {"segment_type": [0.5, 0.7], "event_type": [0.4, 0.6]}, index=["model", "true timing"]
    )
    assert [bar.get_width() for bar in parts_plot(parts).axes[1].patches] == pytest.approx([40, 60])


# ---------- reports ----------


def test_a_report_survives_its_file(tmp_path: Path) -> None:
    records = [record(m, s, 0.5 + 0.01 * s) for m in ("han", "cmpie") for s in (1, 2)]
    numbers = {"better": [1.5, np.nan], "equal": [1, 2], "worse": [0, 1]}
    extra = pd.DataFrame(numbers, index=pd.Index(["x", "y"], name="row"))
    report = make_report(records, [("cmpie", "han")], "do it", tables={"x: videos": extra})
    write_report(tmp_path / "deep" / "r.json", report)
    again = read_report(tmp_path / "deep" / "r.json")
    assert again == report
    assert (again["seeds"], again["command"], again["epochs"]) == ([1, 2], "do it", 40)
    pd.testing.assert_frame_equal(frame_of(again["runs"]), runs_frame(records))
    pd.testing.assert_frame_equal(frame_of(again["tables"]["x: videos"]), extra)
    pd.testing.assert_frame_equal(frame_of(again["intervals"]), paired(runs_frame(records), "cmpie", "han"))
    assert split_of(extra)["index_name"] == "row"
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(DataError, match="the report has no command"):
        read_report(tmp_path / "bad.json")
    with pytest.raises(DataError, match="cannot be read"):
        read_report(tmp_path / "none.json")


def test_a_report_says_what_it_is() -> None:
    table = make_report([record("han", 1, 0.5), record("cmpie", 1, 0.6)], [("cmpie", "han")], "")
    readings = readings_report({("heads", 4): 0.01})
    assert (table["kind"], table["seeds"]) == ("table", [1])
    assert (readings["kind"], readings["seeds"]) == ("readings", [0, 1, 2, 3, 4, 5])
    for report in (table, readings):
        check_report(report)
        assert report["interval"] == "Student's t over paired seeds, on these test videos"
    for kind, broken in (("readings", table), ("table", readings)):
        with pytest.raises(DataError, match="base and effects"):
            check_report({**broken, "kind": kind})


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", "a\nb", "[x](javascript:0)", "a`b", "a|b"])
def test_a_name_that_would_run_in_a_page_is_refused(name: str, tmp_path: Path) -> None:
    """A stored report whose source is HTML ran in the built page of table2."""
    records = [record("han", 1, 0.5, source=name), record("cmpie", 1, 0.6, source=name)]
    with pytest.raises(DataError, match="expected"):
        make_report(records, [("cmpie", "han")], "")
    good = make_report([record("han", 1, 0.5), record("cmpie", 1, 0.6)], [("cmpie", "han")], "")
    text = json.dumps(good).replace("LLP-sim", json.dumps(name)[1:-1])
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(DataError, match="no report of runs"):
        read_report(tmp_path / "r.json")


def test_a_table_escapes_what_would_run() -> None:
    """Frames that no report has checked: the one place where their text meets HTML escapes it."""
    frame = two_systems(3, source="<img src=x>")
    table = score_table(frame)
    for page in (table.markdown(), table._repr_html_()):
        assert "<img" not in page
        assert "&lt;img" in page
    cells = pd.DataFrame({"<b>": ["<i>|"]}, index=pd.Index(["<s>"], name="<u>"))
    for page in (Table("<p>", cells).markdown(), Table("<p>", cells)._repr_html_()):
        assert not re.findall("<[bisup]>", page)
    assert "&lt;i&gt;\\|" in Table("", cells).markdown()


def everything_read(report: Report) -> None:
    """Whatever pages and notebooks make of a report."""
    runs, intervals = frame_of(report["runs"]), frame_of(report["intervals"])
    about(runs), caution(runs), made_by(report), remarks(report)
    if report["kind"] == "table":
        (
            score_table(runs),
            interval_table(runs, intervals),
            verdicts(1, intervals, ""),
            verdicts(2, intervals, ""),
        )
        if "behaviour" in report["tables"]:
            behaviour_table(report)
    else:
        for field, values in report["effects"].items():
            for value in values:
                register.effect(field, value, [report])
        register.summary(report)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


WRONG = (None, True, -1, 0, 1, 2**60, 10**400, 1.5, -0.25, 1e300, "", "x", "<b>", "a\nb", [], [1], {},
         {"x": 1}, "9" * 30_000, [[[]]])  # fmt: skip


def small_reports() -> list[Report]:
    """A report of each kind, with every kind of table that the first one may have."""
    records = [record(name, s, 0.5 + 0.01 * s) for name in ("han", "cmpie") for s in range(2)]
    whole = read_report(ROOT / "book" / "results" / "table1.json")
    tables = {name: frame_of(table) for name, table in whole["tables"].items() if "han: " not in name}
    table = make_report(records, [("cmpie", "han")], "the command", tables=tables)
    return [table, readings_report({("heads", 4): 0.01, ("sa_axis", "channel"): -0.01}, seeds=2)]


def altered(whole: Report, chance: random.Random) -> dict[str, Any]:
    """A copy of a report with one value exchanged, left out, repeated or renamed."""
    report = copy.deepcopy(dict(whole))
    depth = chance.choice((1, 2, 3, 9))
    *way, key = chance.choice([path for path in places(report)[1:] if len(path) <= depth])
    holder: Any = report
    for step in way:
        holder = holder[step]
    what = chance.random()
    if what < 0.6:
        holder[key] = chance.choice(WRONG)
    elif what < 0.8:
        del holder[key]
    elif isinstance(holder, list):
        holder.append(holder[key])
    else:
        holder[f"{key}x"] = holder.pop(key)
    return report


def test_an_altered_report_is_refused_in_one_way_or_harmless(tmp_path: Path) -> None:
    chance, refused = random.Random(0), []
    for whole in small_reports():
        everything_read(whole)
        for _ in range(500):
            (tmp_path / "r.json").write_text(json.dumps(altered(whole, chance)))
            try:
                everything_read(read_report(tmp_path / "r.json"))
            except DataError as error:
                refused.append(str(error))
    assert len(refused) > 500
    assert all("no report of runs" in message and len(message) < 1000 for message in refused)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"[" * 200_000, b'{"kind": NaN}', b"null", b"[]", b'{"kind": ' + b"1" * 5000 + b"}"],
)
def test_a_file_that_is_no_report_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(content)
    with pytest.raises(DataError, match="no report of runs"):
        read_report(tmp_path / "r.json")


def test_a_reports_numbers_are_those_computed(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [0.1 + 0.2, 1 / 3e5, np.nan], "n": [1, 2, 3], "none": [np.nan] * 3})
    again = frame_of(json.loads(json.dumps(split_of(frame), allow_nan=False)))
    pd.testing.assert_frame_equal(again, frame, check_exact=True)


def test_one_seed_alone_has_a_mean_and_no_limits() -> None:
    report = make_report([record("han", 1, 0.5), record("cmpie", 1, 0.6)], [("cmpie", "han")], "")
    intervals = frame_of(report["intervals"])
    assert "+10.0" in interval_table(frame_of(report["runs"]), intervals).cells.loc[("CM-PIE", "event"), "AV"]
    assert "undecided at 1 seed (" in verdicts(1, intervals, "LLP-sim")
