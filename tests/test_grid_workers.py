"""The grid on Dask: a lost worker, the longest run first, a scheduler that is not there."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cmpie_lite.data.store import FeatureStore
from cmpie_lite.errors import DataError
from cmpie_lite.experiments import grid
from cmpie_lite.experiments import run_many as many_runs
from cmpie_lite.experiments.grid import (
    GridSettings,
    grid_settings,
)
from cmpie_lite.experiments.record import read_records
from cmpie_lite.experiments.run_many import run_grid, size_of
from cmpie_lite.support import workers
from cmpie_lite.systems.build import build


def test_a_lost_worker_repeats_only_its_run(
    given: dict[str, Any], store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process of seed 2 kills itself once: its run is given to another, no other run starts twice."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    jobs = grid_settings(given | {"systems": ["han"], "seeds": 3}).jobs()
    alone = run_grid(jobs, store, workers=1, progress=False)
    starts = tmp_path / "starts"
    starts.mkdir()

    def mortal(job: Any, threads: int) -> dict[str, Any]:
        from cmpie_lite.experiments.run_many import run_job

        seed = job.seeds[0]
        (starts / f"{seed}-{os.getpid()}").touch()
        if seed == 2 and len(list(starts.glob("2-*"))) == 1:
            os.kill(os.getpid(), 9)
        return run_job(job, threads)

    monkeypatch.setattr(many_runs, "run_job", mortal)
    again = [replace(job, output_dir=str(tmp_path / "dask")) for job in jobs]
    records = run_grid(again, store, workers=2, progress=False)
    assert [r["test"] for r in records] == [r["test"] for r in alone]
    assert sorted(p.name[0] for p in starts.iterdir()) == ["1", "2", "2", "3"]
    assert [r["recipe"]["seed"] for r in read_records(tmp_path / "dask")] == [1, 2, 3]


def test_the_longest_run_is_known_before_it_starts() -> None:
    sizes = {job.model: size_of(job) for job in grid_settings({"seeds": 1}, 1).jobs()}
    assert max(sizes, key=lambda name: sizes[name]).startswith("mm_pyramid")
    assert sizes["ave"] < sizes["han"] < sizes["cmpie"]
    for job in grid_settings({"seeds": 1}).jobs():
        assert size_of(job) == sum(p.numel() for p in build(job.config).parameters())


def test_a_scheduler_that_is_not_there(
    given: dict[str, Any], store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "SCHEDULER_SECONDS", 0.2)
    jobs = grid_settings(given | {"systems": ["han"], "seeds": 1}).jobs()
    with pytest.raises(DataError, match=r"no Dask scheduler at 'tcp://127\.0\.0\.1:9'"):
        run_grid(jobs, store, scheduler="tcp://127.0.0.1:9", progress=False)


def test_dask_is_imported_only_when_asked() -> None:
    before = {name for name in sys.modules if name.split(".")[0] in ("dask", "distributed")}
    assert grid.GridSettings is GridSettings
    code = (
        "import sys, cmpie_lite.experiments.grid; sys.exit(bool({'dask', 'distributed'} & set(sys.modules)))"
    )
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0
    assert before == {name for name in sys.modules if name.split(".")[0] in ("dask", "distributed")}
