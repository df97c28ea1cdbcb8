"""Tables and plots of scores: what they say of their data, and what they refuse to show together."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from cmpie_lite.errors import DataError
from cmpie_lite.notebook.seed_plots import (
    confusion_plot,
    difference_dots,
    duration_plot,
    ladder_dots,
    parts_plot,
    reliability_plot,
    seed_dots,
)
from cmpie_lite.results.pairing import paired
from cmpie_lite.results.reports import (
    NBSP,
    about,
    caution,
    make_report,
    runs_frame,
    settings_text,
    shortfalls,
)
from cmpie_lite.results.score_tables import (
    effect_table,
    interval_table,
    paper_differences,
    paper_table,
    score_table,
)
from tests.making_reports import readings_report, record, two_systems


def test_a_table_says_what_its_data_are() -> None:
    table = score_table(two_systems(3))
    assert table.title.startswith("LLP-sim (NOT LLP), 800/20/40 videos, 3 seeds, 40 epochs.")
    assert "NOT LLP" in table.markdown()
    assert "<caption>LLP-sim (NOT LLP)" in table._repr_html_()
    assert "NOT" not in score_table(two_systems(3, source="LLP")).title
    assert len(table.markdown().splitlines()) == 4 + 4
    assert len(table._repr_html_().split("<tr")) == 1 + 2 + 4


def test_cells_are_percent() -> None:
    frame = runs_frame([record("han", 1, 0.5), record("han", 2, 0.52)])
    cells = score_table(frame).cells.map(lambda text: text.replace("\u00a0", " "))
    assert cells.loc[("HAN", "segment"), "Audio"] == "51.0 ± 1.4"
    assert cells.loc[("HAN", "event"), "Event@AV"] == "51.9 ± 1.4"
    assert score_table(frame[frame.seed == 1]).cells.loc[("HAN", "segment"), "Audio"] == "50.0"
    frame = two_systems(6)
    differences = interval_table(frame, paired(frame, "cmpie", "han")).cells.replace(
        "\u00a0", " ", regex=True
    )
    assert re.fullmatch(r"\+2\.\d \[\+1\.\d, \+2\.\d\] \*", differences.loc[("CM-PIE", "event"), "AV"])
    assert paper_table(1).cells.loc[("CM-CS+HAN", "segment"), "Visual"] == "57.6"
    assert "on LLP" in paper_table(2).title
    assert paper_differences(2).cells.loc[("+Seg Attention", "event"), "AV"] == "-0.9"


def test_effects_of_readings_stand_in_a_table() -> None:
    gaps = {("sa_axis", "channel"): -0.02, ("cma_form", "residual"): 0.0001}
    table = effect_table(readings_report(gaps, dim=64))
    assert "(all with dim = 64). Points above the default" in table.title.replace(NBSP, " ")
    cells = table.cells.replace(NBSP, " ", regex=True).rename(index=lambda name: name.replace(NBSP, " "))
    assert re.fullmatch(r"-2\.0 \[-2\.\d, -1\.9\] \*", cells.loc[("sa_axis = channel", "segment"), "Type@AV"])
    assert re.fullmatch(r"\+0\.0 \[-0\.\d, \+0\.1\]", cells.loc[("cma_form = residual", "event"), "Audio"])
    alone = effect_table(readings_report(gaps, seeds=1)).cells
    assert alone.loc[(settings_text("sa_axis=channel"), "segment"), "Type@AV"] == "-2.0"
    with pytest.raises(DataError, match="kind 'table', expected one of readings"):
        effect_table(make_report([record("han", 1, 0.5)], [], "the command"))


def test_runs_of_several_kinds_share_no_row() -> None:
    kinds = [record("cmpie", 1, 0.5), record("cmpie", 1, 0.6, heads=4)]
    frame = runs_frame([*kinds, record("cmpie", 2, 0.6, heads=4)])
    with pytest.raises(DataError, match=r"cmpie: runs of several kinds \(2, such as '' and 'heads=4'\)"):
        score_table(frame)
    assert list(score_table(frame, key="changed").cells.loc[:, "Audio"])[1].startswith("60.0")
    with pytest.raises(DataError, match="several kinds"):
        score_table(runs_frame([*kinds, record("han", 1, 0.5)]), key="changed")


def test_a_reader_is_warned() -> None:
    assert caution(two_systems(3, source="LLP")) == ""
    text = caution(two_systems(3, epochs=5, train=400))
    assert "not LLP" in text
    assert "MEAN NOTHING" in text
    assert "5 of the recipe's 40" in text
    assert "MEAN NOTHING" not in caution(two_systems(3))
    assert about(two_systems(1)).endswith("1 seed, 40 epochs")
    assert caution(two_systems(3, epochs=5)).endswith(f" {shortfalls(two_systems(3, epochs=5))}")
    assert shortfalls(two_systems(3)) == "", "that the data are not LLP's is no shortfall of the runs"
    every = f"2 seeds, 40 epochs, every run with {settings_text('dim=64')}"
    assert about(two_systems(2, dim=64)).endswith(every)
    mixed = two_systems(2, dim=64)
    mixed.loc[mixed.system == "cmpie", "changed"] = "cma_form=projected,dim=64"
    assert about(mixed).endswith(f"{every}, CM-PIE with {settings_text('cma_form=projected')}")


def test_settings_are_shown_with_spaces_and_no_line_begins_with_a_sign() -> None:
    shown = "cma_form = projected, dim = 64".replace(" =", f"{NBSP}=")
    assert settings_text("cma_form=projected,dim=64") == shown
    assert settings_text("") == ""


def test_a_ladder_calls_its_scores_what_tables_call_them() -> None:
    panels = ladder_dots(two_systems(3), ["han", "cmpie"]).axes
    titles = [panel.get_title("left") or panel.get_title() for panel in panels]
    assert titles == [f"segment {name} [%]" for name in ("Audio", "Visual", "Type@AV")]


def test_the_papers_values_are_drawn_on_llp_alone() -> None:
    def diamonds(frame: pd.DataFrame) -> list[float]:
        axes = seed_dots(frame, 1).axes[0]  # segment audio
        return [float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "D"]  # type: ignore[index]

    assert diamonds(two_systems(3)) == []
    assert diamonds(two_systems(3, source="LLP")) == pytest.approx([60.1, 61.7])


def test_plots_show_every_seed() -> None:
    frame = two_systems(7)
    rows = paired(frame, "cmpie", "han")
    axes = difference_dots(frame, rows).axes
    assert len(axes) == 10
    drawn = [line.get_xdata() for line in axes[3].lines if line.get_marker() == "o"]
    han, cmpie = (frame[frame.system == name].segment_type.to_numpy() for name in ("han", "cmpie"))
    assert np.sort(np.asarray(drawn[0])) == pytest.approx(np.sort(100 * (cmpie - han)))
    counts = pd.DataFrame(np.arange(16).reshape(4, 4), index=list("abcd"), columns=list("abcd"))
    texts = [t.get_text() for t in confusion_plot(counts).axes[0].texts]
    assert texts[5] == "5\n23%"
    bins = pd.DataFrame({"low": [0, 0.5], "high": [0.5, 1], "count": [2, 0], "mean": [0.2, np.nan],
                         "frequency": [0.5, np.nan]})  # fmt: skip
    assert "0.300" in reliability_plot(bins, 0.3).axes[0].get_title(loc="left")
    durations = pd.DataFrame({"true": [3, 0], "recall": [0.5, np.nan]}, index=[1, 2])
    assert len(duration_plot({"audio": durations, "visual": durations}).axes) == 2
    parts = pd.DataFrame(
        {"segment_type": [0.5, 0.7], "event_type": [0.4, 0.6]}, index=["model", "true timing"]
    )
    assert [bar.get_width() for bar in parts_plot(parts).axes[1].patches] == pytest.approx([40, 60])
