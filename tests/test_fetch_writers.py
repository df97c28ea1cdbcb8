"""Two at a time: one claims a folder, and the rows of both are kept."""

from __future__ import annotations

import fcntl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cmpie_lite.errors import DataError
from data_fetch import layout
from data_fetch.tables import merge_rows, read_rows


def test_of_two_that_claim_an_empty_folder_one_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second comes when the first has looked and not yet written: it waits, then finds its word."""
    really, lock, outcome, threads = layout.read_origin, fcntl.flock, [], []
    there = threading.Event()  # the second asks for the lock; without one, it has ended

    def flock(*arguments: Any) -> None:
        if threading.current_thread() in threads:
            there.set()
        lock(*arguments)

    def second() -> None:
        try:
            layout.claim(tmp_path / "source.txt", "second", occupied=False)
        except DataError as error:
            outcome.append(str(error))
        finally:
            there.set()

    def read_origin(path: Path) -> str | None:
        found = really(path)
        if not threads:
            threads.append(threading.Thread(target=second, daemon=True))
            threads[0].start()
            there.wait()
        return found

    monkeypatch.setattr(layout, "read_origin", read_origin)
    monkeypatch.setattr(fcntl, "flock", flock)
    layout.claim(tmp_path / "source.txt", "first", occupied=False)
    threads[0].join()
    assert (tmp_path / "source.txt").read_text() == "first\n"
    assert len(outcome) == 1
    assert "holds 'first'" in outcome[0]
    assert [path.name for path in tmp_path.iterdir()] == ["source.txt"]


def test_rows_of_two_writers_are_all_kept(tmp_path: Path) -> None:
    """Eight threads put 25 rows each, one by one, into one table."""
    columns = ("id", "status")

    def put(writer: int) -> None:
        for number in range(25):
            name = f"{writer}-{number:02}"
            merge_rows(tmp_path / "t.csv", columns, {name: {"id": name, "status": "ok"}})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(8)))
    assert len(read_rows(tmp_path / "t.csv", columns)) == 200
