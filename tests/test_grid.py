"""The grid of runs: its settings, every run once, and what a second run finds done."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest
import torch

from cmpie_lite.data.store import FeatureStore
from cmpie_lite.errors import ConfigError, DataError
from cmpie_lite.experiments import grid
from cmpie_lite.experiments import run_many as many_runs
from cmpie_lite.experiments.grid import (
    grid_settings,
    papermill_command,
    table_report,
)
from cmpie_lite.experiments.record import RECORD
from cmpie_lite.experiments.run_files import read_predictions
from cmpie_lite.experiments.run_many import GridError, finished, run_grid
from cmpie_lite.experiments.settings import run_folder
from cmpie_lite.metrics import SCORES
from cmpie_lite.notebook.seed_plots import difference_dots, seed_dots
from cmpie_lite.results.pairing import interval_of
from cmpie_lite.results.report_form import frame_of
from cmpie_lite.results.score_tables import score_table
from cmpie_lite.systems.rows import SYSTEMS, configs, paper_rows, systems_of
from cmpie_lite.training.loop import load_model
from tests.making import TINY

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
        ({"systems": ["hann"]}, "GridSettings.systems = ['hann'], expected some of"),
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


def test_a_report_on_what_has_ended_runs_nothing(
    given: dict[str, Any],
    store: FeatureStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = grid_settings(given | {"systems": ["han", "two_hans", "cmpie"], "seeds": [1, 2]})
    with pytest.raises(DataError, match="runs of no system have ended, expected han's and those of one more"):
        table_report(settings, 2, "a command", ended=True, progress=False)
    done = [job for job in settings.jobs() if job.model == "han" or (job.model, job.seeds[0]) == ("cmpie", 2)]
    run_grid(done, store, workers=1, progress=False)
    monkeypatch.setattr(many_runs, "run_experiment", None)
    really, looks = many_runs.read_whole, list[object]()
    monkeypatch.setattr(
        many_runs, "read_whole", lambda folder, of: (looks.append(folder), really(folder, of))[1]
    )
    report = table_report(settings, 2, "a command", ended=True, progress=False)
    assert len(looks) == len(set(looks)) == 6
    said = "3 of 6 runs have not ended, and are left out: 2 of two_hans, 1 of cmpie.\n"
    assert capsys.readouterr().err == said
    runs, intervals = frame_of(report["runs"]), frame_of(report["intervals"])
    assert runs.groupby("system").seed.apply(list).to_dict() == {"han": [1, 2], "cmpie": [2]}
    assert "1 to 2 seeds" in score_table(runs).title
    assert score_table(runs).cells.index.unique("system").tolist() == ["HAN", "CM-PIE, 1 seed"]
    assert set(intervals.seeds) == {1}
    assert frame_of(report["tables"]["behaviour"]).seeds.to_dict() == {"han": 2, "cmpie": 1}
    assert "cmpie against han: videos" in report["tables"], "of the one seed that both have"


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
