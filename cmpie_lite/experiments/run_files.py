"""The files of a run beside its record: predictions and weights, and whether all of them are of one run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from cmpie_lite.data.store import FeatureStore
from cmpie_lite.decoding import Predictions, decode
from cmpie_lite.errors import CheckpointError, DataError
from cmpie_lite.experiments.record import AGAIN, RECORD, RunRecord, read_record
from cmpie_lite.labels import NUM_CLASSES, NUM_SEGMENTS
from cmpie_lite.results.metric_tables import per_video_scores
from cmpie_lite.support.reading import look
from cmpie_lite.support.tensor_files import check_state, digest, read_tensor_file, tensors_in, write_tensors
from cmpie_lite.support.turns import at_work
from cmpie_lite.support.typed import conform, load_json
from cmpie_lite.training.checkpoint import BEST, read_checkpoint
from cmpie_lite.training.evaluate import score
from cmpie_lite.training.loop import load_model

PREDICTIONS: Final = "predictions.safetensors"
LARGEST_PREDICTIONS: Final = 4_000_000_000  # bytes


def write_predictions(folder: Path, predictions: Predictions, ids: tuple[str, ...], source: str) -> str:
    """Write probabilities of N videos, their ids and their data source, atomically; return the checksum."""
    text = json.dumps(ids)
    sha256 = digest(predictions._asdict(), source + text)
    header = {"ids": text, "source": source, "sha256": sha256}
    write_tensors(folder / PREDICTIONS, predictions._asdict(), header)
    return sha256


def read_predictions(
    folder: Path, record: RunRecord | None = None
) -> tuple[Predictions, tuple[str, ...], str]:
    """What `write_predictions` wrote: predictions, ids, source.

    Args:
        folder: of a run.
        record: of the run that the predictions must be of, where it says of which they are.

    Raises:
        DataError: the folder has no such file, it is not whole, or of another run than the record.
        ReadError: it is there and cannot be read.
    """
    path = folder / PREDICTIONS
    expected = record["files"]["predictions"] if record and "files" in record else None
    try:
        return look(path, lambda path: _predictions(path, expected))
    except FileNotFoundError:
        raise DataError(f"{folder} holds no {PREDICTIONS}: run the training again.") from None
    except DataError as error:
        raise DataError(f"{path} holds no predictions: {error}. {AGAIN}") from error


def _predictions(path: Path, expected: str | None) -> tuple[Predictions, tuple[str, ...], str]:
    tensors, header = tensors_in(read_tensor_file(path, LARGEST_PREDICTIONS))
    if header.keys() - {"sha256"} != {"ids", "source"}:
        raise DataError("its header does not say of which data")
    found = digest(tensors, header["source"] + header["ids"])
    if header.get("sha256", found) != found:
        raise DataError("its content does not have the checksum it was written with")
    if expected not in (None, found):
        raise DataError("it is of another run than the record: was it trained further meanwhile?")
    ids = load_json(header["ids"])
    conform(ids, list[str], "ids")
    shapes = {"segments": (len(ids), NUM_SEGMENTS, 2, NUM_CLASSES)}
    check_state(
        tensors,
        {name: torch.empty(shapes.get(name, (len(ids), NUM_CLASSES))) for name in Predictions._fields},
    )
    return Predictions(**tensors), tuple(ids), header["source"]


def read_whole(folder: Path, store: FeatureStore) -> RunRecord | None:
    """The record of a run of which record, predictions and weights are there, whole, and of one run.

    Records of before do not say which predictions are theirs: theirs give the scores that they state.

    Raises:
        DataError: its record is damaged (`read_record`). ReadError: a file is there and cannot be read.
    """
    if not all((folder / name).exists() for name in (RECORD, PREDICTIONS, BEST)):
        return None
    record = read_record(folder / RECORD)
    try:
        predictions, ids, source = read_predictions(folder, record)
        _, facts, sha256 = read_checkpoint(folder / BEST)
    except (DataError, CheckpointError):  # damaged: the run is made whole again
        return None
    if (ids, source) != (store.test.ids, store.source):
        return None
    if "files" in record:
        return record if sha256 == record["files"]["weights"] else None
    same = all(facts.get(part) == record[part] for part in ("config", "recipe"))
    return record if same and score(predictions, store.test).as_dict() == record["test"] else None


def so_far(folder: Path, epoch: int | None) -> str:
    """What to say of weights in a folder that has no record yet, or in which a process trains on; else ''."""
    if not folder.is_dir() or ((folder / RECORD).is_file() and not at_work(folder)):
        return ""
    return f"nothing says that the run in {folder} has ended: this is its best epoch so far, {epoch}."


def model_of(folder: Path, record: RunRecord, device: str | torch.device = "cpu") -> torch.nn.Module:
    """The best epoch's model of a record's run, from its folder.

    Raises:
        DataError: the folder holds the weights of another run. Else as `load_model`.
    """
    model, facts = load_model(folder, device)
    if (facts["recipe"], facts.get("epoch")) != (record["recipe"], record["best_epoch"]):
        raise DataError(
            f"{folder} holds weights of another run than its record: was it trained further meanwhile? "
            "Run again."
        )
    return model


def video_scores(folder: Path, store: FeatureStore, record: RunRecord) -> npt.NDArray[np.float64]:
    """The ten scores of every test video, (N, 10), from the predictions of a record's run in its folder.

    Raises:
        DataError: predictions of another run, of other videos or of another source.
    """
    predictions, ids, source = read_predictions(folder, record)
    if ids != store.test.ids or source != store.source:
        raise DataError(f"{folder} holds predictions on other videos ({source}), expected {store.source}.")
    return per_video_scores(*decode(predictions), *store.test.truth()).to_numpy()
