"""Run records to results: one row per run, and reports of what was run.

A *report* is what is stored of a set of runs, as JSON (`report_form.Report`): facts (source and digest of the
data, epochs, seeds, command, machine), `runs` (ten scores each, fractions), `intervals` (paired differences
of two kinds of run, fractions) and tables. Runs on different data never share one: `check_comparable`
refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, Literal

import pandas as pd

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.llp_sim import SIZES
from cmpie_lite.errors import DataError
from cmpie_lite.metrics import SCORES
from cmpie_lite.results.intervals import METHODS
from cmpie_lite.results.pairing import VideoScores, check_comparable, paired
from cmpie_lite.results.report_files import check_report
from cmpie_lite.results.report_form import INTERVALS, Report, split_of
from cmpie_lite.support.typed import MARKUP
from cmpie_lite.systems.build import config_to_facts, of_now
from cmpie_lite.systems.rows import SYSTEMS, title_of

NBSP: Final = "\u00a0"  # a space at which no line breaks

# ---------- records to one row per run ----------


def changes(record: Mapping[str, Any]) -> str:
    """What a run changes of its system's config and recipe, as "heads=4,sa_axis=channel"; empty: nothing.

    Seed and number of epochs are no changes: they have columns of their own.
    """
    name = record["model"]
    base = config_to_facts(SYSTEMS[name].config) | asdict(SYSTEMS[name].recipe)
    recipe = {k: x for k, x in of_now(record["recipe"]).items() if k not in ("seed", "epochs")}
    here = of_now(record["config"]) | recipe
    return ",".join(f"{key}={here[key]}" for key in sorted(here) if here[key] != base[key])


def run_row(record: Mapping[str, Any]) -> dict[str, Any]:
    """One run record as a row: what was run, on what data, how long, and its ten scores.

    Raises:
        DataError: a system that this package does not know.
    """
    if record["model"] not in SYSTEMS:
        raise DataError(f"a record of {record['model']!r}, expected one of {', '.join(SYSTEMS)}.")
    data, recipe = record["data"], record["recipe"]
    return {
        "system": record["model"],
        "changed": changes(record),
        "seed": recipe["seed"],
        "epochs": recipe["epochs"],
        "source": data["source"],
        "digest": data["sha256"],
        "videos": "/".join(str(data["videos"][split]) for split in ("train", "val", "test")),
        "seconds": record["seconds"],
        "best_epoch": record["best_epoch"],
        **{name: record["test"][name] for name in SCORES},
    }


def runs_frame(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per run (`run_row`).

    Raises:
        DataError: no records; a system that this package does not know; a run that occurs twice.
    """
    rows = [run_row(record) for record in records]
    if not rows:
        raise DataError("no run records, expected at least one: train something first.")
    frame = pd.DataFrame(rows)
    twice = frame.duplicated(["system", "changed", "seed", "epochs", "digest"])
    if twice.any():
        row = frame[twice].iloc[0]
        raise DataError(f"{row.system}, seed {row.seed} occurs twice: a run counts once.")
    return frame


# ---------- what a reader must know of them ----------


def about(frame: pd.DataFrame) -> str:
    """One line on the runs: their data, with "(NOT LLP)" where they are others, the numbers of videos, seeds
    and epochs, and what they change of the defaults."""
    first, loud = frame.iloc[0], "" if frame.source.iloc[0] == "LLP" else " (NOT LLP)"
    each, epochs = frame.groupby(["system", "changed"]).seed.nunique(), int(first.epochs)
    least, most = int(each.min()), int(each.max())
    seeds = str(most) if least == most else f"{least} to {most}"
    counts = f"{seeds} seed{'s' * (most != 1)}, {epochs} epoch{'s' * (epochs != 1)}"
    return f"{first.source}{loud}, {first.videos} videos, {counts}{changed_in(frame)}"


def changed_in(frame: pd.DataFrame) -> str:
    """What all runs change, and what the runs of some systems change beside that; empty where nothing is.

    Systems of which there are runs of several kinds, such as readings of one, are left to the rows.
    """
    kinds = frame.groupby("system", sort=False).changed.unique()
    words = {name: set(found[0].split(",")) - {""} for name, found in kinds.items() if len(found) == 1}
    if len(words) < len(kinds):
        return ""
    shared = set.intersection(*words.values())
    note = f", every run with {settings_text(','.join(sorted(shared)))}" if shared else ""
    own: dict[str, list[str]] = {}
    for name, changes_of in words.items():
        if more := ",".join(sorted(changes_of - shared)):
            own.setdefault(more, []).append(title_of(str(name)))
    return note + "".join(
        f", {' and '.join(names)} with {settings_text(more)}" for more, names in own.items()
    )


def settings_text(changed: str) -> str:
    """What is stored as "dim=64,heads=4", as a title or a table shows it: "dim = 64, heads = 4".

    A line may break before a value, since names and values are long, but not before "=".
    """
    return changed.replace(",", ", ").replace("=", f"{NBSP}= ")


def caution(frame: pd.DataFrame) -> str:
    """What a reader must know before the numbers; empty where there is nothing."""
    source = frame.iloc[0].source
    other = f"The data are {source}, not LLP: nothing here confirms or refutes the paper."
    return " ".join(filter(None, ("" if source == "LLP" else other, shortfalls(frame))))


def shortfalls(frame: pd.DataFrame) -> str:
    """What the runs lack beside LLP's videos; empty where it is nothing."""
    first, notes = frame.iloc[0], list[str]()
    if int(str(first.videos).split("/")[0]) < SIZES["small"].num_train:
        notes.append("The data set is a toy that tests the plumbing: ITS SCORES MEAN NOTHING.")
    if first.epochs < TrainConfig().epochs:
        notes.append(f"Epochs: {first.epochs} of the recipe's {TrainConfig().epochs}.")
    return " ".join(notes)


def made_by(report: Mapping[str, Any]) -> str:
    """The machine, the commits and the day of a report: elsewhere its command may give other numbers."""
    commits = ", ".join(commit[:7] for commit in report["commits"])
    return f"{report['machine']}; at commit {commits}; {report['finished'][:10]}"


def remarks(report: Report) -> str:
    """What was done to a report after its runs, in whole sentences; empty where nothing was."""
    return " ".join(report["notes"])


# ---------- reports ----------


def make_report(
    records: Sequence[Mapping[str, Any]],
    pairs: Iterable[tuple[str, str]],
    command: str,
    *,
    key: Literal["system", "changed"] = "system",
    videos: VideoScores | None = None,
    tables: Mapping[str, pd.DataFrame] | None = None,
) -> Report:
    """What is stored of a set of runs: facts, one row per run, paired intervals, tables.

    Args:
        records: the run records, all on the same data.
        pairs: (better, worse), the kinds of run that are compared.
        command: what makes the report again.
        key: what `pairs` name: systems, or readings of one system by what they change.
        videos: scores of every test video of every run; with them the intervals are over seeds and videos,
            without them over seeds alone.
        tables: tables of `analysis`, by name.

    Raises:
        DataError: runs that cannot share a report, a pair without a common seed, or a name (of the data, say)
            that holds HTML or Markdown.
    """
    frame = runs_frame(records)
    check_comparable(frame)
    found = [paired(frame, *pair, key=key, videos=videos) for pair in pairs]
    intervals = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(INTERVALS))
    first = records[0]
    report: Report = {
        "kind": "table" if key == "system" else "readings",
        "source": first["data"]["source"],
        "sha256": first["data"]["sha256"],
        "videos": first["data"]["videos"],
        "epochs": first["recipe"]["epochs"],
        "seeds": sorted(int(seed) for seed in frame.seed.unique()),
        "command": command,
        "machine": machines(records),
        "commits": sorted({str(r["environment"]["commit"]) for r in records}),
        "finished": max(r["finished"] for r in records),
        "interval": METHODS["seeds" if videos is None else "seeds and test videos"],
        "notes": [],
        "runs": split_of(frame),
        "intervals": split_of(intervals),
        "tables": {name: split_of(table) for name, table in (tables or {}).items()},
    }
    if report["kind"] == "table":  # one of readings is not whole before its effects are known
        check_report(report)
    return report


def machines(records: Iterable[Mapping[str, Any]]) -> str:
    """The machines that the runs were made on, in words."""
    found = {
        f"{e['device']}, {e['cores']} cores, {e['platform']}, torch {e['torch']}"
        for e in (record["environment"] for record in records)
    }
    return "".join(c for c in "; ".join(sorted(found)) if c not in MARKUP and c.isprintable())
