"""What stands where a command would put a file of its own, and who else is at work there.

Nothing is written through a link, nothing that is not ours is removed, and each refusal is one clear line
before the work, not after it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cmpie_lite.data.annotations import Annotations
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.errors import DataError, WriteError
from cmpie_lite.experiments import run_one
from cmpie_lite.experiments.record import RECORD
from cmpie_lite.experiments.run_files import PREDICTIONS
from cmpie_lite.experiments.settings import run_folder
from cmpie_lite.support.files import LOCK, PART, TURN, WORK, sweep
from cmpie_lite.support.turns import alone_in, one_at_a_time, taking_turns
from cmpie_lite.training.checkpoint import BEST, LAST
from data_fetch.extract.videos import extract_many
from data_fetch.pack.store import pack
from tests.making import files_of
from tests.making_media import TINY as TINY_RECIPE
from tests.making_runs import a_job

Block = Callable[[Path], AbstractContextManager[None]]
BLOCKS = [(alone_in, LOCK), (taking_turns, TURN), (one_at_a_time, WORK)]
KINDS = ["link", "link to nothing", "folder", "pipe"]


def put(kind: str, path: Path) -> None:
    """Something that is no file of ours; links lead into the folder `elsewhere` beside it."""
    elsewhere = path.parent / "elsewhere"
    elsewhere.mkdir(parents=True)
    (elsewhere / "precious").write_text("precious")
    match kind:
        case "link":
            path.symlink_to(elsewhere / "precious")
        case "link to nothing":
            path.symlink_to(elsewhere / "nothing")
        case "folder":
            path.mkdir()
            (path / "inside").write_text("precious")
        case "pipe":
            os.mkfifo(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("block", "name"), BLOCKS)
def test_a_lock_is_taken_on_a_file_and_nothing_else(
    tmp_path: Path, block: Block, name: str, kind: str
) -> None:
    put(kind, tmp_path / name)
    before = files_of(tmp_path / "elsewhere")
    with (
        pytest.raises(WriteError, match=rf"\{name}: cannot be written: it is a {kind.split()[0]}"),
        block(tmp_path),
    ):
        pytest.fail("it was taken")
    assert files_of(tmp_path / "elsewhere") == before
    assert os.path.lexists(tmp_path / name)


@pytest.mark.parametrize(("block", "name"), BLOCKS)
def test_a_folder_that_cannot_be_is_named(tmp_path: Path, block: Block, name: str) -> None:
    (tmp_path / "file").write_text("precious")
    with (
        pytest.raises(WriteError, match="/file is a file or a pipe, expected a folder"),
        block(tmp_path / "file" / "out"),
    ):
        pytest.fail("it was taken")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    with (
        pytest.raises(WriteError, match="/link is a link to nothing, expected a folder"),
        block(tmp_path / "link"),
    ):
        pytest.fail("it was taken")
    assert os.listdir(tmp_path) == ["file", "link"] or os.listdir(tmp_path) == ["link", "file"]


def test_what_other_programs_call_parts_stays(tmp_path: Path) -> None:
    ours = [f".{'0' * 32}{PART}", f".a.txt-{'f' * 32}{PART}", TURN, WORK]
    for name in (*ours, f".download{PART}", f".{'0' * 31}{PART}", f"a{PART}"):
        (tmp_path / name).touch()
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [f".{'0' * 31}{PART}", f".download{PART}", f"a{PART}"]


# ---------- found before the work ----------


@pytest.mark.parametrize("kind", ["folder", "pipe"])
@pytest.mark.parametrize("name", [RECORD, PREDICTIONS, BEST, LAST])
def test_a_place_that_is_taken_is_found_before_training(
    tmp_path: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    monkeypatch.setattr("cmpie_lite.training.loop.train_epoch", lambda *_: pytest.fail("it was trained"))
    job = a_job(tmp_path)
    put(kind, run_folder(job, store, 1) / name)
    with pytest.raises(WriteError, match=rf"{name}: cannot be written: it is a {kind}"):
        run_one.run_experiment(job, store)


@pytest.mark.parametrize("name", ["vggish", "r2plus1d_18", "made_of"])
def test_a_place_that_is_taken_is_found_before_extraction(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("precious")
    with pytest.raises(WriteError, match=rf"/{name} is a file or a pipe, expected a folder"):
        extract_many([tmp_path / "clip.mp4"], out, TINY_RECIPE, workers=0, progress=False)
    assert (out / name).read_text() == "precious"


@pytest.mark.parametrize(
    "name", ["store.json", "missing.csv", ".packing/train.part", ".packing/val.safetensors"]
)
def test_a_place_that_is_taken_is_found_by_packing(feats: Path, annotations: Annotations, name: str) -> None:
    out = feats.parent / "store"
    (out / name).mkdir(parents=True)
    with pytest.raises(DataError, match=rf"{name}: cannot be written: it is a folder, expected a file"):
        pack(feats, annotations, out, progress=False)
    (out / name).rmdir()
    (out / ".packing").mkdir(exist_ok=True)
    (out / ".packing" / "notes.txt").write_text("precious")
    (out / "train.safetensors").write_text("precious, and of no store")
    pack(feats, annotations, out, progress=False)
    assert files_of(out / ".packing") == {"notes.txt": b"precious"}
    assert (out / "train.safetensors").read_text() == "precious, and of no store"


@pytest.mark.parametrize("kind", ["link to nothing", "pipe"])
def test_a_place_for_unfinished_work_is_a_folder(feats: Path, annotations: Annotations, kind: str) -> None:
    put(kind, feats.parent / "store" / ".packing")
    with pytest.raises(DataError, match=r"\.packing is a (link|file or a pipe).*Move it elsewhere"):
        pack(feats, annotations, feats.parent / "store", progress=False)
