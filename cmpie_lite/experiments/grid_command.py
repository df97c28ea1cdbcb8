"""The command that runs a grid: its words, and what it writes and prints.

    python -m cmpie_lite grid --table 2 --seeds 1 2 3 4 5 6 --epochs 40
    python -m cmpie_lite grid --ambiguities --seeds 1 2 3 4 5 6 7 8 9 10 --scheduler tcp://host:8786

Start the same command again and it goes on where it stopped (see `run_many`).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from cmpie_lite.errors import ConfigError
from cmpie_lite.experiments.grid import GridSettings, ambiguity_report, grid_settings, table_report
from cmpie_lite.experiments.settings import output_folder
from cmpie_lite.results.report_files import write_report
from cmpie_lite.results.report_form import frame_of
from cmpie_lite.results.reports import about, caution
from cmpie_lite.results.score_tables import behaviour_table, interval_table, score_table
from cmpie_lite.support.files import check_writable


def add_words(top: argparse.ArgumentParser) -> None:
    """Add the words of `python -m cmpie_lite grid` that no other command has."""
    default = GridSettings()
    what = top.add_mutually_exclusive_group(required=True)
    what.add_argument("--table", type=int, choices=(1, 2), help="the systems of one of the paper's tables")
    what.add_argument(
        "--ambiguities",
        nargs="*",
        metavar="FIELD[=VALUE]",
        help="CM-PIE (or one of --systems) by every reading, or by those of some fields, or by single ones",
    )
    top.add_argument("--systems", nargs="+", help="only these of the table's systems")
    top.add_argument("--seeds", type=int, nargs="+", default=list(default.seeds))
    top.add_argument("--ended", action="store_true", help="run nothing: report on a table's ended runs")


def run(options: argparse.Namespace, overrides: Mapping[str, Any], command: str) -> int:
    """Run a grid and write its report.

    Raises:
        ConfigError: options that do not go together, or as `grid_settings`.
        DataError, GridError: as `table_report` and `ambiguity_report`.
    """
    given = {f.name: getattr(options, f.name) for f in fields(GridSettings) if hasattr(options, f.name)}
    given |= {"overrides": overrides}
    if not options.systems:
        del given["systems"]
    settings = grid_settings(given, options.table or 2)
    name = f"table{options.table}" if options.table else "ambiguities"
    path = options.report or output_folder(settings.output_dir) / f"{name}.json"
    check_writable(path.parent, path.name)
    if options.table is None:
        systems = options.systems or ["cmpie"]
        if len(systems) > 1:
            raise ConfigError(
                f"--systems {' '.join(systems)} with --ambiguities, expected one system: run the command "
                "once for each."
            )
        if options.ended:
            raise ConfigError(
                "--ended with --ambiguities, expected with --table alone: leave one of the two out."
            )
        report = ambiguity_report(settings, command, options.ambiguities, system=systems[0])
    else:
        report = table_report(settings, options.table, command, ended=options.ended)
    write_report(path, report)  # before anything is printed, which may fail
    runs = frame_of(report["runs"])
    print("\n".join(filter(None, (about(runs), caution(runs)))))
    if options.table is not None:
        print(score_table(runs).markdown())
        print(interval_table(runs, frame_of(report["intervals"])).markdown())
        print(behaviour_table(report).markdown())
    print(f"report: {path}")
    return 0
