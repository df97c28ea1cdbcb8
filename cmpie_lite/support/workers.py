"""Processes that share work: Dask's workers, on this machine or on others."""

from __future__ import annotations

from typing import Final

SCHEDULER_SECONDS: Final = 10.0
DASK: Final = {
    "distributed.scheduler.allowed-failures": 3,  # a run that took this many workers with it is given up
    # By default workers hand every freed tensor back to the system (MALLOC_TRIM_THRESHOLD_): a third of a
    # training step's time then goes into fetching the pages again.
    "distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": "1"},
}
