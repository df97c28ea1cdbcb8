"""Run records: what was run, on what, with what, and what came out, as JSON beside the predictions."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict, cast

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from safetensors import SafetensorError

import cmpie_lite
from cmpie_lite.config import TrainConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.decoding import Predictions, decode
from cmpie_lite.errors import DataError
from cmpie_lite.metrics import SCORES, ParsingScores
from cmpie_lite.results.metric_tables import per_video_scores
from cmpie_lite.support.fields import misfit
from cmpie_lite.support.files import replace_file
from cmpie_lite.systems.build import Config, config_to_facts, signature
from cmpie_lite.training.loop import Run

RECORD, PREDICTIONS = "record.json", "predictions.safetensors"


AGAIN = "Restore it, or move it elsewhere and run again."


class _Sometimes(TypedDict, total=False):
    creation: dict[str, Any]  # what the data were made with


class DataFacts(_Sometimes):
    """The data of a run."""

    source: str
    sha256: str  # the store's digest
    videos: dict[str, int]  # of each split


class _MayLack(TypedDict, total=False):
    parameters: str  # signature of the architecture
    together: list[int]  # the seeds that were trained at once, this one among them


class RunRecord(_MayLack):
    """Everything that is needed to repeat a run and to read its result. Scores are fractions."""

    model: str  # the system's name
    config: dict[str, Any]
    recipe: dict[str, Any]
    data: DataFacts
    environment: dict[str, Any]
    finished: str  # ISO 8601, UTC
    seconds: float
    best_epoch: int  # counted from 1
    history: list[dict[str, float]]  # a row per epoch
    test: dict[str, float]  # the ten scores


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, commit and machine, as far as they can change a number."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu"
    return {
        "cmpie_lite": cmpie_lite.__version__,
        "commit": commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "device": f"{device.type}: {name}",
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
    }


def commit() -> str | None:
    """The git commit of this package's checkout, "+changes" where it has uncommitted ones, or None."""
    here = Path(cmpie_lite.__file__).resolve().parent
    try:
        head = git(here, "rev-parse", "HEAD")
        changes = git(here, "status", "--porcelain", "--", str(here))
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head}+changes" if changes else head


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def run_record(
    name: str,
    config: Config,
    recipe: TrainConfig,
    store: FeatureStore,
    run: Run,
    scores: ParsingScores,
    device: torch.device,
) -> RunRecord:
    """The record of a run that has just ended, on this machine.

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
            "videos": {split: len(rows) for split, rows in store.splits.items()},
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
        DataError: the file cannot be read, or something in it is missing or of another type than `RunRecord`.
    """
    try:
        record = json.loads(path.read_text(encoding="utf8"))
        fault = misfit(record, RunRecord)
        if not fault and (lacking := sorted(set(SCORES) - record["test"].keys())):
            fault = f"test has no {', '.join(lacking)}"
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a run record ({error}). {AGAIN}") from error
    if fault:
        raise DataError(f"{path} is not a run record: {fault}. {AGAIN}")
    return cast(RunRecord, record)


def read_records(folder: Path) -> list[RunRecord]:
    """Every run record under a folder, in the order of their paths.

    Raises:
        DataError: one of them is none (`read_record`).
    """
    return [read_record(path) for path in sorted(folder.rglob(RECORD))]


def origin_of(folder: Path, history: list[dict[str, float]]) -> tuple[dict[str, Any], str] | None:
    """Environment and day of the same run, where its record stands in the folder already."""
    with suppress(DataError):
        before = read_record(folder / RECORD)
        if before["history"] == history:
            return before["environment"], before["finished"]
    return None


def write_predictions(folder: Path, predictions: Predictions, ids: tuple[str, ...], source: str) -> None:
    """Write probabilities of N videos, their ids and their data source, atomically."""
    header = {"ids": json.dumps(ids), "source": source}
    tensors = {name: x.contiguous() for name, x in predictions._asdict().items()}
    replace_file(folder / PREDICTIONS, safetensors.torch.save(tensors, metadata=header))


def read_predictions(folder: Path) -> tuple[Predictions, tuple[str, ...], str]:
    """What `write_predictions` wrote: predictions, ids, source.

    Raises:
        DataError: the folder has no such file, or it is damaged.
    """
    path = folder / PREDICTIONS
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = file.metadata()
            predictions = Predictions(*(file.get_tensor(name) for name in Predictions._fields))
        return predictions, tuple(json.loads(header["ids"])), header["source"]
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} holds no predictions ({error}): run the training again.") from error


def video_scores(folder: Path, store: FeatureStore) -> npt.NDArray[np.float64]:
    """The ten scores of every test video, (N, 10), from the predictions in a run's folder.

    Raises:
        DataError: predictions of other videos or of another source.
    """
    predictions, ids, source = read_predictions(folder)
    if ids != store.test.ids or source != store.source:
        raise DataError(f"{folder} holds predictions on other videos ({source}), expected {store.source}.")
    return per_video_scores(*decode(predictions), *store.test.truth()).to_numpy()
