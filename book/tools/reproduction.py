"""What is reproduced, what is not, what was never run: the page, made of the stored reports and nothing else.

Reports are what `python -m cmpie_lite grid` writes, in `book/results/`: table1.json, table2.json, and for the
register ambiguities*.json. A file that is not there is a run that was never made, and the page says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from book.tools import register
from cmpie_lite.results.claims import UNTESTED, claims_of, judge
from cmpie_lite.results.report_files import read_report
from cmpie_lite.results.report_form import Report, frame_of
from cmpie_lite.results.reports import about, caution, made_by
from cmpie_lite.results.score_tables import interval_table, score_table
from cmpie_lite.systems.rows import SYSTEMS, systems_of, title_of

RESULTS = Path(__file__).parents[1] / "results"
TABLES: tuple[Literal[1, 2], ...] = (1, 2)


def command(table: int, dataset: str) -> str:
    """The command that makes the full report of a table."""
    seeds = " ".join(map(str, range(1, 11)))
    size = " --preset full" if dataset == "sim" else ""
    return (
        f"python -m cmpie_lite grid --table {table} --dataset {dataset}{size} --seeds {seeds} "
        f"--report book/results/table{table}.json"
    )


def reports(folder: Path = RESULTS) -> dict[int, Report]:
    """The stored report of each table that has one."""
    paths = {table: folder / f"table{table}.json" for table in TABLES}
    return {table: read_report(path) for table, path in paths.items() if path.exists()}


def section(table: Literal[1, 2], report: Report | None) -> list[str]:
    """One table: what was run and how, its scores, each sentence of the paper with its verdict."""
    lines = [f"## Table {table}", ""]
    if report is None:
        return [*lines, f"No run is stored: {UNTESTED}.", "", "```bash", command(table, "sim"), "```", ""]
    runs, intervals = frame_of(report["runs"]), frame_of(report["intervals"])
    warning = caution(runs)
    lines += [
        f"{about(runs)}. Data `{report['source']}` `{report['sha256'][:16]}`; {made_by(report)}.",
        "",
        *([f"**{warning}**", ""] if warning else []),
        "```bash",
        report["command"],
        "```",
        "",
        '<div class="wide">',
        "",
        score_table(runs).markdown(),
        "",
        interval_table(runs, intervals).markdown(),
        "",
        "</div>",
        "",
        f"| the paper's sentence | section | on {report['source']} |",
        "|---|---|---|",
    ]
    for claim in claims_of(table):
        lines.append(f"| “{claim.quotation}” | {claim.section} | {judge(claim, intervals)[0]} |")
    return [*lines, ""]


def summary(stored: Mapping[int, Report]) -> list[str]:
    """The answer first: is any number of the paper reproduced?"""
    on_llp = [f"Table {table}" for table, report in stored.items() if report["source"] == "LLP"]
    sources = sorted({str(report["source"]) for report in stored.values()})
    if on_llp:
        first = f"Trained on LLP: {' and '.join(on_llp)}. Its section below compares with the paper."
    else:
        first = (
            "**No number of the paper's tables is reproduced here**: nothing stored was trained on LLP. "
            + (f"What is stored was trained on {' and '.join(sources)}." if sources else "Nothing is stored.")
        )
    verdicts = [
        judge(claim, frame_of(report["intervals"]))[0]
        for table, report in stored.items()
        for claim in claims_of(1 if table == 1 else 2)
    ]
    total = sum(len(claims_of(table)) for table in TABLES)
    kinds = ("supported", "contradicted", "undecided", UNTESTED)
    counts = {kind: sum(verdict.startswith(kind) for verdict in verdicts) for kind in kinds}
    counts[UNTESTED] += total - len(verdicts)
    listed = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return [first, "", f"Of the {total} sentences about the tables that a run can test: {listed}.", ""]


def never_run(stored: Mapping[int, Report]) -> list[str]:
    """What has no result, with the reason or the command."""
    lines = ["## Never run", ""]
    for table in TABLES:
        if stored.get(table, {}).get("source") != "LLP":
            lines += [f"- Table {table} on LLP. With the features packed: `{command(table, 'llp')}`"]
        ran = set(frame_of(stored[table]["runs"]).system) if table in stored else set(systems_of(table))
        if left := [title_of(name) for name in systems_of(table) if name not in ran]:
            lines += [f"- {', '.join(left)}: in no stored run of Table {table}. `{command(table, 'sim')}`"]
    guessed = (system for system in SYSTEMS.values() if system.unknown)
    lines += [f"- {system.title}: the published model itself. {system.unknown}" for system in guessed]
    wide = [report for report in register.results() if register.width(report) == register.default("dim")]
    missing = [
        f"`{field}={value}`"
        for field, entry in register.ENTRIES.items()
        for value in entry.readings
        if value != register.default(field)
        and not any(register.measured(field, value, report) for report in wide)
    ]
    if missing:
        lines += [
            f"- Readings of the [register](ambiguity_register.md) without a measured effect at the paper's "
            f"width, D = {register.default('dim')}, {len(missing)}: {', '.join(missing)}. "
            "`python -m cmpie_lite grid --ambiguities --seeds 1 2 3 4 5 6 7 8 9 10 "
            "--report book/results/ambiguities.json`"
        ]
    return [*lines, ""]


def markdown() -> str:
    """The page below its title."""
    stored = reports()
    lines = summary(stored)
    for table in TABLES:
        lines += section(table, stored.get(table))
    return "\n".join(lines + never_run(stored))


if __name__ == "__main__":
    print(markdown())
