"""Tables to read: means and spreads, paired intervals, the paper's numbers in a table of their own."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import pandas as pd

from cmpie_lite.errors import DataError
from cmpie_lite.metrics import SCORES
from cmpie_lite.results.analysis import BEHAVIOUR, SHORT
from cmpie_lite.results.intervals import Over, side_of_zero
from cmpie_lite.results.pairing import check_comparable, check_one_kind
from cmpie_lite.results.published import published_scores
from cmpie_lite.results.report_form import Limits, Report, frame_of, limits, split_of
from cmpie_lite.results.reports import NBSP, about, settings_text
from cmpie_lite.systems.rows import title_of

LEVELS: Final = ("segment", "event")
HEADS: Final = {"audio": "Audio", "visual": "Visual", "av": "AV", "type": "Type@AV", "event": "Event@AV"}


class Table(NamedTuple):
    """A table of text: its title names the data source; shows itself in a notebook."""

    title: str
    cells: pd.DataFrame  # strings; the index holds the row heads

    def markdown(self) -> str:
        """A pipe table under its title; HTML and the borders of cells are escaped."""
        heads = [str(name or "") for name in self.cells.index.names] + [str(c) for c in self.cells.columns]
        rows = [heads]
        for index, row in self.cells.iterrows():
            rows.append([str(x) for x in (*(index if isinstance(index, tuple) else (index,)), *row)])
        lines = ["| " + " | ".join(map(escaped, row)) + " |" for row in rows]
        rule = "|---" * self.cells.index.nlevels + "|---:" * len(self.cells.columns) + "|"
        return "\n".join([f"**{escaped(self.title)}**", "", lines[0], rule, *lines[1:]])

    def _repr_html_(self) -> str:
        """An HTML table whose caption is the title."""
        body = self.cells.to_html(border=0, classes="table", sparsify=False)
        return body.replace(">\n", f">\n  <caption>{html.escape(self.title)}</caption>\n", 1)


def escaped(text: str) -> str:
    """A text in one line of a Markdown table: no HTML, no end of a cell."""
    return html.escape(text.replace("\n", " "), quote=False).replace("|", "\\|")


def score_name(metric: str) -> str:
    """What pages call a score: "segment_type" is "segment Type@AV"."""
    level, kind = metric.split("_")
    return f"{level} {HEADS[kind]}"


def by_level(rows: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """{system: {metric: text}} as a frame of five columns, one row per system and level."""
    cells = {
        (name, level): [row[f"{level}_{kind}"] for kind in HEADS]
        for level in LEVELS
        for name, row in rows.items()
    }
    index = pd.MultiIndex.from_tuples(cells, names=["system", "level"])
    return pd.DataFrame(list(cells.values()), index=index, columns=list(HEADS.values()))


def score_table(frame: pd.DataFrame, *, key: str = "system") -> Table:
    """Mean and standard deviation over seeds, in percent (one seed: the score alone).

    Args:
        key: one row per "system", or per "changed" of one system.

    Raises:
        DataError: runs that cannot share a table, or a row of runs that differ in more than their seed.
    """
    check_comparable(frame)
    rows, most = {}, frame.groupby(key).seed.nunique().max()
    for name, group in frame.groupby(key, sort=False):
        check_one_kind(str(name), group, key)
        mean, spread = 100 * group[list(SCORES)].mean(), 100 * group[list(SCORES)].std()
        rows[row_title(str(name), len(group), most)] = {
            m: f"{mean[m]:.1f}" + (f"{NBSP}±{NBSP}{spread[m]:.1f}" if len(group) > 1 else "") for m in SCORES
        }
    return Table(f"{about(frame)}. F-score in percent, mean ± standard deviation over seeds", by_level(rows))


def row_title(name: str, seeds: int, most: int) -> str:
    """What a row is called: its system, and its number of seeds where others have more."""
    return title_of(name) + (f", {seeds} seed{'s' * (seeds != 1)}" if seeds < most else "")


def interval_table(frame: pd.DataFrame, intervals: pd.DataFrame, worse: str = "han") -> Table:
    """Differences from one system with their 95 % intervals, in points; starred where 0 lies outside."""
    rows: dict[str, dict[str, str]] = {}
    chosen = intervals[(intervals.worse == worse) & (intervals.better != worse)]
    most = int(chosen.seeds.astype(int).max()) if len(chosen) else 0
    for row in chosen.to_dict("records"):
        title = row_title(str(row["better"]), int(row["seeds"]), most)
        rows.setdefault(title, {})[str(row["metric"])] = starred(limits(row))
    title = (
        f"{about(frame)}. Points above {title_of(worse)}, paired, with 95 % intervals over {over(chosen)}; "
        "* where 0 lies outside"
    )
    return Table(title, by_level(rows))


def effect_table(report: Report) -> Table:
    """What each reading of a report of readings changes in the ten scores, in points; starred as above.

    Raises:
        DataError: a report of another kind.
    """
    if report["kind"] != "readings":
        raise DataError(f"a report of kind {report['kind']!r}, expected one of readings.")
    rows = {
        settings_text(f"{field}={value}"): {metric: starred(x) for metric, x in effect["all"].items()}
        for field, values in report["effects"].items()
        for value, effect in values.items()
    }
    frame = frame_of(report["runs"])
    base = f" (all with {settings_text(report['base'])})" if report["base"] else ""
    title = (
        f"{about(frame)}{base}. Points above the default, paired, with 95 % intervals over seeds; "
        "* where 0 lies outside"
    )
    return Table(title, by_level(rows).rename_axis(index={"system": "reading"}))


def interval_text(x: Limits) -> str:
    """A difference in points and its interval, such as "+0.9 [-0.9, +2.7]"; one seed has none."""
    ends = "" if x["low"] is None or x["high"] is None else f" [{x['low']:+.1f},{NBSP}{x['high']:+.1f}]"
    return f"{x['mean']:+z.1f}{ends}"


def starred(x: Limits) -> str:
    """The same with a star where the interval leaves out zero."""
    return interval_text(x) + f"{NBSP}*" * abs(side_of_zero(x["low"], x["high"]))


def over(intervals: pd.DataFrame) -> str:
    """What a table's intervals are over, in words: seeds alone, or seeds and test videos."""
    both: Over = "seeds and test videos"
    alone: Over = "seeds"
    return both if (intervals.videos > 0).any() else alone


def reading_name(changed: str, base: str) -> str:
    """What a run of a report of readings tries: what it changes, without what all runs change."""
    common = base.split(",")
    return ",".join(word for word in changed.split(",") if word not in common) or "default"


def behaviour_of(report: Report) -> pd.DataFrame:
    """How each system, or reading, of a report behaves (`analysis.behaviour`); no rows where it has none."""
    nothing = split_of(pd.DataFrame(columns=list(BEHAVIOUR), dtype=float))
    found = frame_of(report["tables"].get("behaviour", nothing))
    if report["kind"] != "readings":
        return found.rename(index=str)
    return found.rename(index=lambda changed: reading_name(str(changed), report["base"]))


def behaviour_table(report: Report) -> Table:
    """The same to read, beside the scores, in percent and points."""
    found = behaviour_of(report)
    columns = {
        "clip-long, audio": found.full_audio.map(share),
        "clip-long, visual": found.full_visual.map(share),
        "timing adds, segment": found.timing_segment.map(points),
        "timing adds, event": found.timing_event.map(points),
        f"found up to {SHORT} s, audio": found.short_audio.map(share),
        f"found up to {SHORT} s, visual": found.short_visual.map(share),
        "found longer, audio": found.long_audio.map(share),
        "found longer, visual": found.long_visual.map(share),
        "gate over videos": found.gate_videos.map(spread),
        "gate over places": found.gate_places.map(spread),
        "runs": found.seeds.map("{:.0f}".format),
    }
    title = (
        f"{about(frame_of(report['runs']))}. Share of predicted events that span the clip; points of Type@AV "
        "that the model has above its own classes in all seconds; share of true events found at IoU 0.5; "
        "standard deviation of SA's weights. Means over the runs"
    )
    return Table(title, pd.DataFrame(columns).rename(index=title_of).rename_axis("system"))


def share(x: float) -> str:
    """A fraction in percent, or a dash where there is none."""
    return "–" if math.isnan(x) else f"{100 * x:.0f}{NBSP}%"


def points(x: float) -> str:
    """A difference of fractions in points."""
    return "–" if math.isnan(x) else f"{100 * x:+z.1f}"


def spread(x: float) -> str:
    """A standard deviation of a gate, or a dash for a system without one."""
    return "–" if math.isnan(x) else f"{x:.4f}"


def paper_table(number: Literal[1, 2]) -> Table:
    """The paper's own numbers, on LLP, which never share a table with ours."""
    rows = {
        name: {m: f"{x:.1f}" for m, x in s.percent().items()} for name, s in published_scores(number).items()
    }
    return Table(
        f"The paper's Table {number}, on LLP. As printed, in percent, without a spread", by_level(rows)
    )


def paper_differences(number: Literal[1, 2], worse: str = "HAN") -> Table:
    """The paper's own differences from one of its rows, in points; one number per cell, so no interval."""
    scores = {name: row.percent() for name, row in published_scores(number).items()}
    base = scores.pop(worse)
    rows = {name: {m: f"{row[m] - base[m]:+.1f}" for m in SCORES} for name, row in scores.items()}
    title = f"The paper's Table {number}, on LLP. Points above {worse}; one number per cell, so no interval"
    return Table(title, by_level(rows))
