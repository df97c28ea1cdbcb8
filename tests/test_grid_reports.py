"""Readings beside the default, the grid's command line, and the reports that it stores."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from cmpie_lite.__main__ import main
from cmpie_lite.config import ModelConfig
from cmpie_lite.errors import ConfigError, DataError
from cmpie_lite.experiments import grid, grid_command, readings
from cmpie_lite.experiments import settings as experiment
from cmpie_lite.experiments.grid import (
    GridSettings,
    ambiguity_report,
    grid_settings,
    table_report,
)
from cmpie_lite.experiments.readings import reading_jobs
from cmpie_lite.experiments.settings import Settings
from cmpie_lite.results.report_files import read_report
from cmpie_lite.results.report_form import frame_of
from cmpie_lite.results.reports import make_report
from tests.making_reports import record

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
    single = reading_jobs([Settings()], ["heads=8", "cma_form=projected"])
    assert list(single) == [("", ""), ("heads", "8"), ("cma_form", "projected")]


def test_a_reading_that_all_runs_have_is_not_run_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = grid_settings({"overrides": {"heads": 4, "dropout": 0.0}})
    assert list(reading_jobs(settings.jobs()[:1], ["heads", "dropout"])) == [("", ""), ("heads", "8")]
    monkeypatch.setattr(grid, "open_data", lambda job: pytest.fail("no data are needed to see this"))
    with pytest.raises(ConfigError, match="the only reading of dropout besides the default"):
        ambiguity_report(settings, "a command", ["dropout"])


def test_effects_are_reading_minus_default_in_points(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "readings", lambda config: {"sa_squeeze": ("sum",), "heads": (4, 8)})
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


def test_the_ablations_of_cm_cs_are_its_readings(given: dict[str, Any]) -> None:
    report = ambiguity_report(
        grid_settings(given), "a command", ["stages", "difference"], system="cm_cs", progress=False
    )
    assert {name: list(found) for name, found in report["effects"].items()} == {
        "stages": ["visual", "audio_visual", "none"],
        "difference": ["0.0"],
    }
    assert set(frame_of(report["runs"]).system) == {"cm_cs"}


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

    def report(settings: GridSettings, table: Any, command: str, ended: bool) -> dict[str, Any]:
        records = [record(name, 1, 0.5) for name in ("han", "cmpie")]
        return make_report(records, [("cmpie", "han")], command)

    monkeypatch.setattr(grid_command, "table_report", report)
    monkeypatch.setattr(experiment, "home", lambda: tmp_path / "project")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["grid", "--table", "2"]) == 0
    assert read_report(tmp_path / "project" / "out" / "table2.json")["seeds"] == [1]
    words = ["--table", "2", "--output-dir", str(tmp_path / "my out")]
    assert main(["grid", *words]) == 0
    command = read_report(tmp_path / "my out" / "table2.json")["command"]
    assert shlex.split(command) == ["python", "-m", "cmpie_lite", "grid", *words]
    monkeypatch.setattr(
        grid_command, "print", lambda *_: pytest.fail("the report is not there yet"), raising=False
    )
    (tmp_path / "my out" / "table2.json").unlink()
    with pytest.raises(pytest.fail.Exception):
        main(["grid", *words])
    assert read_report(tmp_path / "my out" / "table2.json")["command"] == command
    monkeypatch.undo()


def test_a_name_that_is_no_utf8_does_not_cost_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes of another coding stand as halves of characters in the words, and no report may hold these."""
    records = [record(name, 1, 0.5) for name in ("han", "cmpie")]
    monkeypatch.setattr(
        grid_command,
        "table_report",
        lambda _, table, command, ended: make_report(records, [("cmpie", "han")], command),
    )
    out = str(tmp_path / "caf\udce9")
    assert main(["grid", "--table", "2", "--output-dir", out]) == 0
    assert r"caf\udce9" in read_report(Path(out) / "table2.json")["command"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--table", "2", "--epochs", "0"], "TrainConfig.epochs = 0"),
        (["--table", "1", "--systems", "hann"], "GridSettings.systems = ['hann']"),
        (["--table", "1", "--systems", "cmpie", "ave"], "'han' and at least one more"),
        (["--table", "1", "--systems", "han", "without_audio"], "some of Table 1: ave, avsdn"),
        (
            ["--ambiguities", "--systems", "han", "cmpie"],
            "--systems han cmpie with --ambiguities, expected one system",
        ),
        (["--ambiguities", "--systems", "ave"], "ave has no readings, expected a system that has, such as"),
        (
            ["--ambiguities", "sa_axis", "--systems", "cm_cs"],
            "no readings of 'sa_axis', expected some of stages",
        ),
        (["--ambiguities", "dropout", "--ended"], "--ended with --ambiguities, expected with --table alone"),
        (["--ambiguities", "--set", "heads=4", "--set", "heads=8"], "--set gives heads more than once"),
        (["--ambiguities", "--set", "heads"], "NAME=VALUE"),
        (["--ambiguities", "dropout", "--set", "dropout=0"], "the only reading of dropout"),
        (
            ["--ambiguities", "cma_form=residual_norm"],
            "no reading 'cma_form=residual_norm' beside the default, expected cma_form = residual, projected",
        ),
        (["--ambiguities", "heads="], "no reading 'heads=' beside the default, expected heads = 4, 8."),
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
