"""The grid of runs: every run once, resumable, on processes that may die; readings; the command line."""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cmpie_lite.__main__ import main
from cmpie_lite.config import ModelConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.errors import ConfigError, DataError
from cmpie_lite.experiments import grid, readings
from cmpie_lite.experiments import run_many as many_runs
from cmpie_lite.experiments import settings as experiment
from cmpie_lite.experiments.grid import (
    GridSettings,
    ambiguity_report,
    grid_settings,
    papermill_command,
    table_report,
)
from cmpie_lite.experiments.readings import reading_jobs
from cmpie_lite.experiments.record import RECORD, read_records
from cmpie_lite.experiments.run_files import read_predictions
from cmpie_lite.experiments.run_many import GridError, finished, run_grid, size_of
from cmpie_lite.experiments.settings import Settings, run_folder
from cmpie_lite.metrics import SCORES
from cmpie_lite.notebook.seed_plots import difference_dots, seed_dots
from cmpie_lite.results.pairing import interval_of
from cmpie_lite.results.report_files import read_report
from cmpie_lite.results.report_form import frame_of
from cmpie_lite.results.reports import make_report
from cmpie_lite.results.score_tables import score_table
from cmpie_lite.support import workers
from cmpie_lite.systems.build import build
from cmpie_lite.systems.rows import SYSTEMS, configs, paper_rows, systems_of
from cmpie_lite.training.loop import load_model
from tests.making import TINY, record, tiny_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return tiny_store(tmp_path_factory.getbasetemp() / "tiny")


@pytest.fixture
def given(store: FeatureStore, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings of a grid that ends in a moment."""
    return {
        "data_dir": str(tmp_path_factory.getbasetemp() / "tiny"),
        "output_dir": str(tmp_path),
        "overrides": TINY,
        "epochs": 1,
        "seeds": 2,
        "device": "cpu",
        "workers": 1,
    }


# ---------- settings ----------


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"seed": 3}, "unknown parameter 'seed' = 3. Did you mean 'seeds'"),
        ({"seeds": "three"}, "seeds = 'three' is not JSON"),
        ({"systems": "han"}, "systems = 'han' is not JSON"),
        ({"systems": "[1]"}, "GridSettings.systems = [1], expected a list of different systems"),
        ({"overrides": {1: 2}}, "overrides = {1: 2}, expected names and values"),
        ({"epochs": "5"}, "GridSettings.epochs = '5', expected a value of type int"),
        ({"systems": ["hann"]}, "Settings.model = 'hann', expected one of"),
        ({"systems": ["han", "han"]}, "a list of different systems"),
        ({"systems": []}, "a list of different systems"),
        ({"workers": -1}, "GridSettings.workers = -1"),
        ({"together": "true"}, "GridSettings.together = 'true', expected a value of type bool"),
        ({"overrides": {"sa_axis": "time"}}, "'segment', 'global', 'channel', 'both'"),
        ({"preset": "huge"}, "'smoke', 'small', 'full'"),
    ],
)
def test_bad_settings_stop_with_a_clear_message(names: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        grid_settings(names)
    assert message in str(error.value)


def test_a_tables_grid_is_its_rows_by_its_seeds() -> None:
    jobs = grid_settings({"seeds": 3, "epochs": 5}).jobs()
    assert [(job.model, job.seeds) for job in jobs] == [(m, [s]) for m in configs(2) for s in (1, 2, 3)]
    assert {job.epochs for job in jobs} == {5}
    assert list(configs(2)) == systems_of(2)
    assert "mm_pyramid_swapped" in grid_settings({}, 1).systems


def test_a_table_is_run_with_its_controls_and_reports_what_they_leave(
    given: dict[str, Any], store: FeatureStore
) -> None:
    """Controls are run by default, are paired with the row that they are of, and carry no paper's number."""
    listed = systems_of(2)
    assert {"two_hans", "han_behind_sa"} <= set(listed) - paper_rows(2).keys()
    assert list(grid_settings({}, 2).systems) == listed
    assert "two_hans" not in systems_of(1)
    assert all(SYSTEMS[name].control_of in paper_rows(2) for name in listed if name not in paper_rows(2))
    chosen = ["han", "two_hans", "segment_attention"]
    report = table_report(grid_settings(given | {"systems": chosen, "seeds": [1]}), 2, "x", progress=False)
    intervals = frame_of(report["intervals"])
    pairs = set(zip(intervals.better, intervals.worse, strict=True))
    assert pairs == {("two_hans", "han"), ("segment_attention", "han"), ("segment_attention", "two_hans")}
    text = score_table(frame_of(report["runs"])).markdown()
    assert "two HANs, no SA (control)" in text


def test_a_notebooks_command_repeats_it() -> None:
    settings = grid_settings({"seeds": [1, 4], "epochs": 5, "overrides": {"heads": 4}})
    command = papermill_command("table2.ipynb", settings, 2)
    assert command == (
        "papermill table2.ipynb out.ipynb -p epochs 5 -y '{seeds: [1, 4]}' -y '{overrides: {\"heads\": 4}}'"
    )
    assert papermill_command("t.ipynb", grid_settings({}, 1), 1) == "papermill t.ipynb out.ipynb"
    command = papermill_command("t.ipynb", grid_settings({"output_dir": "my out"}), 2)
    assert shlex.split(command)[3:] == ["-p", "output_dir", "my out"]


def test_lists_may_come_as_text() -> None:
    """papermill's -p hands on a list as the text that was typed."""
    settings = grid_settings({"seeds": "[1, 4]", "systems": '["han", "cmpie"]', "overrides": '{"heads": 2}'})
    assert (settings.seeds, settings.systems, settings.overrides) == ([1, 4], ["han", "cmpie"], {"heads": 2})


# ---------- runs ----------


def test_a_report_of_a_small_grid(given: dict[str, Any], store: FeatureStore) -> None:
    settings = grid_settings(given | {"systems": ["han", "segment_attention", "cmpie"]})
    report = table_report(settings, 2, "a command", progress=False)
    runs, intervals = frame_of(report["runs"]), frame_of(report["intervals"])
    assert runs.groupby("system").seed.apply(list).to_dict() == {m: [1, 2] for m in settings.systems}
    assert report["source"] == "random numbers"
    pairs = set(zip(intervals.better, intervals.worse, strict=True))
    assert pairs == {("segment_attention", "han"), ("cmpie", "han"), ("cmpie", "segment_attention")}
    assert set(intervals.videos) == {0}  # over seeds: a simulator's videos are as many as one likes
    means = 100 * runs.groupby("system")[list(SCORES)].mean()
    found = interval_of(intervals, "cmpie", "han", "event_type")
    assert found is not None
    assert 100 * found.mean == pytest.approx(
        means.loc["cmpie", "event_type"] - means.loc["han", "event_type"]
    )
    model = frame_of(report["tables"]["han: parts"]).loc["model"]
    first = runs[(runs.system == "han") & (runs.seed == 1)].iloc[0]
    assert model.to_dict() == pytest.approx(first[list(SCORES)].to_dict())
    assert (frame_of(report["tables"]["cmpie against han: videos"]).sum(axis=1) == 8).all()
    assert len(seed_dots(runs, 2).axes) == len(difference_dots(runs, intervals).axes) == 10
    json.dumps(report, allow_nan=False)
    behaviour = frame_of(report["tables"]["behaviour"])
    assert behaviour.index.tolist() == list(settings.systems)
    assert set(behaviour.seeds) == {2}
    gates = behaviour[["gate_videos", "gate_places"]]
    assert gates.loc["han"].isna().all()
    assert (gates.loc[["segment_attention", "cmpie"]] > 0).all(axis=None)


def test_on_llp_intervals_answer_for_other_videos_too(
    given: dict[str, Any], store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LLP's test videos are fixed and few, so they are a sample too."""
    monkeypatch.setattr(grid, "open_data", lambda job: replace(store, source="LLP"))
    report = table_report(
        grid_settings(given | {"systems": ["han", "cmpie"]}), 2, "a command", progress=False
    )
    assert set(frame_of(report["intervals"]).videos) == {8}
    assert report["interval"].startswith("two-way variance of seeds and test videos")


def test_finished_runs_are_read_and_only_the_others_run(
    given: dict[str, Any], store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = grid_settings(given | {"systems": ["han"], "seeds": 3}).jobs()
    first = run_grid(jobs, store, workers=1, progress=False)
    (run_folder(jobs[1], store, 2) / RECORD).unlink()
    ran = []
    original = many_runs.run_experiment
    monkeypatch.setattr(
        many_runs, "run_experiment", lambda job, s: (ran.append(list(job.seeds)), original(job, s))[1]
    )
    second = run_grid(jobs, store, workers=1, progress=False)
    assert ran == [[2]]
    assert [r["test"] for r in second] == [r["test"] for r in first]
    assert second[0] == first[0]
    assert finished(replace(jobs[0], epochs=2), store) is None
    assert finished(replace(jobs[0], overrides={**TINY, "heads": 2}), store) is None


def test_a_run_that_fails_does_not_stop_the_others(
    given: dict[str, Any], store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = grid_settings(given | {"systems": ["han"], "seeds": 3}).jobs()
    original = many_runs.run_experiment

    def failing(job: Any, data: Any) -> Any:
        if job.seeds == [2]:
            raise OSError("no space left")
        return original(job, data)

    monkeypatch.setattr(many_runs, "run_experiment", failing)
    with pytest.raises(GridError, match=r"1 of 3 runs failed, first han,dim=16,ffn_dim=16/seed2: OSError"):
        run_grid(jobs, store, workers=1, progress=False)
    assert [finished(job, store) is not None for job in jobs] == [True, False, True]


def test_all_seeds_at_once_leave_what_single_runs_leave(given: dict[str, Any], store: FeatureStore) -> None:
    still = {**TINY, "dropout": 0.0}
    jobs = grid_settings(given | {"systems": ["han", "cmpie"], "overrides": still}).jobs()
    records = run_grid(jobs, store, together=True, progress=False)
    assert [r["together"] for r in records] == [[1, 2]] * 4
    assert [finished(job, store) is not None for job in jobs] == [True] * 4
    apart = [replace(job, output_dir=job.output_dir + "/apart") for job in jobs]
    for one, other in zip(records, run_grid(apart, store, workers=1, progress=False), strict=True):
        assert one["model"] == other["model"]
        assert one["recipe"] == other["recipe"]
        assert one["history"][0]["loss"] == pytest.approx(other["history"][0]["loss"], abs=1e-4)
    folder = run_folder(jobs[3], store, 2)
    model, facts = load_model(folder)
    assert facts["data"] == store.digest
    parsed = model(store.test.audio, store.test.visual_2d, store.test.visual_3d)
    torch.testing.assert_close(parsed.video, read_predictions(folder)[0].video, atol=1e-5, rtol=0)


# ---------- Dask ----------


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


# ---------- readings ----------


def test_the_readings_are_those_of_the_register() -> None:
    from book.tools import register

    listed = {name: tuple(list(entry.readings)[1:]) for name, entry in register.ENTRIES.items()}
    assert readings.readings() == listed
    assert all(getattr(ModelConfig(), name) not in values for name, values in listed.items())


def test_every_reading_is_run_beside_the_default() -> None:
    base = [Settings(seeds=[seed], overrides={"dim": 64}) for seed in (1, 2)]
    groups = reading_jobs(base)
    assert len(groups) == 1 + sum(len(values) for values in readings.readings().values())
    assert groups["", ""] == base
    assert groups["sa_axis", "channel"][0].config == ModelConfig(dim=64, sa_axis="channel")
    assert all([job.seeds for job in group] == [[1], [2]] for group in groups.values())
    some = reading_jobs([Settings()], ["heads", "sa_axis"])
    assert list(some) == [
        ("", ""),
        ("heads", "4"),
        ("heads", "8"),
        ("sa_axis", "global"),
        ("sa_axis", "channel"),
        ("sa_axis", "both"),
    ]


def test_a_reading_that_all_runs_have_is_not_run_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = grid_settings({"overrides": {"heads": 4, "dropout": 0.0}})
    assert list(reading_jobs(settings.jobs()[:1], ["heads", "dropout"])) == [("", ""), ("heads", "8")]
    monkeypatch.setattr(grid, "open_data", lambda job: pytest.fail("no data are needed to see this"))
    with pytest.raises(ConfigError, match="the only reading of dropout besides the default"):
        ambiguity_report(settings, "a command", ["dropout"])


def test_effects_are_reading_minus_default_in_points(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "readings", lambda: {"sa_squeeze": ("sum",), "heads": (4, 8)})
    report = ambiguity_report(grid_settings(given), "a command", progress=False)
    assert {name: list(found) for name, found in report["effects"].items()} == {
        "sa_squeeze": ["sum"], "heads": ["4", "8"],
    }  # fmt: skip
    runs = frame_of(report["runs"]).set_index(["changed", "seed"])
    base, other = "dim=16,ffn_dim=16", "dim=16,ffn_dim=16,heads=4"
    effect = report["effects"]["heads"]["4"]
    gap = runs.loc[other].segment_type.mean() - runs.loc[base].segment_type.mean()
    assert effect["mean"] == pytest.approx(100 * gap)
    assert effect["low"] <= effect["mean"] <= effect["high"]
    assert effect["metric"] == "segment_type"
    assert effect["all"]["segment_type"]["mean"] == effect["mean"]
    assert (report["seeds"], report["base"], report["command"]) == ([1, 2], base, "a command")


# ---------- command line, stored reports ----------


def test_the_command_line_writes_a_report_that_is_read_again(
    given: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["--table", "2", "--systems", "han", "cmpie", "--seeds", "1", "--epochs", "1", "--workers", "1",
             "--data-dir", given["data_dir"], "--output-dir", str(tmp_path), "--set", "dim=16", "ffn_dim=16",
             "--device", "cpu", "--report", str(tmp_path / "r.json")]  # fmt: skip
    assert main(["grid", *words]) == 0
    out = capsys.readouterr().out
    assert "random numbers (NOT LLP), 32/6/8 videos, 1 seed, 1 epoch" in out
    assert "MEAN NOTHING" in out
    report = read_report(tmp_path / "r.json")
    assert report["command"] == shlex.join(["python", "-m", "cmpie_lite", "grid", *words])
    stored = table_report(GridSettings(stored=str(tmp_path / "r.json")), 2, "")
    assert stored == report
    other = tmp_path / "q.json"
    other.write_text((tmp_path / "r.json").read_text().replace('"cmpie"', '"without_audio"'))
    with pytest.raises(DataError, match=r"'without_audio'\], expected one of Table 1"):
        table_report(GridSettings(stored=str(other)), 1, "")


def test_a_report_of_readings_is_no_table() -> None:
    results = Path(__file__).resolve().parents[1] / "book" / "results"
    for path in results.glob("ambiguities*.json"):
        for table in (1, 2):
            with pytest.raises(DataError, match=f"a report of readings, expected one of Table {table}"):
                table_report(GridSettings(stored=str(path)), table, "")
    for table in (1, 2):
        assert table_report(GridSettings(stored=str(results / f"table{table}.json")), table, "")["runs"]


def test_reports_lie_beside_the_runs_and_say_how_to_repeat_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an output folder both go to the project's `out`, wherever the command was given."""

    def report(settings: GridSettings, table: Any, command: str) -> dict[str, Any]:
        records = [record(name, 1, 0.5) for name in ("han", "cmpie")]
        return make_report(records, [("cmpie", "han")], command)

    monkeypatch.setattr(grid, "table_report", report)
    monkeypatch.setattr(experiment, "home", lambda: tmp_path / "project")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["grid", "--table", "2"]) == 0
    assert read_report(tmp_path / "project" / "out" / "table2.json")["seeds"] == [1]
    words = ["--table", "2", "--output-dir", str(tmp_path / "my out")]
    assert main(["grid", *words]) == 0
    command = read_report(tmp_path / "my out" / "table2.json")["command"]
    assert shlex.split(command) == ["python", "-m", "cmpie_lite", "grid", *words]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--table", "2", "--epochs", "0"], "TrainConfig.epochs = 0"),
        (["--table", "1", "--systems", "hann"], "Settings.model = 'hann'"),
        (["--table", "1", "--systems", "cmpie", "ave"], "'han' and at least one more"),
        (["--table", "1", "--systems", "han", "without_audio"], "some of Table 1: ave, avsdn"),
        (["--ambiguities", "dropout", "--systems", "han"], "--systems with --ambiguities"),
        (["--ambiguities", "--set", "heads=4", "--set", "heads=8"], "--set gives heads more than once"),
        (["--ambiguities", "--set", "heads"], "NAME=VALUE"),
        (["--ambiguities", "dropout", "--set", "dropout=0"], "the only reading of dropout"),
        (["--ambiguities", "cma_axis"], "no readings of 'cma_axis', expected some of front_end"),
    ],
)
def test_the_command_line_refuses_in_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grid", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
