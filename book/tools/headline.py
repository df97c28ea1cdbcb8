"""The book's one result in one sentence, made from a stored report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from book.tools.reproduction import full_size, reports
from cmpie_lite.results.intervals import side_of_zero
from cmpie_lite.results.report_form import frame_of
from cmpie_lite.results.score_tables import LEVELS, behaviour_of


def sentence(report: Mapping[str, Any] | None, behaviour: pd.DataFrame | None = None) -> str:
    """How CM-PIE compares with HAN in the stored runs: both means, the paired difference, its interval.

    Args:
        report: the runs.
        behaviour: how long the events of both are, where that is known (`analysis.behaviour`).
    """
    if report is None:
        return "No comparison with HAN is stored yet; [what is reproduced](reproduction.md) has the command."
    runs, intervals = frame_of(report["runs"]), frame_of(report["intervals"])
    pair = intervals[(intervals.better == "cmpie") & (intervals.worse == "han")].set_index("metric")
    words = {word for text in runs[runs.system == "cmpie"].changed for word in text.split(",")}
    reading = ", ".join(sorted(word for word in words if word and not word.startswith("precision=")))
    form = f" in the reading `{reading}`" if reading else ""
    source = report["source"] if report["source"] == "LLP" else f"{report['source']}, our simulated data"
    said = []
    for level in LEVELS:
        row, means = pair.loc[f"{level}_type"], 100 * runs.groupby("system")[f"{level}_type"].mean()
        told = ("cannot be told apart from", "is above", "is below")[side_of_zero(row.low, row.high)]
        numbers = f"{means['cmpie']:.1f} and {means['han']:.1f} percent"
        said.append((told, numbers, f"[{100 * row.low:+.1f}, {100 * row.high:+.1f}] points"))
    (told, numbers, interval), (events, of_events, interval_of_events) = said
    lengths = ""
    if behaviour is not None:
        ours, hans = behaviour.loc["cmpie"], behaviour.loc["han"]
        lengths = (
            f" But look at what it does: {100 * ours.full_visual:.0f} % of the events that it sees span the "
            f"whole clip, and {100 * hans.full_visual:.0f} % of those that HAN sees."
        )
    return (
        f"**One result.** On {source}, CM-PIE{form} {told} HAN, the model that it extends, when segments are "
        f"scored: over {int(pair.seeds.iloc[0])} pairs of runs on {report['videos']['train']:,} training "
        f"videos their F-scores (Type@AV) are {numbers}, and the 95 % interval of the difference is "
        f"{interval}. When events are scored, it {events} HAN: {of_events}, {interval_of_events}."
        f"{lengths}"
        + ("" if report["source"] == "LLP" else " All this says nothing about the paper's own numbers.")
    )


def markdown() -> str:
    """The sentence for the first page, of the runs on the most videos."""
    report, one_each = full_size()
    if report is None:
        return sentence(reports().get(2))
    return sentence(report, None if one_each is None else behaviour_of(one_each))
