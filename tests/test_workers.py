"""Work shared by Dask's processes: where they listen, what they bring back, what they need."""

from __future__ import annotations

import ast
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cmpie_lite.errors import DataError
from cmpie_lite.support import workers
from cmpie_lite.support.workers import as_they_end, dask_client, threads_each

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MALLOC_TRIM_THRESHOLD_", "OMP_NUM_THREADS"):  # Dask lets what is set outside win
            patch.delenv(name, raising=False)
        with dask_client("grid", processes=2) as client:
            yield client


def test_nothing_listens_beyond_loopback(client: Any) -> None:
    """Scheduler and nannies live in this process, workers in their own; each has a dashboard."""
    import psutil

    for pid in (os.getpid(), *client.run(os.getpid).values()):
        listening = [c for c in psutil.Process(pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert listening, "the scheduler and every worker wait for calls"
        assert {connection.laddr.ip for connection in listening} <= {"127.0.0.1", "::1"}


def test_workers_keep_the_memory_they_free(client: Any) -> None:
    assert client.submit(os.environ.get, "MALLOC_TRIM_THRESHOLD_").result() is None
    assert client.submit(os.environ.get, "OMP_NUM_THREADS").result() == "1"


def test_what_a_task_returns_or_raises_comes_back_under_its_key(client: Any) -> None:
    ended = dict(as_they_end(client, divmod, {"seven": (7, 2), "none": (1, 0), "again": (7, 2)}))
    assert ended["seven"] == ended["again"] == (3, 1)
    assert isinstance(ended["none"], ZeroDivisionError)


def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "SCHEDULER_SECONDS", 0.2)
    with pytest.raises(DataError, match=r"no Dask scheduler at 'tcp://127\.0\.0\.1:9'.*Is it running"):
        dask_client("grid", scheduler="tcp://127.0.0.1:9").__enter__()


def test_threads_are_shared_equally(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert [threads_each(processes) for processes in (1, 2, 3, 8, 20)] == [8, 4, 2, 1, 1]


def test_every_remedy_names_an_extra_that_exists() -> None:
    """Each call `need(package, extra)`, wherever it stands."""
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {
        node.args[1].value
        for folder in ("cmpie_lite", "data_fetch")
        for path in (PROJECT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "need"
        if isinstance(node.args[1], ast.Constant)
    }
    assert {"extract", "fetch", "videos"} <= named <= set(extras)
