"""Processes that share work: Dask's workers, on this machine or on others.

Whoever reaches a Dask scheduler runs code as its owner. So one that is started here speaks only to those that
have the certificate made for it, which never leaves these processes. For one elsewhere see `dask_client`.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import resource_tracker
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from cmpie_lite.errors import DataError
from cmpie_lite.support.extras import need
from cmpie_lite.support.reading import of_disk, told, without_temporary_folder

Key = TypeVar("Key")
SCHEDULER_SECONDS: Final = 10.0
CLOSING_SECONDS: Final = 30.0
CHECK_SECONDS: Final = 5.0  # from one look at the workers to the next
CHECKS: Final = 60  # so many looks in a row without a worker, and the work is given up
HERE: Final = "127.0.0.1"
FREE_PORT: Final = f"{HERE}:0"  # so that two clusters do not meet
DASK: Final[dict[str, Any]] = {
    "distributed.scheduler.allowed-failures": 3,  # a run that took this many workers with it is given up
    "distributed.nanny.pre-spawn-environ": {
        # In place of Dask's own, whose MALLOC_TRIM_THRESHOLD_ hands every freed tensor back to the system: a
        # third of a training step's time then goes into fetching the pages again.
        "OMP_NUM_THREADS": "1",
        # A worker that cannot begin, or whose scheduler ends first, says so; what fails in a task comes back.
        "DASK_LOGGING__DISTRIBUTED": "critical",
    },
    # Every process has a server of pages, without a secret: it has no pages.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
# Loggers that report what a forced end interrupts. Dask gives some of them a level of their own.
NOISY: Final = ("distributed", "distributed.client", "tornado", "tornado.application", "asyncio")


class WorkersLost(RuntimeError):
    """Every process that shared the work has ended, and none came in its place."""


def threads_each(processes: int) -> int:
    """How many threads each of so many processes may use: an equal share of this machine's cores, >= 1."""
    return max(1, (os.cpu_count() or 1) // processes)


@contextmanager
def dask_client(extra: str, *, processes: int = 1, scheduler: str = "") -> Iterator[Any]:
    """A client of Dask for the time of the block.

    Trouble in closing it is one line on stderr: what the block has brought is kept.

    Args:
        extra: of this project's extras the one that brings Dask, named where Dask is missing.
        processes: workers of one thread each, started here and ended with the block. They listen on the
            loopback address, by TLS with a certificate of their own, and have no limit on memory but the
            system's: Dask counts the pages of a store that is mapped, which cost nothing, as the worker's.
        scheduler: address of a running scheduler, such as "tls://host:8786", in place of local processes.
            Certificates are those of Dask's configuration (`distributed.comm.tls`).

    Raises:
        DataError: Dask is not installed, there is no scheduler at the address, or no process can be started.
    """
    dask, distributed = need("dask", extra), need("distributed", extra)
    if not scheduler:
        need("cryptography", extra)  # makes the certificate
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(DASK))
        try:
            with no_interrupts(), quiet():  # the threads and processes that are started keep out of Ctrl-C
                if scheduler:
                    client = distributed.Client(scheduler, timeout=SCHEDULER_SECONDS)
                else:
                    client = distributed.Client(stack.enter_context(closing(local_cluster(processes))))
        except (OSError, ValueError, RuntimeError) as error:
            found = behind(error)
            if scheduler:
                raise DataError(f"no Dask scheduler at {scheduler!r} ({found}). Is it running?") from error
            raise DataError(f"Dask's processes do not start{why_not(found)}") from error
        yield stack.enter_context(closing(client))


def why_not(error: BaseException) -> str:
    """What keeps processes from starting, and what to do."""
    if without_temporary_folder(error):
        return f". {told(error)}"
    if of_disk(error):
        return (
            f" ({error.strerror}). They keep their certificate in {tempfile.gettempdir()}: make room there, "
            "or let TMPDIR name another folder, as in export TMPDIR=~, and run again."
        )
    return f" ({error}). Is the machine out of memory, processes, open files (ulimit -n) or room in /dev/shm?"


def behind(error: BaseException) -> BaseException:
    """The system's refusal that an error came of, or the error itself."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError):
        found = found.__cause__ or found.__context__
    return found or error


def local_cluster(processes: int) -> Any:
    """So many workers of one thread each, for nobody but this process."""
    import distributed

    return distributed.LocalCluster(
        n_workers=processes,
        threads_per_worker=1,
        processes=True,
        host=HERE,
        security=distributed.Security.temporary(),
        memory_limit=0,
        dashboard_address=FREE_PORT,
        scheduler_kwargs={"dashboard": False},
        silence_logs=logging.CRITICAL,
    )


@contextmanager
def closing(what: Any) -> Iterator[Any]:
    """A cluster or its client, closed after the block; that this fails or takes too long is said, not raised.

    Who interrupts the block does not interrupt its end.
    """
    stopped = False
    try:
        yield what
    except KeyboardInterrupt:
        stopped = True
        raise
    finally:
        with no_interrupts(forget=stopped), quiet(stay=stopped):
            try:
                what.close(timeout=CLOSING_SECONDS)
            except Exception as error:
                line = f"Dask's {type(what).__name__} did not close ({type(error).__name__}: {error})"
                print(f"{line}; what it has done is kept.", file=sys.stderr)


@contextmanager
def no_interrupts(*, forget: bool = False) -> Iterator[None]:
    """Ctrl-C waits for the end of the block, or is forgotten; what the block starts never sees it.

    In a terminal it goes to every process at once, and those that only help would each report it.
    """
    resource_tracker.ensure_running()  # later it would take back what is set here
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if forget:
            signal.sigtimedwait({signal.SIGINT}, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def quiet(*, stay: bool = False) -> Iterator[None]:
    """Keep Dask's loggers silent for the time of the block; or from then on, as its threads outlive it."""
    before = {name: logging.getLogger(name).level for name in NOISY}
    try:
        for name in NOISY:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        yield
    finally:
        if not stay:
            for name, level in before.items():
                logging.getLogger(name).setLevel(level)


def as_they_end(
    client: Any, call: Callable[..., Any], tasks: Mapping[Key, tuple[Any, ...]]
) -> Iterator[tuple[Key, Any]]:
    """(key, what `call(*arguments)` returned or raised) for every task, as they end, in any order.

    Every task runs, whatever another client has asked of the same scheduler. Local workers that are lost are
    replaced. Where none is left and none comes, the rest ends as `WorkersLost`: this never waits for ever.
    """
    ended: SimpleQueue[Any] = SimpleQueue()
    futures = {client.submit(call, *arguments, pure=False): key for key, arguments in tasks.items()}
    for future in futures:
        future.add_done_callback(ended.put)
    missed, looked = 0, time.monotonic()
    while futures and missed < CHECKS:
        with suppress(Empty):
            future = ended.get(timeout=CHECK_SECONDS)
            yield futures.pop(future), outcome_of(future)
        if time.monotonic() - looked >= CHECK_SECONDS:
            missed = 0 if workers_left(client) else missed + 1
            looked = time.monotonic()
    for key in futures.values():
        seconds = CHECK_SECONDS * CHECKS
        yield key, WorkersLost(f"no worker was left, and for {seconds:.0f} s none came in its place.")


def outcome_of(future: Any) -> Any:
    """What a task returned, or what it raised, or why it cannot be known."""
    try:
        return future.exception() or future.result()
    except (Exception, CancelledError) as error:
        return error


def workers_left(client: Any) -> bool:
    """Whether there is a worker; local ones that were lost are begun anew."""
    if client.cluster is not None:
        replace_lost(client.cluster)
    try:
        return bool(client.nthreads())
    except Exception:  # the scheduler does not answer
        return False


def replace_lost(cluster: Any) -> None:
    """Start a new worker for each whose nanny has ended too; nannies replace the others."""
    for name, nanny in list(cluster.workers.items()):
        if nanny.status.name in ("closed", "failed"):
            cluster.workers.pop(name, None)
    cluster.scale(len(cluster.worker_spec))
