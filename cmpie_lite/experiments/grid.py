"""The grid of (system, seed) behind Tables 1 and 2, and that of the paper's readings: their runs and reports.

The report at the end is one JSON file; the notebooks and the book read such reports.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from cmpie_lite.data.store import FeatureStore
from cmpie_lite.errors import DataError
from cmpie_lite.experiments.readings import effects_of, reading_jobs
from cmpie_lite.experiments.run_files import video_scores
from cmpie_lite.experiments.run_many import finished, run_grid, seeds_together
from cmpie_lite.experiments.settings import (
    RunSettings,
    Settings,
    known_fields,
    open_data,
    run_folder,
)
from cmpie_lite.experiments.tables import Ended, analyses, behaviours
from cmpie_lite.results.pairing import VideoScores
from cmpie_lite.results.report_files import check_report, read_report
from cmpie_lite.results.report_form import Report, frame_of
from cmpie_lite.results.reports import changes, make_report
from cmpie_lite.support.fields import require, spell_out_paths
from cmpie_lite.systems.rows import SYSTEMS, configs, controls, systems_of


@dataclass(frozen=True)
class GridSettings(RunSettings):
    """What a reader may choose of a grid: the settings of its runs, and which and where these are."""

    seeds: Sequence[int] = (1, 2, 3)
    systems: Sequence[str] = tuple(configs(2))
    workers: int = 0  # local processes; 0: one per core, or this process where Dask is not installed
    scheduler: str = ""  # address of a running Dask scheduler
    together: bool = False  # all seeds of a system at once, in this process; on a GPU that is the default
    stored: str = ""  # read this report and run nothing

    def __post_init__(self) -> None:
        super().__post_init__()
        spell_out_paths(self, "stored")
        good = isinstance(self.systems, list | tuple) and all(type(s) is str for s in self.systems)
        different = bool(good and self.systems) and len(set(self.systems)) == len(self.systems)
        require(self, "systems", different, "a list of different systems, such as ['han', 'cmpie']")
        require(self, "systems", set(self.systems) <= set(SYSTEMS), "some of " + ", ".join(SYSTEMS))
        require(self, "workers", self.workers >= 0, "an integer >= 0")
        self.jobs()

    def jobs(self) -> list[Settings]:
        """One `Settings` for each system and seed, system after system; all are checked."""
        same = {f.name: getattr(self, f.name) for f in fields(RunSettings)}
        every = [Settings(model=name, **same) for name in self.systems]
        return [replace(one, seeds=[seed]) for one in every for seed in one.seeds]


def grid_settings(names: Mapping[str, Any], table: Literal[1, 2] = 2) -> GridSettings:
    """Settings from names and values, such as `notebook_parameters(globals())`; the systems of a table.

    Raises:
        ConfigError: if a name is unknown, or a value has the wrong type or is impossible.
    """
    return GridSettings(**{"systems": systems_of(table)} | known_fields(GridSettings, names))


# ---------- tables ----------


def table_report(
    settings: GridSettings, table: Literal[1, 2], command: str, *, ended: bool = False, progress: bool = True
) -> Report:
    """Run what is not there yet and report on all of it; or read the report that `stored` names.

    With `ended` nothing is run: the report is on the runs that have ended, and a slow system may have fewer.

    Every system is paired with HAN, CM-PIE with every other one, and a row with its controls, over seeds, and
    on LLP over test videos too: a simulator's are as many as one likes, LLP's are fixed. The tables of
    `analysis` are those of HAN and CM-PIE, the least seed of both; "behaviour" is that of every system, all
    seeds.

    Raises:
        DataError: a stored report of something else, or data that cannot be had. GridError: runs that failed.
    """
    if settings.stored:
        try:
            return stored_report(Path(settings.stored), table)
        except DataError as error:
            raise DataError(f"stored: {error}") from error
    names, listed = list(settings.systems), systems_of(table)
    require(settings, "systems", set(names) <= set(listed), f"some of Table {table}: {', '.join(listed)}")
    require(settings, "systems", "han" in names and len(names) > 1, "'han' and at least one more to compare")
    jobs = settings.jobs()
    store = open_data(jobs[0])
    runs = ended_runs(jobs, store) if ended else run_all(jobs, store, settings, progress)
    names = list(dict.fromkeys(job.model for job, _ in runs))
    pairs = [(name, "han") for name in names] + [("cmpie", name) for name in names] + controls(names)
    pairs = [(a, b) for a, b in dict.fromkeys(pairs) if a != b and a in names and b in names]
    chosen = [run for run in runs if run[0].model in ("han", "cmpie")]
    seeds = [{job.seeds[0] for job, _ in chosen if job.model == name} for name in ("han", "cmpie")]
    least = min(seeds[0] & seeds[1] or seeds[0])
    tables = analyses([run for run in chosen if run[0].seeds[0] == least], store)
    tables["behaviour"] = behaviours({name: [r for r in runs if r[0].model == name] for name in names}, store)
    records = [record for _, record in runs]
    return make_report(records, pairs, command, videos=scores_of_videos(runs, store), tables=tables)


def ended_runs(jobs: Sequence[Settings], store: FeatureStore) -> list[Ended]:
    """The runs of a grid that have ended; of which systems some have not is said.

    Raises:
        DataError: HAN, with which every system is compared, and one more have not ended.
    """
    found = [(job, record) for job in jobs if (record := finished(job, store))]
    names = sorted({job.model for job, _ in found})
    if len(names) < 2 or "han" not in names:
        raise DataError(
            f"runs of {', '.join(names) or 'no system'} have ended, expected han's and those of one more at "
            "least: leave --ended out, and what is missing is run."
        )
    missing = Counter(job.model for job in jobs) - Counter(job.model for job, _ in found)
    if missing:
        of = ", ".join(f"{count} of {name}" for name, count in missing.items())
        line = f"{missing.total()} of {len(jobs)} runs have not ended, and are left out: {of}."
        print(line, file=sys.stderr)
    return found


def stored_report(path: Path, table: Literal[1, 2]) -> Report:
    """The report in a file, where it is one of that table of the paper.

    Raises:
        DataError: no report, or one of something else.
    """
    report = read_report(path)
    found = sorted(frame_of(report["runs"]).system.unique())
    if report["kind"] != "table" or not set(found) <= set(systems_of(table)):
        what = "readings" if report["kind"] == "readings" else f"{found}"
        raise DataError(
            f"{path} is a report of {what}, expected one of Table {table}: "
            f"python -m cmpie_lite grid --table {table} makes it."
        )
    return report


def papermill_command(notebook: str, settings: GridSettings, table: Literal[1, 2]) -> str:
    """The command that runs a notebook with these settings."""
    default = grid_settings({}, table)
    words = ["papermill", notebook, "out.ipynb"]
    for f in fields(GridSettings):
        value, usual = getattr(settings, f.name), getattr(default, f.name)
        if isinstance(value, bool | int | float | str) and value != usual:
            words += ["-p", f.name, str(value)]
        elif not isinstance(value, bool | int | float | str) and json.dumps(value) != json.dumps(usual):
            words += ["-y", f"{{{f.name}: {json.dumps(value)}}}"]
    return shlex.join(words)


def run_all(
    jobs: Sequence[Settings], store: FeatureStore, settings: GridSettings, progress: bool
) -> list[Ended]:
    """All jobs with their records.

    Raises:
        GridError: runs that failed.
    """
    records = run_grid(
        jobs,
        store,
        workers=settings.workers,
        scheduler=settings.scheduler,
        together=seeds_together(settings.device, settings.scheduler, settings.together),
        progress=progress,
    )
    return list(zip(jobs, records, strict=True))


def scores_of_videos(runs: Sequence[Ended], store: FeatureStore) -> VideoScores | None:
    """On LLP, the scores of every test video of every run."""
    if store.source != "LLP":
        return None
    return {
        (job.model, changes(record), job.seeds[0]): video_scores(
            run_folder(job, store, job.seeds[0]), store, record
        )
        for job, record in runs
    }


# ---------- readings ----------


def ambiguity_report(
    settings: GridSettings,
    command: str,
    only: Sequence[str] = (),
    *,
    system: str = "cmpie",
    progress: bool = True,
) -> Report:
    """Readings of a system (some fields', or all) against its default, paired; the register reads `effects`.

    Raises:
        ConfigError: a field without readings, or no reading but the default. Else as `table_report`.
    """
    groups = reading_jobs(replace(settings, systems=[system]).jobs(), only)
    jobs = [job for group in groups.values() for job in group]
    store = open_data(jobs[0])
    done = run_all(jobs, store, settings, progress)
    records, videos = [record for _, record in done], scores_of_videos(done, store)
    label = {key: changes(records[jobs.index(group[0])]) for key, group in groups.items()}
    pairs = [(label[key], label["", ""]) for key in groups if key != ("", "")]
    runs = {label[key]: [(job, records[jobs.index(job)]) for job in group] for key, group in groups.items()}
    tables = {"behaviour": behaviours(runs, store)}
    report = make_report(records, pairs, command, key="changed", videos=videos, tables=tables)
    report["effects"] = effects_of(label, frame_of(report["intervals"]))
    report["base"] = label["", ""]
    check_report(report)
    return report
