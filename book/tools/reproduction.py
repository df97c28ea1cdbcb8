"""What is reproduced, what is not, what was never run: the page, made of the stored reports and nothing else.

Reports are what `python -m cmpie_lite grid` writes, in `book/results/`: table1.json, table2.json, rows of
Table 2 on as many videos as LLP has full_size.json, for the register ambiguities*.json, for the ablations of
CM-CS+HAN cm_cs.json; and what `python -m cmpie_lite controlled` writes, when_it_helps.json. A file that is
not there is a run that was never made, and the page says so.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pandas as pd

from book.tools import register
from book.tools.reproduction_sections import ablations, command, of_full_size, section
from cmpie_lite.notebook import study
from cmpie_lite.results import findings
from cmpie_lite.results.claims import UNTESTED, claims_of, judge
from cmpie_lite.results.intervals import side_of_zero
from cmpie_lite.results.pairing import interval_of
from cmpie_lite.results.report_files import read_report
from cmpie_lite.results.report_form import Report, frame_of
from cmpie_lite.results.reports import about, remarks
from cmpie_lite.results.score_tables import behaviour_of
from cmpie_lite.results.study_files import read_study
from cmpie_lite.support.streams import run_to_the_last_word
from cmpie_lite.systems.rows import SYSTEMS, systems_of, title_of

RESULTS = Path(__file__).parents[1] / "results"
TABLES: tuple[Literal[1, 2], ...] = (1, 2)


def report_at(path: Path) -> Report | None:
    """A stored report; None where there is none."""
    return read_report(path) if path.exists() else None


def reports(folder: Path = RESULTS) -> dict[int, Report]:
    """The stored report of each table that has one."""
    return {table: stored for table in TABLES if (stored := report_at(folder / f"table{table}.json"))}


def full_size(folder: Path = RESULTS) -> tuple[Report | None, Report | None]:
    """Rows of Table 2 at LLP's size: the report of many seeds, and of one run of each, for its behaviour."""
    return report_at(folder / "full_size.json"), report_at(folder / "full_size_behaviour.json")


# What a reader of the paper asks first: the block, and (row, control) whose difference speaks of it.
QUESTIONS = {
    "SA (a second HAN behind segment attention)": ("segment_attention", "han"),
    "SA alone (against two HANs without it)": ("segment_attention", "two_hans"),
    "A second HAN alone": ("two_hans", "han"),
    "CMA": ("cmpie", "segment_attention"),
    "CM-PIE as a whole": ("cmpie", "han"),
}


def difference(intervals: pd.DataFrame, better: str, worse: str) -> str:
    """A difference in segment and event Type@AV, with its verdict; empty where it was not measured."""
    said = []
    for level in ("segment", "event"):
        found = interval_of(intervals, better, worse, f"{level}_type")
        if found is not None:
            mean, low, high = (100 * x for x in found[:3])
            word = ("undecided", "up", "down")[side_of_zero(low, high)]
            said.append(f"{level} Type@AV {mean:+z.1f} [{low:+.1f}, {high:+.1f}], {word}")
    return "; ".join(said)


def answer(block: str, better: str, worse: str, stored: Mapping[int, Report]) -> str:
    """What the stored runs say of one block, in segment and event Type@AV; or that it was never run."""
    pair = f"- **{block}**: {title_of(better)} minus {title_of(worse)}"
    for table in reversed(TABLES):
        if table in stored and (said := difference(frame_of(stored[table]["intervals"]), better, worse)):
            return f"{pair}: {said}."
    return f"{pair}: {UNTESTED}. `{command(2, 'sim')}`"


def larger(report: Report | None, one_each: Report | None) -> list[str]:
    """What CM-PIE as a whole does on as many videos as LLP has, score by score; how long its events are."""
    if report is None:
        return []
    intervals, runs = frame_of(report["intervals"]), frame_of(report["runs"])
    videos, seeds = report["videos"]["train"], runs[runs.system == "cmpie"].seed.nunique()
    return [
        f"- **The same at [LLP's size](#at-the-size-of-llp)**, {videos:,} training videos, {seeds} seeds, "
        f"{report['epochs']} epochs: {difference(intervals, 'cmpie', 'han')}. "
        + findings.of_columns(intervals, "cmpie", "han")
        + (f" One run of each says how. {findings.of_lengths(behaviour_of(one_each))}" if one_each else "")
    ]


def summary(
    stored: Mapping[int, Report], whole: Report | None = None, one_each: Report | None = None
) -> list[str]:
    """The answer first: is any number reproduced, and what do the runs say of each block?"""
    on_llp = [f"Table {table}" for table, report in stored.items() if report["source"] == "LLP"]
    sources = sorted({str(report["source"]) for report in stored.values()})
    if on_llp:
        first = f"Trained on LLP: {' and '.join(on_llp)}. Its section below compares with the paper."
    else:
        first = (
            "**No number of the paper's tables is reproduced here**: nothing stored was trained on LLP. "
            + (f"What is stored was trained on {' and '.join(sources)}." if sources else "Nothing is stored.")
            + (f" {findings.FITTED}" if "LLP-sim" in sources else "")
        )
    lines = [first, "", " ".join(behaves(stored)), ""]
    lines += [answer(block, *pair, stored) for block, pair in QUESTIONS.items()]
    lines += larger(whole, one_each)
    lines += when(RESULTS / "when_it_helps.json")
    lines += [f"- {line}" for line in conditions(stored)]
    if not on_llp:
        lines += [
            "- **Without LLP nobody can say** whether SA or CMA helps on real videos, how far the paper's "
            "own differences exceed the spread of seeds, or whether its numbers come out at all."
        ]
    return [*lines, "", verdict_counts(stored), ""]


def behaves(stored: Mapping[int, Report]) -> list[str]:
    """Whether our CM-PIE says when events happen, and which of its readings do."""
    said = []
    for found in map(behaviour_of, list(stored.values())[-1:]):
        said += [findings.of_one("cmpie", found.loc["cmpie"])] if "cmpie" in found.index else []
    for report in register.results():
        if len(found := behaviour_of(report)):
            words = findings.of_readings(found)
            said.append(f"At D = {register.width(report)}, {words[0].lower()}{words[1:]}")
    return said


def when(path: Path) -> list[str]:
    """Under which conditions each block helps or hurts, by the stored study; or that it was never run."""
    block = "- **When each block helps**"
    if not path.exists():
        words = f"controlled --seeds 1 2 3 4 5 6 --report book/results/{path.name}"
        return [f"{block}: {UNTESTED}. `python -m cmpie_lite {words}`"]
    report = read_study(path)
    page = "[one knob of the simulator at a time](../notebooks/when_it_helps.ipynb)"
    first = f"{block}, {page}, event Type@AV; {study.study_source(report)}:"
    return [first, *(f"  - {line}" for line in study.summary(report))]


def conditions(stored: Mapping[int, Report]) -> list[str]:
    """Under which conditions the runs were made: data, length, how the models behave."""
    lines = []
    for table, report in stored.items():
        runs = frame_of(report["runs"])
        lines.append(f"**Conditions**, Table {table}: {about(runs)}. {remarks(report)}".strip())
    for found in map(behaviour_of, list(stored.values())[-1:]):
        lines += [findings.of_tagging(found)] if len(found) else []
    return lines


def verdict_counts(stored: Mapping[int, Report]) -> str:
    """How many of the paper's sentences about its tables have which verdict."""
    verdicts = [
        judge(claim, frame_of(report["intervals"]))[0]
        for table, report in stored.items()
        for claim in claims_of(table)
    ]
    total = sum(len(claims_of(table)) for table in TABLES)
    kinds = ("supported", "contradicted", "undecided", UNTESTED)
    counts = {kind: sum(verdict.startswith(kind) for verdict in verdicts) for kind in kinds}
    counts[UNTESTED] += total - len(verdicts)
    listed = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return f"Of the {total} sentences about the tables that a run can test: {listed}."


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
    whole, one_each = full_size(RESULTS)
    lines = summary(stored, whole, one_each)
    for table in TABLES:
        lines += section(table, stored.get(table))
        lines += ablations(RESULTS / "cm_cs.json") if table == 1 else of_full_size(whole, one_each)
    return "\n".join(lines + never_run(stored))


def main() -> int:
    """Print the page."""
    print(markdown())
    return 0


if __name__ == "__main__":
    sys.exit(run_to_the_last_word(main))
