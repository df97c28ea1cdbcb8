"""What the page on the controlled study shows: a report of `experiments.controlled` in, tables and figures
out."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmpie_lite.notebook.style import (
    BELOW,
    DASHES,
    MARKERS,
    SMALLEST,
    WIDTH,
    legend_outside,
    new_figure,
    shades,
    title_above,
)
from cmpie_lite.results.intervals import side_of_zero
from cmpie_lite.results.mechanism import MEASURES
from cmpie_lite.results.report_form import frame_of, limits
from cmpie_lite.results.reports import settings_text
from cmpie_lite.results.score_tables import Table, interval_text, score_name
from cmpie_lite.systems.rows import title_of

# What a difference of two rows says of a block: (better, worse) -> the block.
BLOCKS: Final[dict[tuple[str, str], str]] = {
    ("two_hans", "han"): "a second HAN (two HANs over HAN)",
    ("segment_attention", "two_hans"): "SA (+Seg Attention over two HANs)",
    ("cmpie", "segment_attention"): "CMA (CM-PIE over +Seg Attention)",
    ("cmpie", "han"): "all of it (CM-PIE over HAN)",
}
BEHAVIOUR: Final[dict[str, str]] = {  # fractions, which the panels show in percent and points
    "full_audio": "audio events that span the clip, % of those predicted",
    "full_visual": "visual events that span the clip, % of those predicted",
    "timing_event": "what timing adds to event Type@AV, points",
}
NOT_RUN: Final = "**Not run here**: no report is stored; the command stands above."
METRICS: Final = ("segment_type", "event_type")
TITLE: Final = 44  # letters in a line of a panel's title
AUC: Final = (0.4, 1.0)  # limits of its axis, chance and certainty among them
ROUNDING: Final = 1e-6  # a measure that is nowhere larger is zero, and has no panel


def study_source(report: Mapping[str, Any]) -> str:
    """The data, loudly, and how many seeds and epochs: the title of everything on the page."""
    changed = settings_text(
        ",".join(f"{name}={value}" for name, value in sorted(report["overrides"].items()))
    )
    runs = f"{len(report['seeds'])} seeds, {report['epochs']} epochs"
    data = f"{report['source']} (NOT LLP), preset {report['preset']}"
    return f"{data}, {runs}" + (f", every run with {changed}" if changed else "")


def videos_of(report: Mapping[str, Any]) -> dict[str, int]:
    """Split -> number of videos, the same on every level."""
    counts = map(int, str(frame_of(report["conditions"]).videos.iloc[0]).split("/"))
    return dict(zip(("train", "val", "test"), counts, strict=True))


def knobs_in(report: Mapping[str, Any]) -> list[str]:
    """The knobs that a report turned, in its order."""
    return list(dict.fromkeys(frame_of(report["conditions"]).knob))


def blocks_in(differences: pd.DataFrame) -> dict[tuple[str, str], str]:
    """The differences among these that speak of one block, and those of readings of CM-PIE."""
    pairs = differences[["better", "worse"]].drop_duplicates()
    there = list(pairs.itertuples(index=False, name=None))
    found = {pair: text for pair, text in BLOCKS.items() if pair in there}
    readings = [
        (better, worse) for better, worse in there if better.startswith("cmpie ") and worse == "cmpie"
    ]
    return found | {
        pair: f"the reading {settings_text(pair[0].removeprefix('cmpie '))} (over CM-PIE)"
        for pair in readings
    }


def condition_table(report: Mapping[str, Any]) -> Table:
    """Every level of every knob: what it sets, and the digest of the data that it gives."""
    rows = frame_of(report["conditions"])
    index = pd.MultiIndex.from_arrays([rows.knob, rows.level], names=["knob", "level"])
    digests = list(rows.sha256.str[:12])
    cells = {
        "fields of SimConfig": list(rows.set.map(settings_text)),
        "videos": list(rows.videos),
        "sha256": digests,
    }
    return Table(f"{study_source(report)}. The data of each level", pd.DataFrame(cells, index=index))


def word(low: float, high: float) -> str:
    """What an interval of a difference says."""
    if math.isnan(low):
        return "one seed"
    return ("undecided", "helps", "hurts")[side_of_zero(low, high)]


def of_pair(differences: pd.DataFrame, metric: str, pair: tuple[str, str]) -> pd.DataFrame:
    """The rows of a table of differences that set (one row, another) against each other in one score."""
    better, worse = pair
    chosen = (differences.metric == metric) & (differences.better == better) & (differences.worse == worse)
    return differences[chosen]


def verdict_table(report: Mapping[str, Any], metric: str = "event_type") -> Table:
    """Does each block help? A row per knob and level, a column per block: word, points, interval."""
    differences = frame_of(report["differences"])
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for pair, block in blocks_in(differences).items():
        for row in of_pair(differences, metric, pair).to_dict("records"):
            said = word(float(row["low"]), float(row["high"]))
            cells.setdefault((row["knob"], row["level"]), {})[block] = f"{said}: {interval_text(limits(row))}"
    index = pd.MultiIndex.from_tuples(cells, names=["knob", "level"])
    title = f"{study_source(report)}. {score_name(metric)}, points, paired, 95 % intervals over seeds"
    return Table(title, pd.DataFrame(list(cells.values()), index=index).fillna("not run"))


def told(
    differences: pd.DataFrame, metric: str, pair: tuple[str, str]
) -> dict[str, list[dict[Hashable, Any]]]:
    """What a pair's differences in one score say: the word of each interval, and the rows that say it."""
    found: dict[str, list[dict[Hashable, Any]]] = {}
    for row in of_pair(differences, metric, pair).to_dict("records"):
        found.setdefault(word(float(row["low"]), float(row["high"])), []).append(row)
    return found


def sentence(report: Mapping[str, Any], knob: str, metric: str = "event_type") -> str:
    """One knob in words: on which of its levels each block helps or hurts; every other level is undecided."""
    differences, conditions = frame_of(report["differences"]), frame_of(report["conditions"])
    lines = []
    for pair, block in blocks_in(differences).items():
        words = told(differences[differences.knob == knob], metric, pair)
        parts = [f"{verdict} at {', '.join(row['level'] for row in rows)}" for verdict, rows in words.items()]
        lines.append(f"- {block}: {'; '.join(parts) or 'not run'}")
    question = conditions[conditions.knob == knob].question.iloc[0]
    return f"`{knob}`, {question} ({score_name(metric)}):\n\n" + "\n".join(lines)


def summary(report: Mapping[str, Any], metric: str = "event_type") -> list[str]:
    """A sentence per block: at which levels of all knobs it helps or hurts; one data set counts once."""
    once = frame_of(report["conditions"]).drop_duplicates("sha256")[["knob", "level"]]
    differences = frame_of(report["differences"]).merge(once, on=["knob", "level"])
    lines = []
    for pair, block in BLOCKS.items():
        words = told(differences, metric, pair)
        count = sum(map(len, words.values()))
        parts, rest = [], count
        for verdict in ("helps", "hurts"):
            rows = words.get(verdict, [])
            places = [f"{row['knob']} {row['level']} ({100 * float(row['mean']):+.1f})" for row in rows]
            parts += [f"{verdict} at {', '.join(places)}"] if places else []
            rest -= len(places)
        parts += [f"is undecided at {rest} of {count} levels"] if rest else []
        lines.append(f"{block[0].upper()}{block[1:]} {'; '.join(parts)}.")
    return lines


def difference_plot(report: Mapping[str, Any], knob: str) -> Figure:
    """What each block adds on each level of a knob, in points, with its 95 % interval over seeds.

    Readings of CM-PIE stand in a row of panels of their own: what they change may be far larger.
    """
    differences = frame_of(report["differences"])
    pairs = blocks_in(differences[differences.knob == knob])
    blocks = {pair: text for pair, text in pairs.items() if pair in BLOCKS}
    rows = [blocks, {pair: text for pair, text in pairs.items() if pair not in BLOCKS}]
    rows = [row for row in rows if row]
    figure = new_figure(3.2 * len(rows) + 0.6)
    for parent, row in zip(figure.subfigures(len(rows), 1, squeeze=False).ravel(), rows, strict=True):
        panels = parent.subplots(1, len(METRICS), sharey=True)
        for axes, metric in zip(panels, METRICS, strict=True):
            difference_lines(axes, differences, knob, metric, row)
        panels[0].set_ylabel("points of F-score")
        legend_outside(parent, panels[0], 2, BELOW)
    title_above(figure, study_source(report))
    return figure


def difference_lines(
    axes: Axes, differences: pd.DataFrame, knob: str, metric: str, pairs: Mapping[tuple[str, str], str]
) -> None:
    """The differences of some pairs of rows in one score: points, intervals, a line through them."""
    axes.axhline(0, color="grey", linewidth=0.8)
    for i, (pair, text) in enumerate(pairs.items()):
        side = of_pair(differences[differences.knob == knob], metric, pair)
        mean, low, high = (100 * side[name].astype(float).to_numpy() for name in ("mean", "low", "high"))
        place = [x + 0.06 * i for x in range(len(side))]
        axes.errorbar(
            place,
            mean,
            [mean - low, high - mean],
            label=text,
            color=shades(len(pairs))[i],
            capsize=2,
            marker=MARKERS[i % len(MARKERS)],
            linestyle=DASHES[i % len(DASHES)],
        )
        axes.set_xticks(range(len(side)), list(side.level))
    axes.set(title=score_name(metric), xlabel=knob)


def mechanism_plot(report: Mapping[str, Any], knob: str) -> Figure:
    """Behaviour and mechanism on each level of a knob: a line per row, a dot per seed."""
    rows = frame_of(report["runs"])
    rows = rows[rows.knob == knob]
    wanted = BEHAVIOUR | {name: text.split(" (")[0] for name, text in MEASURES.items()}
    shown = [name for name in wanted if rows[name].astype(float).abs().max() > ROUNDING]
    figure = new_figure(0.6 + 2.1 * math.ceil(len(shown) / 2), WIDTH)
    panels = figure.subplots(math.ceil(len(shown) / 2), 2, squeeze=False).ravel()
    for axes, name in zip(panels, shown, strict=False):
        measure_lines(axes, rows, name, 100 if name in BEHAVIOUR else 1)
        axes.set_title(textwrap.fill(wanted[name], TITLE), fontsize=SMALLEST)
        if name == "gate_auc":
            axes.set_ylim(*AUC)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    for axes in panels[: len(shown)][-2:]:
        axes.set_xlabel(knob)
    legend_outside(figure, panels[0], 3, BELOW)
    title_above(figure, study_source(report))
    return figure


def measure_lines(axes: Axes, rows: pd.DataFrame, name: str, scale: int = 1) -> None:
    """One measure over the levels, times `scale`: a line through the means of each row, a dot per seed."""
    names: Sequence[str] = list(dict.fromkeys(rows.system))
    levels = list(dict.fromkeys(rows.level))
    for i, system in enumerate(names):
        side = rows[rows.system == system]
        values = [scale * side[side.level == level][name].astype(float) for level in levels]
        style = {"color": shades(len(names))[i], "marker": MARKERS[i % len(MARKERS)]}
        axes.plot(range(len(levels)), [v.mean() for v in values], label=row_title(system), markersize=4,
                  linestyle=DASHES[i % len(DASHES)], **style)  # fmt: skip
        for x, seeds in enumerate(values):
            axes.plot([x] * len(seeds), seeds, markersize=2, linestyle="", **style)
    axes.set_xticks(range(len(levels)), levels)


def row_title(name: str) -> str:
    """What the page calls a row: a system's title, a reading of CM-PIE by its field."""
    if name.startswith("cmpie "):
        return f"CM-PIE, {settings_text(name.removeprefix('cmpie '))}"
    return title_of(name).split(" (")[0]
