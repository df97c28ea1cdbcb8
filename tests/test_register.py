"""The register of ambiguities: every open field, its readings, and what was measured of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from book.tools import register
from cmpie_lite.config import ModelConfig
from cmpie_lite.decoding import DecodeConfig
from cmpie_lite.results.report_files import write_report
from cmpie_lite.results.reports import NBSP
from cmpie_lite.support.fields import override
from tests.making_reports import readings_report, report_of_one_that_times


def test_register_has_one_entry_for_each_open_field() -> None:
    fields = {f.name for f in ModelConfig.__dataclass_fields__.values()}
    settled = {"streams", "segment_attention", "cma_audio", "cma_visual", "dim"}  # Table 2's rows, d = 512
    assert set(register.ENTRIES) == fields - settled
    assert settled <= fields


@pytest.mark.parametrize("field", sorted(register.ENTRIES))
def test_register_lists_the_readings_default_first(field: str) -> None:
    readings = list(register.ENTRIES[field].readings)
    assert readings[0] == register.default(field)
    if (allowed := register.choices(field)) is not None:
        assert tuple(readings) == allowed
    for value in readings[1:]:
        assert getattr(override(ModelConfig(), {field: value}), field) == value
        overrides = re.search(r"-p overrides '(.*)'", register.command(field, value))
        assert overrides is not None
        assert json.loads(overrides[1]) == {field: value}


def test_register_lists_the_gates_and_who_uses_which() -> None:
    assert tuple(register.GATE.readings) == get_args(get_type_hints(DecodeConfig)["gate"])
    assert next(iter(register.GATE.readings)) == DecodeConfig().gate
    page = register.markdown()
    assert "| `either` | One of the two modalities' probabilities reaches it; it opens both. | LEAP |" in page
    assert "nobody that we know" in page


def test_register_shows_what_was_measured_and_says_what_was_not() -> None:
    stored = {
        "base": "dim=128,ffn_dim=128",
        "effects": {"sa_axis": {"channel": {"metric": "event_type", "mean": -0.4, "low": -0.9, "high": 0.1}}},
    }
    assert register.effect("sa_axis", "channel", [stored]) == "-0.40 [-0.90, +0.10] event Type@AV"
    assert register.effect("sa_axis", "both", [stored]) == "not run here"
    assert register.effect("sa_axis", "segment", [stored]) == "default"
    assert register.effect("ffn_dim", 512, [stored]) == "default (there 128)"
    before = {
        "base": "cma_form=projected",
        "effects": {"cma_form": {"residual_norm": stored["effects"]["sa_axis"]["channel"]}},
    }
    assert (
        register.effect("cma_form", "residual_norm", [before])
        == "-0.40 [-0.90, +0.10] event Type@AV, over projected"
    )
    assert register.effect("cma_form", "projected", [before]) == "what these runs have otherwise"
    assert register.effect("cma_form", "residual", [before]) == "not run here"
    assert register.effect("sa_axis", "segment", [before]) == "default"


def test_the_registers_summary_ranks_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def store(name: str, gaps: dict[tuple[str, Any], float], seeds: int = 10, **base: Any) -> str:
        write_report(tmp_path / name, readings_report(gaps, seeds, **base))
        return register.markdown()

    monkeypatch.setattr(register, "RESULTS", tmp_path)
    three = {("heads", 4): 0.0005, ("heads", 8): -0.009, ("sa_axis", "both"): 0.008}
    page = store("ambiguities_narrow.json", three, dim=128)
    made = "LLP-sim, which is not LLP: 10 paired seeds, 40 epochs, every run with dim = 128."
    assert made in page.replace(NBSP, " ")
    assert "Student's t over paired seeds" in page
    assert "cpu, 2 cores, x, torch 2; at commit abc; 2026-01-01." in page
    assert "Of 3 readings, 2 have an interval of segment Type@AV that leaves out zero" in page
    assert "`sa_axis=both`, `heads=8`. Half an interval is about 0.1 points" in page
    rows = [line for line in page.splitlines() if line.startswith(("| `sa_axis=", "| `heads="))]
    assert [row.split("`")[1] for row in rows] == ["sa_axis=both", "heads=4", "heads=8"]
    assert [row.count("*") for row in rows] == [2, 0, 2]
    page = store("ambiguities.json", {("heads", 8): 0.015})
    assert "Its interval of segment Type@AV leaves out zero. Half an interval" in page
    assert page.index("### At D = 512") < page.index("### At D = 128")
    assert "| `heads` | reading | effect on LLP-sim, D = 512 | effect on LLP-sim, D = 128 |" in page
    row = "| `8` | Eight. | +1.50 [+1.39, +1.61] segment Type@AV | -0.90 [-1.01, -0.79] segment Type@AV |"
    assert row in page
    assert "| `4` | Four. | not run here | +0.05 [-0.06, +0.16] segment Type@AV |" in page
    again = {("heads", 4): 0.007, ("heads", 8): 0.09}
    page = store("ambiguities_2.json", again)  # reports of one width share a column, the first has precedence
    assert [x for x in page.splitlines() if x.startswith("### At D")] == [
        "### At D = 512: heads", "### At D = 512: heads", "### At D = 128: heads, sa_axis",
    ]  # fmt: skip
    assert "| `heads` | reading | effect on LLP-sim, D = 512 | effect on LLP-sim, D = 128 |" in page
    assert (
        "| `4` | Four. | +0.70 [+0.59, +0.81] segment Type@AV | +0.05 [-0.06, +0.16] segment Type@AV |"
        in page
    )
    assert row in page
    page = store("ambiguities_2.json", again, seeds=11)
    assert "| `8` | Eight. | +9.00 [" in page  # the one of more seeds has precedence
    page = store("ambiguities_2.json", again, source="LLP")
    assert "| effect on LLP-sim, D = 512 | effect on LLP, D = 512 | effect on LLP-sim, D = 128 |" in page
    assert "Measured on LLP: 10 paired seeds" in page
    assert store("ambiguities_2.json", again, seeds=1).count("### At D") == 2  # one seed measures no effect


def test_the_summary_shows_what_each_reading_does_with_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(tmp_path / "ambiguities.json", report_of_one_that_times())
    monkeypatch.setattr(register, "RESULTS", tmp_path)
    page = register.markdown().replace(NBSP, " ")
    assert "| default | – | – | 50 % | 50 % | +0.1 |" in page
    assert re.search(r"\| `sa_axis=global` \| .* \| 50 % \| 50 % \| \+1\.5 \|", page)
    assert "1 places events in time: `sa_axis=global`" in page
