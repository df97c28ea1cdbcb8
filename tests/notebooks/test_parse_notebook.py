"""The parsing notebook, run by papermill on a video and a run of the reader's own; and what it refuses."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import papermill
import pytest
from chapters import stop_of

from cmpie_lite.experiments.parse import COLUMNS
from cmpie_lite.notebook.page import player
from data_fetch.render.clips import render_clip
from data_fetch.render.scenes import make_scene
from tests.making_runs import untrained_run

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"

# Papermill and its kernel warn of their own dependencies' changes; that is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("default")


def run(folder: Path, **parameters: Any) -> nbformat.NotebookNode:
    """Run the notebook with parameters; returns it with outputs."""
    return papermill.execute_notebook(
        str(NOTEBOOKS / "parse_a_video.ipynb"),
        str(folder / "out.ipynb"),
        parameters={"device": "cpu", "output_dir": str(folder / "out")} | parameters,
        cwd=str(NOTEBOOKS),
        progress_bar=False,
    )


def text_of(notebook: nbformat.NotebookNode) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(str(o.get("text", "")) + str(o.get("data", {}).get("text/plain", "")) for o in outputs)


def test_it_parses_a_readers_video_with_a_readers_run(tmp_path: Path) -> None:
    """Threshold 0: the untrained model claims every class from start to end, twice."""
    run_dir = untrained_run(tmp_path / "run")
    clip = tmp_path / "mine.mp4"
    render_clip(clip, make_scene(1, 0), size=16, fps=4.0, seconds=4.0)
    paths = {"video": str(clip), "run_dir": str(run_dir)}
    notebook = run(tmp_path, **paths, start=1.0, threshold=0.0)
    text = text_of(notebook)
    assert "video: your own" in text
    assert "the extractors' weights are random, not trained" in text
    assert "the parser was trained on LLP-sim, not on LLP" in text
    assert "note: video ends 3.00 s after the start" in text
    assert "DRAWING" not in text
    assert "five points above" not in text  # nothing was trained
    (folder,) = (tmp_path / "out").glob("mine-*,start=1,by=*")
    table = pd.read_csv(folder / "events.csv")
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 50
    assert set(table.onset) == {0}
    assert set(table.offset) == {10}
    assert len(json.loads((folder / "events.json").read_text())) == 50
    html = [o.data["text/html"] for c in notebook.cells for o in c.get("outputs", []) if "data" in o
            and "<video" in o.data.get("text/html", "")]  # fmt: skip
    assert len(html) == 1
    assert 'aria-label="Your video"' in html[0]
    assert "autoplay" not in html[0]
    assert "data:video/mp4;base64," in html[0]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"vidoe": "a.mp4"}, "unknown parameter 'vidoe' = 'a.mp4'. Did you mean 'video'"),
        ({"video": "nowhere.mp4"}, "ParseSettings.video = 'nowhere.mp4', expected a video file"),
        ({"output_dir": "/dev/null/out"}, "output_dir: /dev/null/out/.writable: cannot be written"),
        ({"threshold": 2.0}, "ParseSettings.threshold = 2.0, expected a probability in [0, 1]"),
    ],
)
def test_it_refuses_in_the_first_cell(tmp_path: Path, parameters: dict, message: str) -> None:
    given = {"device": "cpu", "output_dir": str(tmp_path / "out")} | parameters
    cell, error = stop_of(NOTEBOOKS / "parse_a_video.ipynb", given)
    assert message in str(error)
    assert "notebook_parameters(globals())" in cell
    assert not (tmp_path / "out").exists()


def test_its_parameters_read_well() -> None:
    shown = papermill.inspect_notebook(str(NOTEBOOKS / "parse_a_video.ipynb"))
    assert list(shown) == "video run_dir weights start threshold device output_dir".split()
    for name, parameter in shown.items():
        assert parameter["inferred_type_name"] in ("float", "str"), name
        assert parameter["help"], name


def test_what_the_page_embeds_is_small() -> None:
    assert (NOTEBOOKS / "parse_a_video.ipynb").stat().st_size < 500_000
    notebook = nbformat.read(NOTEBOOKS / "parse_a_video.ipynb", as_version=4)
    pages = [
        str(o.get("data", {}).get("text/html", "")) for c in notebook.cells for o in c.get("outputs", [])
    ]
    video = [page for page in pages if "<video" in page]
    assert len(video) == 1
    assert len(video[0]) < 300_000
    assert 'poster="data:image/png;base64,' in video[0]
    assert '<track kind="captions" srclang="en"' in video[0]


def test_no_claim_hangs_on_one_machines_rounding() -> None:
    """What the outputs may not show again is not compared: of it the text says no number, the checks do."""
    notebook = nbformat.read(NOTEBOOKS / "parse_a_video.ipynb", as_version=4)
    loose = [c for c in notebook.cells if "nbval-ignore-output" in c.metadata.get("tags", [])]
    assert not any("check(" in cell.source for cell in loose)
    firm = "\n".join(c.source for c in notebook.cells if c.cell_type == "code" and c not in loose)
    for claim in (
        "five points above",
        "late: every second looks as it did",
        "late: only a gate changes what is reported",
        "quiet: less is seen",
        "zeros: next to nothing",
    ):
        assert claim in firm


@pytest.mark.parametrize("companions", [True, False])
def test_the_player_takes_poster_and_captions_that_are_there(tmp_path: Path, companions: bool) -> None:
    clip = tmp_path / "a.mp4"
    render_clip(clip, make_scene(1, 0), size=16, fps=4.0, seconds=1.0)
    beside = [clip.with_suffix(".png"), clip.with_suffix(".vtt")]
    contents = [base64.b64encode(file.read_bytes()).decode() for file in beside]
    for file in () if companions else beside:
        file.unlink()
    html = player(clip, 'A "clip" & more').data
    assert html.count(base64.b64encode(clip.read_bytes()).decode()) == 1
    assert [html.count(content) for content in contents] == [int(companions)] * 2
    assert ("poster=" in html, "<track " in html) == (companions, companions)
    assert 'aria-label="A &quot;clip&quot; &amp; more"' in html
