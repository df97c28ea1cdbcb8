"""The controlled study at a tiny size: every level its own data, every row paired, everything resumable."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cmpie_lite.__main__ import main
from cmpie_lite.data.llp_sim import SMALL
from cmpie_lite.errors import ConfigError, DataError
from cmpie_lite.experiments import run_many as many_runs
from cmpie_lite.experiments.controlled import compared, controlled_report
from cmpie_lite.experiments.knobs import QUESTIONS, ControlledSettings, levels_of
from cmpie_lite.experiments.run_many import run_job
from cmpie_lite.experiments.settings import Settings, open_data
from cmpie_lite.metrics import SCORES
from cmpie_lite.results.mechanism import MEASURES
from cmpie_lite.results.report_form import frame_of
from cmpie_lite.results.study_files import read_study
from cmpie_lite.support.fields import override
from tests.making import tiny_store

SHORT = {"dim": 16, "ffn_dim": 16}
FEW = {"seed": 3, "num_train": 80, "num_val": 10}  # has every class
TINY = {"overrides": SHORT, "knobs": FEW, "epochs": 1, "device": "cpu", "workers": 1}


# ---------- knobs ----------


@pytest.mark.parametrize("knob", QUESTIONS)
def test_levels_turn_that_knob_alone(knob: str) -> None:
    levels = levels_of(knob, SMALL)
    configs = [override(SMALL, turned) for turned in levels.values()]
    assert len(set(configs)) == len(configs) >= 2
    assert len({frozenset(turned) for turned in levels.values()}) == 1  # all set the same fields


def test_signals_change_their_ratio_and_not_their_product() -> None:
    for name, turned in levels_of("signals", SMALL).items():
        audio, visual = turned["audio_signal"], turned["visual_signal"]
        a, v = map(int, name.split(":"))
        assert audio / visual == pytest.approx(a / v, rel=0.01)
        assert audio * visual == pytest.approx(SMALL.audio_signal * SMALL.visual_signal, rel=0.01)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"study": ["corupt"]}, "study = .'corupt'., expected some of corrupt, gap"),
        ({"study": []}, "expected at least one knob"),
        ({"study": "corrupt"}, "expected a list of different words"),
        ({"readings": ["cma_form=square"]}, "expected some of cma_form="),
        ({"readings": ["colour=red"]}, "no readings of 'colour'"),
        ({"test_videos": 0}, "test_videos = 0, expected an integer >= 1"),
        ({"dataset": "llp"}, "expected 'sim': knobs are LLP-sim's"),
        ({"systems": ["han"]}, "expected 'han' and 'cmpie' at least"),
        ({"knobs": {"corrupt": 2.0}}, "SimConfig.corrupt = 2.0, expected a number in"),
        ({"knobs": [1]}, "expected names and values, such as"),
    ],
)
def test_impossible_studies_are_refused(names: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ControlledSettings(**names)


def test_rows_are_systems_and_readings() -> None:
    settings = ControlledSettings(systems=["han", "cmpie"], readings=["sa_axis=channel"], seeds=[3, 4])
    rows = settings.rows()
    assert list(rows) == ["han", "cmpie", "cmpie sa_axis=channel"]
    assert [job.seeds for job in rows["cmpie sa_axis=channel"]] == [[3], [4]]
    assert rows["cmpie sa_axis=channel"][0].overrides == {"sa_axis": "channel"}
    assert compared(list(rows)) == [
        ("cmpie", "han"),
        ("cmpie sa_axis=channel", "han"),
        ("cmpie sa_axis=channel", "cmpie"),
    ]


def test_a_level_keeps_the_readers_own_knobs() -> None:
    settings = ControlledSettings(knobs={"leak": 0.1}, test_videos=7, preset="smoke")
    assert settings.condition("place", "0.0") == {"leak": 0.1, "num_test": 7, "place": 0.0}


# ---------- knobs of any run ----------


def test_any_run_may_turn_knobs(tmp_path: Path) -> None:
    knobs = FEW | {"corrupt": 0.5, "num_test": 3}
    job = Settings(dataset="sim", knobs=knobs, output_dir=str(tmp_path))
    store = open_data(job)
    assert len(store.test) == 3
    assert store.creation["simulator"]["corrupt"] == 0.5
    assert store.digest != open_data(replace(job, knobs=FEW | {"num_test": 3})).digest
    job = replace(job, overrides=SHORT, epochs=1, device="cpu")
    record = run_job(job, 1)  # as a worker does it, which makes the data itself
    assert record["data"]["sha256"] == store.digest
    assert many_runs.finished(job, store) == record


def test_knobs_of_a_packed_store_are_refused(tmp_path: Path) -> None:
    tiny_store(tmp_path)
    with pytest.raises(ConfigError, match="knobs are LLP-sim's"):
        open_data(Settings(data_dir=str(tmp_path), knobs={"corrupt": 0.5}))


# ---------- the report ----------


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> ControlledSettings:
    return ControlledSettings(
        **TINY,
        systems=["han", "segment_attention", "cmpie"],
        readings=["cma_concat=features"],
        study=["gap", "place"],
        seeds=[1, 2],
        test_videos=20,
        output_dir=str(tmp_path_factory.mktemp("study")),
    )


@pytest.fixture(scope="module")
def report(settings: ControlledSettings) -> dict[str, Any]:
    return controlled_report(settings, "a command", progress=False)


def test_a_report_has_every_row_on_every_level(report: dict[str, Any]) -> None:
    conditions, runs = frame_of(report["conditions"]), frame_of(report["runs"])
    assert list(zip(conditions.knob, conditions.level, strict=True)) == [
        ("gap", "0.0"), ("gap", "0.2"), ("gap", "0.4"), ("place", "1.0"), ("place", "0.0"),
    ]  # fmt: skip
    same = conditions.set_index(["knob", "level"]).sha256
    assert same["gap", "0.0"] == same["place", "1.0"]
    assert same.nunique() == 4
    assert set(runs.groupby(["knob", "level", "system"]).seed.apply(tuple)) == {(1, 2)}
    assert list(runs.system.unique()) == ["han", "segment_attention", "cmpie", "cmpie cma_concat=features"]
    assert runs[list(SCORES)].notna().all(axis=None)
    json.dumps(report, allow_nan=False)
    assert report["source"] == "LLP-sim"
    assert "corrupt=0.2" in set(",".join(conditions.set).split(","))


def test_mechanisms_are_measured_where_there_is_a_block(report: dict[str, Any]) -> None:
    runs = frame_of(report["runs"])
    han, sa, whole, joined = (runs[runs.system == name] for name in runs.system.unique())
    assert han[list(MEASURES)].isna().all(axis=None)
    assert sa[["gate_videos", "gate_places"]].notna().all(axis=None)
    assert sa[["cma_clean", "cma_audio"]].isna().all(axis=None)
    assert joined.cma_audio.isna().all()
    assert whole.cma_audio.between(0, 1).all()
    spoilt = whole.level.isin(["0.2", "0.4"])
    assert whole[spoilt].gate_auc.between(0, 1).all()
    assert whole[~spoilt].gate_auc.isna().all()
    assert (runs[["full_audio", "full_visual"]].dropna() <= 1).all(axis=None)


def test_differences_are_those_of_the_runs(report: dict[str, Any]) -> None:
    runs, differences = frame_of(report["runs"]), frame_of(report["differences"])
    one = differences[(differences.level == "0.4") & (differences.metric == "event_type")]
    row = one[(one.better == "cmpie") & (one.worse == "segment_attention")].iloc[0]
    means = runs[runs.level == "0.4"].groupby("system").event_type.mean()
    assert row["mean"] == pytest.approx(means["cmpie"] - means["segment_attention"])
    assert set(differences.seeds) == {2}


def test_a_second_run_trains_nothing(
    settings: ControlledSettings, report: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many_runs, "run_experiment", lambda *_: pytest.fail("trained again"))
    again = controlled_report(replace(settings, study=["place"]), "", progress=False)
    runs = frame_of(report["runs"])
    expected = runs[runs.knob == "place"].reset_index(drop=True)
    pd.testing.assert_frame_equal(frame_of(again["runs"]), expected)
    assert len(expected) == 2 * 4 * 2


def test_the_command_line_writes_what_stored_reads(
    settings: ControlledSettings, report: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "study.json"
    words = "controlled --epochs 1 --device cpu --workers 1 --seeds 1 2"
    words += " --set dim=16 ffn_dim=16 --knobs seed=3 num_train=80 num_val=10"
    words += " --systems han segment_attention cmpie --readings cma_concat=features --study place"
    words += f" --test-videos 20 --output-dir {settings.output_dir} --report {path}"
    assert main(words.split()) == 0
    assert f"report: {path}" in capsys.readouterr().out
    found = read_study(path)
    assert found["command"] == "python -m cmpie_lite " + words
    stored = replace(settings, stored=str(path))
    assert controlled_report(stored, "") == found
    path.write_text('{"kind": "table"}')
    with pytest.raises(DataError, match=r"no report of this study \(its kind is 'table'\)"):
        controlled_report(stored, "")
    assert main(["controlled", "--study", "corupt"]) == 2


@pytest.mark.parametrize(
    ("place", "wrong", "message"),
    [
        (("source",), "<img src=x onerror=alert(1)>", "source is .* expected a plain name"),
        (("conditions", "data", 0, 2), "[x](javascript:y)", "expected a plain name"),
        (("runs", "data", 0, 6), float("nan"), "not JSON"),
        (("runs", "data", 0, 6), "0.5", "row 0, .* expected float"),
        (("differences", "columns", 0), "knob", "differences has no better"),
        (("differences", "data"), [], "differences has no rows"),
        (("seeds",), [True], "expected int"),
        (("commits",), {}, "expected list"),
        (("conditions", "data", 0, 5), "many", "conditions.videos is not a number"),
        ((), [], "expected names and values"),
    ],
)
def test_a_stored_report_of_the_study_is_no_page(
    report: dict[str, Any], tmp_path: Path, place: tuple[Any, ...], wrong: Any, message: str
) -> None:
    altered = json.loads(json.dumps(report))
    inner = altered
    for key in place[:-1]:
        inner = inner[key]
    if place:
        inner[place[-1]] = wrong
    path = tmp_path / "study.json"
    path.write_text(json.dumps(altered if place else wrong))
    with pytest.raises(DataError, match=f"no report of this study .*{message}"):
        read_study(path)
