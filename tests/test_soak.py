"""Readers beside a writer: whatever is replaced while it is read, each read is one file, old or new.

Two threads read, in an order of their own, while the main one writes two versions of everything in turn.
Counts keep them beside each other, not a clock: after so many reads there is a write, and the readers are at
most twice as many ahead of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore
from typing import Any

import torch

from cmpie_lite.data.store import FeatureStore, Split
from cmpie_lite.data.store_files import MANIFEST, open_store, read_manifest
from cmpie_lite.decoding import Predictions
from cmpie_lite.experiments.record import RECORD, read_record, write_record
from cmpie_lite.experiments.run_files import read_predictions, write_predictions
from cmpie_lite.training.checkpoint import BEST, read_checkpoint, write_checkpoint
from tests.making import some_store, write_store
from tests.making_reports import record

READS = 20_000
READERS = 2
PACE = 100  # reads per write
VERSIONS = (1, 2)


def small_store(seed: int) -> FeatureStore:
    """One video per split, of this seed."""
    store = some_store(seed=seed)

    def first(split: Split) -> Split:
        return Split(split.ids[:1], **{name: x[:1] for name, x in split.tensors().items()})

    return FeatureStore(first(store.train), first(store.val), first(store.test), source=f"version {seed}")


def predictions_of(version: int) -> Predictions:
    """Probabilities of two videos that all are version / 10."""
    shapes = ((2, 25), (2, 25), (2, 25), (2, 10, 2, 25))
    return Predictions(*(torch.full(shape, version / 10) for shape in shapes))


def write(folder: Path, version: int, store: FeatureStore) -> None:
    """One version of every kind of file."""
    write_checkpoint(folder / BEST, {"x": torch.full((500,), float(version))}, {"version": version})
    write_predictions(folder, predictions_of(version), (f"a{version}", "b"), f"version {version}")
    write_record(folder, record("han", version, version / 10))
    write_store(folder / "store", store)


def readers(folder: Path, stores: dict[int, FeatureStore]) -> list[Callable[[], int]]:
    """One look at each kind of file; each returns the version that all of what it read is of."""
    digests = {store.digest: version for version, store in stores.items()}

    def checkpoint() -> int:
        tensors, facts, _ = read_checkpoint(folder / BEST)
        assert (tensors["x"] == facts["version"]).all()
        return int(facts["version"])

    def predictions() -> int:
        found, ids, source = read_predictions(folder)
        version = int(ids[0][1:])
        assert source == f"version {version}"
        assert all((x == torch.tensor(version / 10)).all() for x in found)
        return version

    def one_record() -> int:
        found = read_record(folder / RECORD)
        assert found["test"]["segment_audio"] == found["recipe"]["seed"] / 10
        return int(found["recipe"]["seed"])

    def manifest() -> int:
        found = read_manifest(folder / "store" / MANIFEST)
        assert found["source"] == f"version {digests[found['digest']]}"
        return digests[found["digest"]]

    def store() -> int:
        opened = open_store(folder / "store")
        version = digests[opened.digest]
        assert opened.source == f"version {version}"
        for name, split in stores[version].splits.items():
            assert opened.splits[name].ids == split.ids
            assert torch.equal(opened.splits[name].audio, split.audio)
            assert torch.equal(opened.splits[name].weak, split.weak)
        return version

    return [checkpoint, predictions, one_record, manifest, store]


def test_20000_reads_beside_a_writer_are_each_of_one_version(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    stores = {version: small_store(version) for version in VERSIONS}
    write(tmp_path, 1, stores[1])
    looks = readers(tmp_path, stores)
    allowed, done = Semaphore(2 * PACE), Semaphore(0)

    def read(first: int) -> dict[str, set[int]]:
        seen: dict[str, set[int]] = {look.__name__: set() for look in looks}
        try:
            for i in range(first, READS, READERS):
                allowed.acquire()
                look = looks[i // READERS % len(looks)]
                seen[look.__name__].add(look())
                done.release()
        finally:
            for waiting in (allowed, done):  # where a read fails, nobody waits for the others
                waiting.release(READS)
        return seen

    with ThreadPoolExecutor(READERS) as pool:
        running: list[Future[Any]] = [pool.submit(read, first) for first in range(READERS)]
        for writes in range(1, READS // PACE):
            for _ in range(PACE):
                done.acquire()
            version = VERSIONS[writes % 2]
            write(tmp_path, version, stores[version])
            allowed.release(PACE)
        allowed.release(PACE)
    seen = [future.result() for future in running]
    for name in (look.__name__ for look in looks):
        assert set.union(*(one[name] for one in seen)) == set(VERSIONS), f"{name} never met the writer"
    names = {path.name for path in (tmp_path / "store").iterdir()}
    assert len(names) == 4
    assert json.loads((tmp_path / "store" / MANIFEST).read_text())["digest"] in {
        store.digest for store in stores.values()
    }
