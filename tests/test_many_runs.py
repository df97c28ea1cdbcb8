"""Many runs: what a failure costs, what goes on where it was stopped, what workers with threads do."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cmpie_lite.data.store import FeatureStore
from cmpie_lite.errors import ConfigError, DataError, WriteError
from cmpie_lite.experiments import run_many as many_runs
from cmpie_lite.experiments import run_one as one_run
from cmpie_lite.experiments.run_many import GridError, finished, run_grid, run_job
from cmpie_lite.experiments.run_one import run_experiment
from cmpie_lite.experiments.settings import Settings, run_folder
from cmpie_lite.support import workers
from cmpie_lite.support.workers import WorkersLost
from cmpie_lite.training import seeds as seeds_module
from cmpie_lite.training.checkpoint import BEST, read_checkpoint
from cmpie_lite.training.loop import load_model
from cmpie_lite.training.seeds_state import TOGETHER
from tests.making import TINY


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("error", [RuntimeError("out of memory"), MemoryError("out of memory")])
def test_one_configuration_that_fails_costs_only_its_own_runs(
    job: Settings, store: FeatureStore, monkeypatch: pytest.MonkeyPatch, error: Exception, together: bool
) -> None:
    module, name = (many_runs, "train_seeds") if together else (one_run, "train")
    whole = getattr(module, name)

    def train(config: Any, *arguments: Any, **words: Any) -> Any:
        if config.heads == 4:
            raise error
        return whole(config, *arguments, **words)

    monkeypatch.setattr(module, name, train)
    large = replace(job, overrides=TINY | {"heads": 4})
    jobs = [replace(one, seeds=[seed]) for one in (large, job) for seed in (1, 2)]
    with pytest.raises(GridError, match=r"2 of 4 runs failed, first .*heads=4.*out of memory"):
        run_grid(jobs, store, workers=1, together=together, progress=False)
    assert [finished(one, store) is not None for one in jobs] == [False, False, True, True]


class StickingClient:
    """Runs everything at once, here, and does not close."""

    cluster = None

    def __init__(self, cluster: Any) -> None:
        self.made_of = cluster

    def submit(self, call: Callable[..., Any], *arguments: Any, pure: bool) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(call(*arguments))
        return future

    def close(self, timeout: float) -> None:
        raise TimeoutError


def test_no_run_is_lost_to_a_clean_up(
    job: Settings, store: FeatureStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On Colab a report of six finished runs was lost so."""
    import distributed

    monkeypatch.setattr(workers, "local_cluster", lambda processes: StickingClient(None))
    monkeypatch.setattr(distributed, "Client", StickingClient)
    records = run_grid([replace(job, seeds=[seed]) for seed in (1, 2)], store, workers=2, progress=False)
    assert [record["recipe"]["seed"] for record in records] == [1, 2]
    assert capsys.readouterr().err.count("did not close (TimeoutError: ); what it has done is kept.\n") == 2


def test_a_grid_without_workers_says_what_is_kept(
    job: Settings, store: FeatureStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lost = WorkersLost("no worker was left, and for 300 s none came in its place.")
    monkeypatch.setattr(many_runs, "dask_client", lambda *a, **k: nullcontext())
    monkeypatch.setattr(many_runs, "as_they_end", lambda client, call, tasks: ((i, lost) for i in tasks))
    run_experiment(job, store)
    with pytest.raises(GridError) as error:
        run_grid([replace(job, seeds=[seed]) for seed in (1, 2, 3)], store, workers=2, progress=False)
    assert str(error.value) == (
        "2 of 3 runs failed, first han,dim=16,ffn_dim=16/seed2: WorkersLost: no worker was left, and for "
        f"300 s none came in its place. Kept are the other 1, in {tmp_path}: start the same "
        "command again and only these run."
    )


@pytest.mark.parametrize("where", ["first epoch", "second epoch", "second record"])
def test_seeds_together_go_on_where_they_were_stopped(
    job: Settings, store: FeatureStore, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """With dropout, one stream for all seeds: the same bits as if not stopped, whichever seeds are left."""
    calls, whole_save, whole_finish = [], seeds_module.save_seeds, many_runs.finish_run

    def save(*arguments: Any) -> None:
        whole_save(*arguments)
        calls.append("save")
        if calls == ["save"] * {"first epoch": 1, "second epoch": 2}.get(where, 9):
            raise KeyboardInterrupt

    def finish(*arguments: Any, **words: Any) -> Any:
        calls.append("finish")
        if calls.count("finish") == 2 and where == "second record":
            raise KeyboardInterrupt
        return whole_finish(*arguments, **words)

    jobs = [replace(job, epochs=3, seeds=[seed]) for seed in (1, 2, 3)]
    apart = [replace(one, output_dir=f"{job.output_dir}/apart") for one in jobs]
    whole = run_grid(apart, store, together=True, progress=False)
    monkeypatch.setattr(seeds_module, "SAVING", 0.0)
    monkeypatch.setattr(seeds_module, "save_seeds", save)
    monkeypatch.setattr(many_runs, "finish_run", finish)
    with pytest.raises(KeyboardInterrupt):
        run_grid(jobs, store, together=True, progress=False)
    state = run_folder(job, store, 1).parent / TOGETHER
    assert state.exists()
    monkeypatch.undo()
    again = run_grid(jobs, store, together=True, progress=False)
    assert not state.exists()
    for one, two, there, here in zip(apart, jobs, whole, again, strict=True):
        rows = [[{**row, "seconds": 0} for row in record["history"]] for record in (there, here)]
        assert rows[0] == rows[1]
        assert there["together"] == here["together"] == [1, 2, 3]
        assert there["files"] == here["files"]  # the checksums of weights and predictions
        for job_of, record in ((one, there), (two, here)):
            best = read_checkpoint(run_folder(job_of, store, job_of.seeds[0]) / BEST)
            assert best.sha256 == record["files"]["weights"]


def test_a_folder_that_cannot_be_written_is_found_before_training_together(
    job: Settings, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many_runs, "train_seeds", lambda *a, **k: pytest.fail("it trained"))
    run_folder(job, store, 2).parent.mkdir(parents=True)
    run_folder(job, store, 2).write_text("a file where a folder would be")
    with pytest.raises(
        GridError, match=r"2 of 2 runs failed, first .*WriteError: output_dir: .*cannot be written"
    ):
        run_grid([replace(job, seeds=[seed]) for seed in (1, 2)], store, together=True, progress=False)


def test_a_grid_whose_folder_cannot_be_written_ends_before_its_workers_begin(
    job: Settings, store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many_runs, "on_dask", lambda *_: pytest.fail("it began workers"))
    (tmp_path / "file").touch()
    jobs = [replace(job, seeds=[seed], output_dir=str(tmp_path / "file")) for seed in (1, 2)]
    with pytest.raises(WriteError, match=r"^output_dir: .*cannot be written"):
        run_grid(jobs, store, workers=2, progress=False)


def test_threads_of_one_worker_do_not_share_random_numbers(job: Settings, store: FeatureStore) -> None:
    """Dask's workers have several threads unless told otherwise; torch has one generator a process."""
    jobs = [replace(job, seeds=[seed], epochs=2) for seed in (1, 2)]
    alone = [run_job(replace(one, output_dir=f"{one.output_dir}/alone"), 1) for one in jobs]
    with ThreadPoolExecutor(2) as pool:
        beside = list(pool.map(lambda one: run_job(one, 1), jobs))
    for a, b in zip(alone, beside, strict=True):
        assert [row["loss"] for row in a["history"]] == [row["loss"] for row in b["history"]]


def test_a_single_run_after_runs_together_leaves_one_model_and_its_record(
    job: Settings, store: FeatureStore
) -> None:
    """The epochs of an earlier single run are still there; the best weights must be that run's again."""
    long = replace(job, epochs=3)
    run_experiment(job, store)  # epoch 1 of what follows
    run_grid([replace(long, seeds=[seed]) for seed in (1, 2)], store, together=True, progress=False)
    record = run_experiment(long, store)[0].record
    _, facts = load_model(run_folder(long, store, 1))
    assert facts["epoch"] == record["best_epoch"]
    best = load_model(run_folder(long, store, 1))[0].state_dict()
    direct = run_experiment(replace(long, output_dir=f"{long.output_dir}/direct"), store)[0].run.model
    assert all((best[name] == x).all() for name, x in direct.state_dict().items())


def test_a_test_split_that_cannot_be_scored_is_said_before_training(
    job: Settings, store: FeatureStore, tmp_path: Path
) -> None:
    blind = replace(store.test, dense_audio=None, dense_visual=None)
    with pytest.raises(DataError, match="dense labels"):
        run_experiment(job, FeatureStore(store.train, store.val, blind, source="blind"))
    assert not list(tmp_path.iterdir())


def test_seeds_train_together_where_asked_and_a_device_elsewhere_is_not_looked_for_here() -> None:
    """A laptop without a GPU may send work for one; here the same device is refused."""
    assert many_runs.seeds_together("cpu", "", True)
    assert not many_runs.seeds_together("cpu", "", False)
    assert not many_runs.seeds_together("cuda:99", "tcp://elsewhere:8786", False)
    with pytest.raises(ConfigError, match="cuda:99"):
        many_runs.seeds_together("cuda:99", "", False)
