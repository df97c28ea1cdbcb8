"""Sections of *what is reproduced*: a table's runs and verdicts, runs at the size of LLP, ablations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from cmpie_lite.results import findings
from cmpie_lite.results.claims import UNTESTED, claims_of, judge
from cmpie_lite.results.intervals import side_of_zero
from cmpie_lite.results.report_files import read_report
from cmpie_lite.results.report_form import Report, frame_of
from cmpie_lite.results.reports import about, caution, made_by, remarks
from cmpie_lite.results.score_tables import (
    Table,
    behaviour_table,
    effect_table,
    interval_table,
    score_table,
    starred,
)
from cmpie_lite.systems.rows import systems_of, title_of


def command(table: int, dataset: str) -> str:
    """The command that makes the full report of a table."""
    seeds = " ".join(map(str, range(1, 11)))
    size = " --preset full" if dataset == "sim" else ""
    return (
        f"python -m cmpie_lite grid --table {table} --dataset {dataset}{size} --seeds {seeds} "
        f"--report book/results/table{table}.json"
    )


def shell(command: str) -> list[str]:
    """A command as a block of the page."""
    return ["```bash", command, "```", ""]


def wide(*tables: Table) -> list[str]:
    """Tables that may be wider than the text; one without rows is left out."""
    return [
        '<div class="wide">',
        "",
        *(x for t in tables if len(t.cells) for x in (t.markdown(), "")),
        "</div>",
        "",
    ]


def run_and_scores(report: Report) -> list[str]:
    """What was run and how, its scores, and how the models behave where that is known."""
    runs, intervals = frame_of(report["runs"]), frame_of(report["intervals"])
    tables = [score_table(runs), interval_table(runs, intervals), behaviour_table(report)]
    warning = caution(runs)
    return [
        f"{about(runs)}. Data `{report['source']}` `{report['sha256'][:16]}`; {made_by(report)}.",
        "",
        *([f"**{warning}**", ""] if warning else []),
        *shell(report["command"]),
        *wide(*tables),
        findings.of_differences(intervals),
        "",
    ]


def section(table: Literal[1, 2], report: Report | None) -> list[str]:
    """One table: its runs, and each sentence of the paper with its verdict."""
    lines = [f"## Table {table}", ""]
    if report is None:
        return [*lines, f"No run is stored: {UNTESTED}.", "", *shell(command(table, "sim"))]
    intervals = frame_of(report["intervals"])
    lines += [
        *run_and_scores(report),
        f"| the paper's sentence | section | on {report['source']} |",
        "|---|---|---|",
    ]
    for claim in claims_of(table):
        lines.append(f"| “{claim.quotation}” | {claim.section} | {judge(claim, intervals)[0]} |")
    return [*lines, ""]


def of_full_size(report: Report | None, one_each: Report | None) -> list[str]:
    """The rows of Table 2 that were trained on as many videos as LLP has, and those that were not.

    Args:
        report: of many seeds.
        one_each: of one run of each row, that says how it behaves.
    """
    if report is None:
        return []
    runs = frame_of(report["runs"])
    left = [title_of(name) for name in systems_of(2) if name not in set(runs.system)]
    whole = re.sub(r" --systems( \w+)+", "", report["command"])
    missing = f"{UNTESTED.capitalize()} at this size: {findings.listed(left)}. `{whole}`"
    return [
        "## At the size of LLP",
        "",
        "As many training videos as LLP has, with weaker signals than in the tables above. "
        f"{findings.of_columns(frame_of(report['intervals']), 'cmpie', 'han')} {remarks(report)}".strip(),
        "",
        *run_and_scores(report),
        *(how_they_behave(one_each) if one_each else []),
        *([missing, ""] if left else []),
    ]


def how_they_behave(report: Report) -> list[str]:
    """The behaviour of a report's runs, and the command that made them."""
    return [
        f"How they place events in time, in other runs: {made_by(report)}.",
        "",
        *shell(report["command"]),
        *wide(behaviour_table(report)),
    ]


def ablations(path: Path) -> list[str]:
    """CM-CS+HAN by its parts: what each ablation changes, or that they were never run."""
    lines = ["## CM-CS+HAN by its parts", ""]
    if not path.exists():
        words = "grid --dataset sim --ambiguities --systems cm_cs --seeds 1 2 3 4 5 6 --report book/results"
        return [
            *lines,
            f"{UNTESTED.capitalize()}: `python -m cmpie_lite {words}/{path.name}`",
            "",
        ]
    report = read_report(path)
    lines += [
        "The row of Table 1 is our guess at a model whose code is not public. Here its stages and its added "
        f"losses are taken away one at a time. Run on {made_by(report)}. {remarks(report)}".strip(),
        "",
        *shell(report["command"]),
        *wide(effect_table(report)),
    ]
    said: dict[str, list[str]] = {"better": [], "worse": [], "undecided": []}
    for field, values in report["effects"].items():
        for value, effect in values.items():
            word = ("undecided", "better", "worse")[side_of_zero(effect["low"], effect["high"])]
            said[word].append(f"`{field}={value}` {starred(effect)}")
    parts = [f"{word}: {', '.join(names)}" for word, names in said.items() if names]
    return [*lines, f"In segment Type@AV, over our default reading, {'; '.join(parts)}.", ""]
