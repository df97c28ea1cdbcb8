"""Many runs, each once: in this process, on Dask, or all seeds of a configuration at once.

Each run lands in a folder of its own, with record, predictions and checkpoints, and that folder is all that
is known of it: a finished run is read, an interrupted one goes on from its last epoch, and a run that two
workers do twice ends with the same bits. So a worker that dies costs its run the epoch that it was in; the
scheduler gives the run to another. Workers of a scheduler elsewhere must see the same `output_dir` and
`data_dir`, as on a shared file system; start them with `dask worker --nthreads 1 --memory-limit 0`, since a
process trains one run at a time, and the pages of a mapped store are not memory that it holds.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import torch
from tqdm import tqdm

from cmpie_lite.data.store import FeatureStore
from cmpie_lite.errors import WriteError
from cmpie_lite.experiments.record import RECORD, RunRecord
from cmpie_lite.experiments.run_files import PREDICTIONS, read_whole
from cmpie_lite.experiments.run_one import finish_run, run_experiment
from cmpie_lite.experiments.settings import Settings, open_data, output_folder, run_folder
from cmpie_lite.support.devices import check_device
from cmpie_lite.support.extras import installed
from cmpie_lite.support.fields import as_told_of
from cmpie_lite.support.files import check_writable, sweep
from cmpie_lite.support.reading import told
from cmpie_lite.support.turns import one_at_a_time
from cmpie_lite.support.workers import as_they_end, dask_client, threads_each
from cmpie_lite.systems.build import build, config_to_facts, of_now, signature
from cmpie_lite.training.checkpoint import BEST, facts_of, save_best
from cmpie_lite.training.seeds import train_seeds
from cmpie_lite.training.seeds_state import TOGETHER, facts_of_seeds, seeds_begun

ONE_AT_A_TIME: Final = threading.Lock()  # a worker of several threads has one generator of random numbers
OF_A_RUN: Final = (ValueError, OSError, RuntimeError, MemoryError)  # errors that cost their own run alone


class GridError(RuntimeError):
    """Some runs failed; the others are kept."""


# ---------- one run ----------


@lru_cache(maxsize=1)
def data_of(dataset: Any, data_dir: str, preset: Any, knobs: str) -> FeatureStore:
    """The data of a job (its knobs as JSON), kept by each worker from run to run."""
    return open_data(Settings(dataset=dataset, data_dir=data_dir, preset=preset, knobs=json.loads(knobs)))


def run_job(job: Settings, threads: int) -> RunRecord:
    """Train and test one run where this is called; returns its record."""
    with ONE_AT_A_TIME:
        torch.set_num_threads(threads)
        store = data_of(job.dataset, job.data_dir, job.preset, json.dumps(dict(job.knobs)))
        return run_experiment(job, store)[0].record


def finished(job: Settings, store: FeatureStore) -> RunRecord | None:
    """The record of a run that is whole, of the same architecture, config and recipe, on the same data.

    Raises:
        DataError: its record is damaged (`read_whole`).
    """
    folder = run_folder(job, store, job.seeds[0])
    sweep(folder)
    record = read_whole(folder, store)
    if record is None:
        return None
    same = (
        of_now(record["config"]) == config_to_facts(job.config)
        and of_now(record["recipe"]) == asdict(job.recipe(job.seeds[0]))
        and record.get("parameters") == signature(job.config)
        and record["data"]["sha256"] == store.digest
    )
    return record if same else None


# ---------- all runs ----------


def seeds_together(device: str, scheduler: str, asked: bool) -> bool:
    """Whether all seeds of a configuration train at once: where that is asked for, and on a GPU here.

    With a scheduler the device is another machine's, and is not looked for on this one.
    """
    return asked or (not scheduler and check_device(device).type == "cuda")


def run_grid(
    jobs: Sequence[Settings],
    store: FeatureStore,
    *,
    workers: int = 0,
    scheduler: str = "",
    together: bool = False,
    progress: bool = True,
) -> list[RunRecord]:
    """The record of every job, in their order; what is finished is read, the rest is run.

    Args:
        jobs: settings of one seed each, all on the data of `store`.
        workers: local processes; 0 takes one per core, 1 (or no Dask) runs in this process.
        scheduler: address of a running Dask scheduler, in place of local processes.
        together: all seeds of a configuration at once, in this process (`cmpie_lite.training.seeds`).

    Raises:
        WriteError: the folder of all runs cannot be written.
        DataError: no scheduler at the address. GridError: runs that failed, after all others have ended.
    """
    records = [finished(job, store) for job in jobs]
    todo = [i for i, record in enumerate(records) if record is None]
    left = {i: jobs[i] for i in todo}
    if todo:  # now, not once in every worker
        with as_told_of("output_dir", WriteError):
            check_writable(output_folder(jobs[0].output_dir))
    here = all(installed(package) for package in ("distributed", "cryptography"))
    count = min(workers or (os.cpu_count() or 1 if here else 1), len(todo))
    failed: list[str] = []
    with ExitStack() as stack:
        outcomes: Iterator[tuple[int, RunRecord | BaseException]]
        if together:
            outcomes = run_together(left, store)
        elif todo and (scheduler or count > 1):
            outcomes = on_dask(stack, left, store, count, scheduler)
        else:
            outcomes = in_process(left, store)
        done = len(jobs) - len(todo)
        with tqdm(total=len(jobs), initial=done, desc="grid", unit="run", disable=not progress) as bar:
            for i, outcome in outcomes:
                problem = trouble(outcome, store)
                if problem:
                    failed.append(f"{name_of(jobs[i])}: {problem}")
                elif not isinstance(outcome, BaseException):
                    records[i] = outcome
                bar.update()
    if failed:
        raise GridError(
            f"{len(failed)} of {len(jobs)} runs failed, first {failed[0]} Kept are the other "
            f"{len(jobs) - len(failed)}, in {output_folder(jobs[0].output_dir)}: start the same command "
            "again and only these run."
        )
    return [record for record in records if record is not None]


def trouble(outcome: RunRecord | BaseException, store: FeatureStore) -> str:
    """What is wrong with a run's outcome, in one line; empty where it is a record on these data."""
    if isinstance(outcome, BaseException):
        return f"{type(outcome).__name__}: {(told(outcome).splitlines() or [''])[0]}"
    if outcome["data"]["sha256"] != store.digest:
        return f"its worker has other data ({outcome['data']['source']}): give all workers the same."
    return ""


def name_of(job: Settings) -> str:
    """A job's system, overrides and seed, as its folder says them."""
    changed = ",".join(f"{name}={value}" for name, value in sorted(job.overrides.items()))
    return f"{job.model}{',' * bool(changed)}{changed}/seed{job.seeds[0]}"


def size_of(job: Settings) -> int:
    """Number of parameters of a job's model, which tells about how long it takes beside others."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(job.config).parameters())


def in_process(jobs: dict[int, Settings], store: FeatureStore) -> Iterator[tuple[int, Any]]:
    """One run after the other, here."""
    for i, job in jobs.items():
        try:
            yield i, run_experiment(job, store)[0].record
        except OF_A_RUN as error:
            yield i, error


def on_dask(
    stack: ExitStack, jobs: dict[int, Settings], store: FeatureStore, count: int, scheduler: str
) -> Iterator[tuple[int, Any]]:
    """Runs as they end, in any order; the cluster and its client are closed with `stack`.

    Raises:
        DataError: Dask is not installed, or there is no scheduler at the address.
    """
    threads = 1 if scheduler else threads_each(count)
    client = stack.enter_context(dask_client("grid", processes=count, scheduler=scheduler))
    tasks = {}
    for i, job in sorted(jobs.items(), key=lambda item: size_of(item[1]), reverse=True):  # the longest first
        data_dir = str(Path(job.data_dir).absolute()) if job.data_dir else ""
        output_dir = str(run_folder(job, store, 0).parents[2].absolute())
        tasks[i] = (replace(job, data_dir=data_dir, output_dir=output_dir), threads)
    yield from as_they_end(client, run_job, tasks)


def run_together(jobs: dict[int, Settings], store: FeatureStore) -> Iterator[tuple[int, Any]]:
    """All seeds of a configuration at once; leaves the same files as single runs, save the last epoch's."""
    alike = groupby(jobs.items(), key=lambda item: name_of(replace(item[1], seeds=[0])))
    for _, group in alike:
        numbers, same = zip(*group, strict=True)
        try:
            outcomes: Sequence[RunRecord | BaseException] = run_seeds(same, store)
        except OF_A_RUN as error:
            outcomes = [error] * len(same)
        yield from zip(numbers, outcomes, strict=True)


def run_seeds(jobs: Sequence[Settings], store: FeatureStore) -> list[RunRecord]:
    """The records of jobs that differ in nothing but the seed, trained at once.

    Raises:
        ConfigError, DataError, CheckpointError, WriteError: as `train_seeds` and `finish_run`; that a folder
            cannot be written is found before training.
    """
    store.test.truth()  # raises where the runs could not be scored
    first = jobs[0]
    device, recipe = check_device(first.device), first.recipe(first.seeds[0])
    folder = run_folder(first, store, first.seeds[0]).parent
    records, graph = {}, device.type == "cuda"
    with ExitStack() as stack:
        stack.enter_context(as_told_of("output_dir", WriteError))
        stack.enter_context(one_at_a_time(folder))
        facts = facts_of_seeds(first.config, recipe, store)
        begun = seeds_begun(folder, facts, [job.seeds[0] for job in jobs])
        for seed in sorted(begun):  # in one order, or two processes would wait for each other
            stack.enter_context(one_at_a_time(run_folder(first, store, seed)))
            check_writable(run_folder(first, store, seed), RECORD, PREDICTIONS, BEST)
        whole = [record for job in jobs if (record := finished(job, store))]
        if len(whole) == len(jobs):  # by another process, which was waited for
            return whole
        runs = train_seeds(first.config, recipe, store, begun, device=device, cuda_graph=graph, folder=folder)
        for seed, run in zip(begun, runs, strict=True):
            own = facts_of(first.config, first.recipe(seed), store)
            save_best(run_folder(first, store, seed), own, run.best_epoch, run.model.state_dict())
            records[seed] = finish_run(replace(first, seeds=[seed]), store, seed, run, together=begun).record
        (folder / TOGETHER).unlink(missing_ok=True)
    return [records[job.seeds[0]] for job in jobs]
