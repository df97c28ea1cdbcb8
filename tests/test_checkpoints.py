"""Checkpoints: what is lost is written again, what is corrupt is named, a full disk loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from cmpie_lite.data.store import FeatureStore
from cmpie_lite.errors import CheckpointError
from cmpie_lite.support import files
from cmpie_lite.support.fields import override
from cmpie_lite.support.files import PART
from cmpie_lite.training.checkpoint import BEST, LAST, read_checkpoint, write_checkpoint
from cmpie_lite.training.loop import load_model, train
from tests.making import ROOT, planted_store
from tests.making_runs import RECIPE, SMALLEST


@pytest.fixture(scope="module")
def store() -> FeatureStore:
    return planted_store()


def test_a_training_state_is_not_taken_for_a_model(store: FeatureStore, tmp_path: Path) -> None:
    train(SMALLEST, override(RECIPE, {"epochs": 1}), store, folder=tmp_path)
    with pytest.raises(
        CheckpointError, match=rf"{LAST} does not hold the parameters of ModelConfig: .*{BEST}"
    ):
        load_model(tmp_path / LAST)


def test_lost_best_weights_are_written_again(store: FeatureStore, tmp_path: Path) -> None:
    train(SMALLEST, RECIPE, store, folder=tmp_path)
    tensors, facts, _ = read_checkpoint(tmp_path / BEST)
    (tmp_path / BEST).unlink()
    train(SMALLEST, RECIPE, store, folder=tmp_path)
    again, same_facts, _ = read_checkpoint(tmp_path / BEST)
    assert same_facts == facts
    assert all(torch.equal(x, again[name]) for name, x in tensors.items())


@pytest.mark.parametrize("fault", ["truncated", "flipped", "renamed", "foreign", "empty", "missing"])
def test_a_corrupt_checkpoint_is_named(store: FeatureStore, tmp_path: Path, fault: str) -> None:
    train(SMALLEST, override(RECIPE, {"epochs": 1}), store, folder=tmp_path)
    path = tmp_path / BEST
    content = path.read_bytes()
    if fault == "truncated":
        path.write_bytes(content[:-100])
    elif fault == "flipped":
        path.write_bytes(content[:-100] + bytes([content[-100] ^ 1]) + content[-99:])
    elif fault == "renamed":
        assert b"planted" in content
        path.write_bytes(content.replace(b"planted", b"LLP    "))
    elif fault == "foreign":
        path.write_bytes(b"PK\x03\x04 not a safetensors file")
    elif fault == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
    with pytest.raises(CheckpointError, match=BEST):
        load_model(tmp_path)


FULL_DISK = """
    import resource, sys, signal
    from pathlib import Path
    import torch
    from cmpie_lite.training.checkpoint import write_checkpoint
    from cmpie_lite.errors import WriteError
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        write_checkpoint(Path(sys.argv[1]), {"x": torch.ones(100_000)}, {})
    except WriteError as error:
        print(error)
"""


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """The system refuses to write past 100 kB: the old checkpoint stays, no partial file is left."""
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, {"x": torch.zeros(3)}, {"epoch": 1})
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL_DISK), path],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert "cannot be written (File too large" in done.stdout
    assert "MB free" in done.stdout
    assert read_checkpoint(path)[1] == {"epoch": 1}
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_a_killed_writer_leaves_nothing_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    old, young = (tmp_path / f".{path.name}-{digit * 32}{PART}" for digit in "ab")
    for partial in (old, young):
        partial.touch()
    os.utime(young, (0, 0))  # a clock says nothing: two machines' may differ by an hour
    held = files.hold(young, wait=False)
    assert held is not None
    write_checkpoint(path, {"x": torch.zeros(3)}, {})
    assert set(os.listdir(tmp_path)) == {path.name, young.name}, "the young one has a writer that lives"
    os.close(held)
    files.check_writable(tmp_path)  # a run begins by sweeping its folder
    assert os.listdir(tmp_path) == [path.name]


def test_another_process_may_try_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that begin the same run: the other one has removed the file that this one tried with."""
    monkeypatch.setattr(files, "replace_file", lambda *_: None)
    files.check_writable(tmp_path)


def test_checkpoints_hold_no_pickle(store: FeatureStore, tmp_path: Path) -> None:
    train(SMALLEST, override(RECIPE, {"epochs": 1}), store, folder=tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([BEST, LAST])
    content = (tmp_path / LAST).read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["facts"])["recipe"]["epochs"] == 1
