"""Run records to results: a row a run, and reports of what was run.

A *report* is what is stored of a set of runs, as JSON: facts (source and digest of the data, epochs, seeds,
command, machine), `runs` (ten scores each, fractions) and `intervals` (paired differences of two systems,
fractions). Runs on different data never share one: `check_comparable` refuses.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.llp_sim import SIZES
from cmpie_lite.errors import DataError
from cmpie_lite.metrics import SCORES
from cmpie_lite.results.pairing import Videos, check_comparable, paired
from cmpie_lite.support.files import replace_file
from cmpie_lite.systems.build import config_to_facts, of_now
from cmpie_lite.systems.rows import SYSTEMS, title_of

# ---------- records to one row a run ----------


def changes(record: Mapping[str, Any]) -> str:
    """What a run changes of its system's config and recipe, as "heads=4,sa_axis=channel"; empty: nothing.

    Seed and number of epochs are no changes: they have columns of their own.
    """
    name = record["model"]
    base = config_to_facts(SYSTEMS[name].config) | asdict(SYSTEMS[name].recipe)
    recipe = {k: x for k, x in of_now(record["recipe"]).items() if k not in ("seed", "epochs")}
    here = of_now(record["config"]) | recipe
    return ",".join(f"{key}={here[key]}" for key in sorted(here) if here[key] != base[key])


def runs_frame(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A row a run: system, changed, seed, epochs, source, digest, videos, seconds, best_epoch, ten scores.

    Raises:
        DataError: no records; a system that this package does not know; a run that occurs twice.
    """
    rows: list[dict[str, Any]] = []
    for record in records:
        if record["model"] not in SYSTEMS:
            raise DataError(f"a record of {record['model']!r}, expected one of {', '.join(SYSTEMS)}.")
        data, recipe = record["data"], record["recipe"]
        rows.append(
            {
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
        )
    if not rows:
        raise DataError("no run records, expected at least one: train something first.")
    frame = pd.DataFrame(rows)
    twice = frame.duplicated(["system", "changed", "seed", "epochs", "digest"])
    if twice.any():
        row = frame[twice].iloc[0]
        raise DataError(f"{row.system}, seed {row.seed} occurs twice: a run counts once.")
    return frame


# ---------- reports ----------


def about(frame: pd.DataFrame) -> str:
    """The data, loudly where they are not LLP, and how many videos, seeds, epochs; what all runs changed."""
    first, loud = frame.iloc[0], "" if frame.source.iloc[0] == "LLP" else " (NOT LLP)"
    seeds, epochs = int(frame.seed.nunique()), int(first.epochs)
    counts = f"{seeds} seed{'s' * (seeds != 1)}, {epochs} epoch{'s' * (epochs != 1)}"
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
    note = f", every run with {','.join(sorted(shared))}" if shared else ""
    own: dict[str, list[str]] = {}
    for name, changes_of in words.items():
        if more := ",".join(sorted(changes_of - shared)):
            own.setdefault(more, []).append(title_of(str(name)))
    return note + "".join(f", {' and '.join(names)} with {more}" for more, names in own.items())


def caution(frame: pd.DataFrame) -> str:
    """What a reader must know before the numbers; empty where there is nothing."""
    first, notes = frame.iloc[0], list[str]()
    if first.source != "LLP":
        notes.append(f"The data are {first.source}, not LLP: nothing here confirms or refutes the paper.")
    if int(str(first.videos).split("/")[0]) < SIZES["small"].num_train:
        notes.append("The data set is a toy that tests the plumbing: ITS SCORES MEAN NOTHING.")
    if first.epochs < TrainConfig().epochs:
        notes.append(f"Epochs: {first.epochs} of the recipe's {TrainConfig().epochs}.")
    return " ".join(notes)


def made_by(report: Mapping[str, Any]) -> str:
    """The machine, the commits and the day of a report: elsewhere its command may give other numbers."""
    commits = ", ".join(commit[:7] for commit in report["commits"])
    return f"{report['machine']}; at commit {commits}; {report['finished'][:10]}"


def make_report(
    records: Sequence[Mapping[str, Any]],
    pairs: Iterable[tuple[str, str]],
    command: str,
    *,
    key: str = "system",
    videos: Videos | None = None,
    tables: Mapping[str, pd.DataFrame] | None = None,
) -> dict[str, Any]:
    """What is stored of a set of runs: facts, a row a run, the paired intervals of `pairs`, other tables."""
    frame = runs_frame(records)
    check_comparable(frame)
    intervals = [paired(frame, *pair, key=key, videos=videos) for pair in pairs]
    first = records[0]
    machines = {
        f"{e['device']}, {e['cores']} cores, {e['platform']}, torch {e['torch']}"
        for e in (r["environment"] for r in records)
    }
    return {
        "source": first["data"]["source"],
        "sha256": first["data"]["sha256"],
        "videos": first["data"]["videos"],
        "epochs": first["recipe"]["epochs"],
        "seeds": sorted(int(s) for s in frame.seed.unique()),
        "command": command,
        "machine": "; ".join(sorted(machines)),
        "commits": sorted({str(r["environment"]["commit"]) for r in records}),
        "finished": max(r["finished"] for r in records),
        "runs": split_of(frame),
        "intervals": split_of(pd.concat(intervals, ignore_index=True)) if intervals else None,
        "tables": {name: split_of(table) for name, table in (tables or {}).items()},
    }


def split_of(frame: pd.DataFrame) -> dict[str, Any]:
    """A DataFrame as JSON, every number exactly; its index too. What is missing (NaN) becomes None."""
    plain = frame.astype(object).where(frame.notna(), None)
    return plain.to_dict(orient="split") | {"index_name": frame.index.name}


def frame_of(split: Mapping[str, Any]) -> pd.DataFrame:
    """The DataFrame that `split_of` wrote down; None becomes NaN."""
    index = pd.Index(split["index"], name=split["index_name"])
    data = [[np.nan if x is None else x for x in row] for row in split["data"]]
    return pd.DataFrame(data, index=index, columns=split["columns"])


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, (json.dumps(report, indent=1) + "\n").encode())


def read_report(path: Path) -> dict[str, Any]:
    """Read a report. Raises DataError where there is none."""
    try:
        report = json.loads(path.read_text(encoding="utf8"))
        for name in ("source", "sha256", "command", "machine", "runs", "intervals", "tables"):
            report[name]
        return report
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is no report of runs ({error}): python -m cmpie_lite grid makes one."
        ) from error
