"""Reports in files: they survive, escape what would run, and are refused where they were altered."""

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
from cmpie_lite.results.claims import verdicts
from cmpie_lite.results.pairing import paired
from cmpie_lite.results.report_files import check_report, read_report, write_report
from cmpie_lite.results.report_form import Report, frame_of, split_of
from cmpie_lite.results.reports import about, caution, made_by, make_report, remarks, runs_frame
from cmpie_lite.results.score_tables import (
    Table,
    behaviour_table,
    interval_table,
    score_table,
)
from tests.making import ROOT
from tests.making_reports import readings_report, record, two_systems


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
