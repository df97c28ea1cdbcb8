"""Work shared by Dask's processes: where they listen, what they bring back, what they need."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from cmpie_lite.errors import DataError
from cmpie_lite.support import workers
from cmpie_lite.support.workers import WorkersLost, as_they_end, closing, dask_client, threads_each
from tests.making import tiny_store

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


def test_nobody_without_the_certificate_comes_in(client: Any) -> None:
    """Others on the machine can reach the ports of scheduler, nannies and workers; they are not heard."""
    nannies = [nanny.address for nanny in client.cluster.workers.values()]
    addresses = [client.scheduler.address, *client.nthreads(), *nannies]
    assert len(addresses) == 5
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    for address in addresses:
        kind, host, port = address.replace("//", "").split(":")
        assert (kind, host) == ("tls", "127.0.0.1")
        with (
            pytest.raises(ssl.SSLError, match="certificate required"),
            socket.create_connection((host, int(port))) as plain,
            stranger.wrap_socket(plain) as secret,
        ):
            secret.recv(1)


def test_the_servers_of_pages_have_none(client: Any) -> None:
    """Scheduler and workers each begin one, without a secret: nothing of the work can be read there."""
    ports = [client.cluster.scheduler.http_server.port]
    ports += client.run(lambda dask_worker: dask_worker.http_server.port).values()
    assert len(ports) == 3
    for port in ports:
        for page in ("", "status", "health", "metrics", "info/main/workers.html", "json/counts.json"):
            with pytest.raises(urllib.error.HTTPError, match="404") as error:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}")
            error.value.close()


def test_workers_have_no_limit_on_memory(client: Any) -> None:
    """The pages of a mapped store would count against it: workers pause, then die, for what costs nothing."""
    limits = client.run(lambda dask_worker: dask_worker.memory_manager.memory_limit)
    nannies = client.cluster.workers.values()
    assert [*limits.values(), *(nanny.memory_manager.memory_limit for nanny in nannies)] == [None] * 4


def test_workers_keep_the_memory_they_free(client: Any) -> None:
    assert client.submit(os.environ.get, "MALLOC_TRIM_THRESHOLD_").result() is None
    assert client.submit(os.environ.get, "OMP_NUM_THREADS").result() == "1"


def test_what_a_task_returns_or_raises_comes_back_under_its_key(client: Any) -> None:
    ended = dict(as_they_end(client, divmod, {"seven": (7, 2), "none": (1, 0), "again": (7, 2)}))
    assert ended["seven"] == ended["again"] == (3, 1)
    assert isinstance(ended["none"], ZeroDivisionError)


def test_lost_workers_are_replaced(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are killed at once, and of one the nanny too, which nobody would begin again."""
    monkeypatch.setattr(workers, "CHECK_SECONDS", 0.2)
    before = set(client.run(os.getpid).values())
    client.cluster.sync(next(iter(client.cluster.workers.values())).close)
    for pid in client.run(os.getpid).values():
        os.kill(pid, signal.SIGKILL)
    ended = dict(as_they_end(client, os.getpid, {i: () for i in range(4)}))
    assert set(ended) == {0, 1, 2, 3}
    assert not set(ended.values()) & before
    client.wait_for_workers(2)  # the second may still be on its way


class NoWorkers:
    """A client whose work never ends, and whose cluster, if any, cannot be helped."""

    cluster = None

    def submit(self, *arguments: Any, pure: bool) -> Future[Any]:
        future: Future[Any] = Future()
        if arguments[1] == "done":
            future.set_result(1)
        return future

    def nthreads(self) -> dict[str, int]:
        raise OSError("no scheduler either")


def test_work_without_workers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "CHECK_SECONDS", 0.01)
    ended = dict(as_they_end(NoWorkers(), len, {1: ("never",), 2: ("done",), 3: ("never",)}))
    assert ended.pop(2) == 1
    assert {key: str(error) for key, error in ended.items()} == dict.fromkeys(
        (1, 3), "no worker was left, and for 1 s none came in its place."
    )
    assert all(isinstance(error, WorkersLost) for error in ended.values())


def test_processes_that_cannot_be_started_say_why_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of Dask's three errors the first is the system's; what it logs of them is not shown."""

    def local_cluster(processes: int) -> None:
        logging.getLogger("distributed.nanny").error("a traceback")
        try:
            try:
                raise OSError(errno.EMFILE, "Too many open files")
            except OSError:
                assert not "Status.init"
        except AssertionError as error:
            raise RuntimeError("Nanny failed to start.") from error

    monkeypatch.setattr(workers, "local_cluster", local_cluster)
    with pytest.raises(DataError, match=r"do not start \(.*Too many open files\).*ulimit -n"):
        dask_client("grid").__enter__()
    assert not caplog.records


class Sticking:
    """Something that does not close."""

    def close(self, timeout: float) -> None:
        logging.getLogger("distributed.nanny").critical("a traceback")
        raise TimeoutError(f"{timeout} s")


def test_trouble_in_closing_is_one_line(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Sticking()):
        kept = 3
    assert capsys.readouterr().err == (
        "Dask's Sticking did not close (TimeoutError: 30.0 s); what it has done is kept.\n"
    )
    assert kept == 3
    assert not caplog.records
    logging.getLogger("distributed.nanny").critical("heard again")
    assert [record.message for record in caplog.records] == ["heard again"]
    with pytest.raises(DataError, match="of the block"), closing(Sticking()):
        raise DataError("of the block")


INTERRUPTED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore
from cmpie_lite.__main__ import main
from cmpie_lite.experiments import run_many
from cmpie_lite.support import workers

really = workers.quiet

def quiet(**words):
    if words:  # Dask's processes are being closed, not started
        os.killpg(0, signal.SIGINT)
    return really(**words)

def slow(job, threads):
    import signal
    with open(job.data_dir + "/begun", "w") as begun:
        begun.write("1")
    signal.pause()

kept = open(sys.argv[1] + "/begun", "w")  # closed with this process: who reads it doesn't wait for ever

run_many.run_job, workers.quiet = slow, quiet
words = ["--systems", "han", "cmpie", "--seeds", "1", "--workers", "2", "--device", "cpu"]
sys.exit(main(["grid", "--table", "2", *words, "--data-dir", sys.argv[1], "--output-dir", sys.argv[2]]))
"""


def test_a_grid_that_is_interrupted_twice_says_one_line(tmp_path: Path) -> None:
    """Ctrl-C goes to every process of a terminal, command and workers; again while these are being closed."""
    out = tmp_path / "out"
    tiny_store(tmp_path / "data")
    os.mkfifo(tmp_path / "data" / "begun")
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path / "data"), str(out)],
        stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=PROJECT,
    )  # fmt: skip
    with (tmp_path / "data" / "begun").open() as begun:
        assert begun.read(2) == "11"
    os.killpg(child.pid, signal.SIGINT)
    printed = child.communicate()[1].splitlines()
    said = [line for line in printed if line and not line.startswith("grid:")]
    assert said == ["cmpie_lite grid: stopped; start it again and it goes on from there."]
    assert child.returncode == 130


def test_threads_are_shared_equally(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert [threads_each(processes) for processes in (1, 2, 3, 8, 20)] == [8, 4, 2, 1, 1]
