"""The book's one result in one sentence, made from the stored report of Table 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from book.tools.reproduction import reports
from cmpie_lite.results.intervals import side_of_zero
from cmpie_lite.results.report_form import frame_of

METRIC = "segment_type"


def sentence(report: Mapping[str, Any] | None) -> str:
    """How CM-PIE compares with HAN in the stored runs: both means, the paired difference, its interval."""
    if report is None:
        return "No comparison with HAN is stored yet; [what is reproduced](reproduction.md) has the command."
    runs, intervals = frame_of(report["runs"]), frame_of(report["intervals"])
    means = 100 * runs.groupby("system")[METRIC].mean()
    row = intervals[
        (intervals.better == "cmpie") & (intervals.worse == "han") & (intervals.metric == METRIC)
    ].iloc[0]
    words = {word for text in runs[runs.system == "cmpie"].changed for word in text.split(",")}
    reading = ", ".join(sorted(word for word in words if word and not word.startswith("precision=")))
    form = f" in the reading `{reading}`" if reading else ""
    low, high = 100 * row.low, 100 * row.high
    told = ("cannot be told apart from", "is above", "is below")[side_of_zero(low, high)]
    source = report["source"] if report["source"] == "LLP" else f"{report['source']}, our simulated data"
    return (
        f"**One result.** On {source}, CM-PIE{form} {told} HAN, the model that it extends: over "
        f"{int(row.seeds)} pairs of runs their segment-level F-scores (Type@AV) are {means['cmpie']:.1f} and "
        f"{means['han']:.1f} percent, and the 95 % interval of the difference is [{low:+.1f}, {high:+.1f}] "
        "points." + ("" if report["source"] == "LLP" else " That says nothing about the paper's own numbers.")
    )


def markdown() -> str:
    """The sentence for the first page."""
    return sentence(reports().get(2))
