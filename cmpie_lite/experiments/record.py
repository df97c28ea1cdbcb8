"""Run records: what was run, on what, with what, and what came out, as JSON beside the predictions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypedDict, cast

import torch

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.errors import ConfigError, DataError
from cmpie_lite.experiments.environment import environment
from cmpie_lite.metrics import SCORES, ParsingScores
from cmpie_lite.support.fields import override
from cmpie_lite.support.files import replace_file
from cmpie_lite.support.reading import look, read_text
from cmpie_lite.support.text import shown
from cmpie_lite.support.typed import check_no_markup, conform, load_json
from cmpie_lite.systems.build import Config, config_from_facts, config_to_facts, of_now, signature
from cmpie_lite.systems.rows import SYSTEMS
from cmpie_lite.training.loop import Run

RECORD: Final = "record.json"
SEED: Final = re.compile("seed[0-9]+")  # the folder of a run
ENVIRONMENT: Final = {"commit", "cores", "device", "platform", "torch"}  # what a report says of it
LARGEST_RECORD: Final = 16_000_000  # bytes
AGAIN: Final = "Restore it, or move it elsewhere and run again."


class Videos(TypedDict):
    """How many videos each split has."""

    train: int
    val: int
    test: int


class _Sometimes(TypedDict, total=False):
    creation: dict[str, Any]  # what the data were made with


class DataFacts(_Sometimes):
    """The data of a run."""

    source: str
    sha256: str  # the store's digest
    videos: Videos


class FileSums(TypedDict):
    """The checksums that stand in a run's files: what belongs to its record."""

    weights: str  # of `best.safetensors`
    predictions: str


class _MayLack(TypedDict, total=False):
    parameters: str  # signature of the architecture
    together: list[int]  # the seeds that were trained at once, this one among them
    files: FileSums  # not in records of before


class RunRecord(_MayLack):
    """Everything that is needed to repeat a run and to read its result. Scores are fractions."""

    model: str  # the system's name
    config: dict[str, Any]
    recipe: dict[str, Any]
    data: DataFacts
    environment: dict[str, str | int | float | None]
    finished: str  # ISO 8601, UTC
    seconds: float
    best_epoch: int  # counted from 1
    history: list[dict[str, float]]  # a row per epoch
    test: dict[str, float]  # the ten scores


def run_record(
    name: str,
    config: Config,
    recipe: TrainConfig,
    store: FeatureStore,
    run: Run,
    scores: ParsingScores,
    device: torch.device,
) -> RunRecord:
    """The record of a run that has just ended, on this machine; `files` is added when they are written.

    Args:
        name: of the system.
        config: what was built.
        recipe: how it was trained; its seed is the run's.
        store: the data of training, validation and test.
        run: what training gave.
        scores: of the best epoch's model on the test split.
        device: that the run was trained on.
    """
    return {
        "model": name,
        "config": config_to_facts(config),
        "parameters": signature(config),
        "recipe": asdict(recipe),
        "data": {
            "source": store.source,
            "sha256": store.digest,
            "creation": dict(store.creation),
            "videos": {"train": len(store.train), "val": len(store.val), "test": len(store.test)},
        },
        "environment": environment(device),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(run.seconds, 3),
        "best_epoch": run.best_epoch,
        "history": run.history,
        "test": scores.as_dict(),
    }


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `record.json`, atomically.

    Raises:
        ValueError: a number is NaN or infinite.
        WriteError: the folder cannot be written.
    """
    replace_file(folder / RECORD, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())


def read_record(path: Path) -> RunRecord:
    """Read and check one record.

    Raises:
        DataError: it is not there, something in it is missing or of another type than `RunRecord`, or it is
            of no system, config or recipe that this version knows.
        ReadError: it is there and cannot be read.
    """

    def read(path: Path) -> RunRecord:
        record = load_json(read_text(path, LARGEST_RECORD))
        check_record(record)
        return cast(RunRecord, record)

    try:
        return look(path, read)
    except FileNotFoundError:
        raise DataError(f"{path} is not there: train first, or give the folder of a finished run.") from None
    except (DataError, ConfigError) as error:
        raise DataError(f"{path} is not a run record: {error}. {AGAIN}") from error


def check_record(record: Any) -> None:
    """Raise DataError or ConfigError unless a value is a whole record, of a system that is known."""
    conform(record, RunRecord)
    if lacking := sorted(ENVIRONMENT - record["environment"].keys()):
        raise DataError(f"environment has no {', '.join(lacking)}")
    if lacking := sorted(set(SCORES) - record["test"].keys()):
        raise DataError(f"test has no {', '.join(lacking)}")
    if not all(0 <= record["test"][name] <= 1 for name in SCORES):
        raise DataError("test has a score outside [0, 1]")
    if record["model"] not in SYSTEMS:
        raise DataError(f"model is {shown(record['model'])}, expected one of {', '.join(SYSTEMS)}")
    if type(config_from_facts(record["config"])) is not type(SYSTEMS[record["model"]].config):
        raise DataError(f"config is of {record['config']['system']}, which is not that of {record['model']}")
    override(TrainConfig(), of_now(record["recipe"]))
    if lacking := sorted(asdict(TrainConfig()).keys() - of_now(record["recipe"]).keys()):
        raise DataError(f"recipe has no {', '.join(lacking)}")
    if min(record["data"]["videos"].values()) < 1 or record["seconds"] < 0:
        raise DataError("the numbers of videos are at least 1, and seconds at least 0")
    if not 1 <= record["best_epoch"] <= len(record["history"]):
        raise DataError(
            f"best_epoch is {record['best_epoch']}, of {len(record['history'])} epochs in history"
        )
    if record["recipe"]["seed"] not in record.get("together", [record["recipe"]["seed"]]):
        raise DataError("its seed is not one of those of together")
    shown_on_pages = {"data.source": record["data"]["source"], "finished": record["finished"]}
    shown_on_pages |= {f"environment.{name}": str(x) for name, x in record["environment"].items()}
    for where, text in shown_on_pages.items():
        check_no_markup(text, where)


def read_records(folder: Path) -> list[RunRecord]:
    """The record of every run under a folder, in the order of their paths.

    A run lies in a folder `seed<n>` and has its record in it; what lies below is a copy, and no run.

    Raises:
        DataError: a run's own record is none (`read_record`).
    """
    runs = [path.parent for path in sorted(folder.rglob(RECORD)) if SEED.fullmatch(path.parent.name)]
    own = [run for run in runs if not any(SEED.fullmatch(p.name) for p in run.relative_to(folder).parents)]
    return [read_record(run / RECORD) for run in own]


def origin_of(folder: Path, history: list[dict[str, float]]) -> tuple[dict[str, Any], str] | None:
    """Environment and day of the same run, where its record stands in the folder already."""
    with suppress(DataError):
        before = read_record(folder / RECORD)
        if before["history"] == history:
            return before["environment"], before["finished"]
    return None
