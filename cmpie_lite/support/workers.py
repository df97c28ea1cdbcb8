"""Processes that share work: Dask's workers, on this machine or on others."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final, TypeVar

from cmpie_lite.errors import DataError
from cmpie_lite.support.extras import need

Key = TypeVar("Key")
SCHEDULER_SECONDS: Final = 10.0
HERE: Final = "127.0.0.1"
FREE_PORT: Final = f"{HERE}:0"  # so that two clusters do not meet
DASK: Final = {
    "distributed.scheduler.allowed-failures": 3,  # a run that took this many workers with it is given up
    # By default workers hand every freed tensor back to the system (MALLOC_TRIM_THRESHOLD_): a third of a
    # training step's time then goes into fetching the pages again.
    "distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": "1"},
}


def threads_each(processes: int) -> int:
    """How many threads each of so many processes may use: an equal share of this machine's cores, >= 1."""
    return max(1, (os.cpu_count() or 1) // processes)


@contextmanager
def dask_client(extra: str, *, processes: int = 1, scheduler: str = "") -> Iterator[Any]:
    """A client of Dask for the time of the block.

    Args:
        extra: of this project's extras the one that brings Dask, named where Dask is missing.
        processes: workers of one thread each, started here and ended with the block; whatever they listen on
            is on the loopback address, their dashboards too.
        scheduler: address of a running scheduler, such as "tcp://host:8786", in place of local processes.

    Raises:
        DataError: Dask is not installed, or there is no scheduler at the address.
    """
    dask, distributed = need("dask", extra), need("distributed", extra)
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(DASK))
        if scheduler:
            try:
                client = distributed.Client(scheduler, timeout=SCHEDULER_SECONDS)
            except (OSError, ValueError) as error:
                raise DataError(f"no Dask scheduler at {scheduler!r} ({error}). Is it running?") from error
        else:
            cluster = distributed.LocalCluster(
                n_workers=processes,
                threads_per_worker=1,
                processes=True,
                host=HERE,
                dashboard_address=FREE_PORT,
                silence_logs=logging.ERROR,
            )
            client = distributed.Client(stack.enter_context(cluster))
        yield stack.enter_context(client)


def as_they_end(
    client: Any, call: Callable[..., Any], tasks: Mapping[Key, tuple[Any, ...]]
) -> Iterator[tuple[Key, Any]]:
    """(key, what `call(*arguments)` returned or raised) for every task, as they end, in any order.

    Every task runs, whatever another client has asked of the same scheduler.
    """
    from distributed import as_completed  # it is there: `client` is of it

    futures = {client.submit(call, *arguments, pure=False): key for key, arguments in tasks.items()}
    for future in as_completed(futures):
        yield futures[future], future.exception() or future.result()
