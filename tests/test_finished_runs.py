"""What counts as a finished run: all of it is there, undamaged, of one architecture and of one run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cmpie_lite.data.store import FeatureStore
from cmpie_lite.errors import DataError
from cmpie_lite.experiments.record import RECORD, read_records
from cmpie_lite.experiments.run_files import PREDICTIONS, model_of, read_predictions, video_scores
from cmpie_lite.experiments.run_many import finished
from cmpie_lite.experiments.run_one import run_experiment
from cmpie_lite.experiments.settings import Settings, run_folder
from cmpie_lite.support.files import PART
from cmpie_lite.training.checkpoint import BEST, LAST


def edit_record(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    record = json.loads((folder / RECORD).read_text())
    change(record)
    (folder / RECORD).write_text(json.dumps(record))


def test_a_run_is_finished_when_all_of_it_is_there_and_of_this_architecture(
    job: Settings, store: FeatureStore
) -> None:
    run_experiment(job, store)
    folder = run_folder(job, store, 1)
    assert finished(job, store) == read_records(folder)[0]
    assert finished(replace(job, epochs=2), store) is None
    for name in (RECORD, PREDICTIONS, BEST):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        assert finished(job, store) is None
        (folder / name).write_bytes(content)
    (folder / PREDICTIONS).write_bytes((folder / PREDICTIONS).read_bytes()[:500])
    assert finished(job, store) is None
    run_experiment(job, store)
    assert finished(job, store) is not None
    edit_record(folder, lambda record: record.update(parameters="of another version"))
    assert finished(job, store) is None
    edit_record(folder, lambda record: record.pop("data"))
    with pytest.raises(DataError, match="no data"):
        finished(job, store)
    (folder / RECORD).write_text("[]")
    with pytest.raises(DataError, match="is not a run record"):
        finished(job, store)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def altered(path: Path) -> None:
    """At equal length, in the payload."""
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", [PREDICTIONS, BEST])
@pytest.mark.parametrize("damage", [cut, empty, altered])
def test_a_run_with_a_damaged_file_is_not_finished(
    job: Settings, store: FeatureStore, damage: Callable[[Path], None], name: str
) -> None:
    run_experiment(job, store)
    damage(run_folder(job, store, 1) / name)
    assert finished(job, store) is None
    run_experiment(job, store)
    assert finished(job, store) is not None


def test_a_run_of_before_is_finished_when_its_predictions_give_its_scores(
    job: Settings, store: FeatureStore
) -> None:
    """Records and predictions had no checksums."""
    run_experiment(job, store)
    folder = run_folder(job, store, 1)
    edit_record(folder, lambda record: record.pop("files"))
    assert finished(job, store) is not None
    edit_record(folder, lambda record: record["test"].update(segment_audio=0.123))
    assert finished(job, store) is None


def test_files_of_two_runs_are_never_reported_as_one(job: Settings, store: FeatureStore) -> None:
    """A run is lengthened while another grid reports the short one."""
    short = run_experiment(job, store)[0].record
    folder = run_folder(job, store, 1)
    before = {name: (folder / name).read_bytes() for name in (PREDICTIONS, BEST)}
    long = run_experiment(replace(job, epochs=3), store)[0].record
    with pytest.raises(DataError, match="another run than the record"):
        read_predictions(folder, short)
    with pytest.raises(DataError, match="another run than the record"):
        video_scores(folder, store, short)
    with pytest.raises(DataError, match="another run than its record"):
        model_of(folder, short)
    assert read_predictions(folder, long)[1] == store.test.ids
    for name, content in before.items():
        newer = (folder / name).read_bytes()
        (folder / name).write_bytes(content)
        assert finished(replace(job, epochs=3), store) is None, f"{name} is the short run's"
        (folder / name).write_bytes(newer)
    assert finished(replace(job, epochs=3), store) == long


def test_copies_below_a_run_are_neither_reported_nor_in_the_way(
    job: Settings, store: FeatureStore, tmp_path: Path
) -> None:
    record = run_experiment(job, store)[0].record
    folder = run_folder(job, store, 1)
    for copy in (folder / "backup", folder / "old" / "seed1", tmp_path / "elsewhere"):
        copy.mkdir(parents=True)
        (copy / RECORD).write_text(json.dumps(record | {"seconds": 99.0}))
    (folder / "backup" / RECORD).write_text("{broken")
    assert finished(job, store) == record
    assert read_records(tmp_path) == [record]
    (folder / RECORD).unlink()
    assert read_records(tmp_path) == []
    assert finished(job, store) is None


def test_a_finished_run_keeps_no_part_of_a_killed_one(job: Settings, store: FeatureStore) -> None:
    run_experiment(job, store)
    folder = run_folder(job, store, 1)
    killed = [folder / f".{name}-{'0' * 32}{PART}" for name in (LAST, PREDICTIONS, "other")]
    for path in killed:
        path.touch()
    assert finished(job, store) is not None
    assert not any(path.exists() for path in killed)
