"""Packing that is stopped, killed or out of space goes on, and ends in the same store."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cmpie_lite.data.annotations import Annotations, SplitAnnotations
from cmpie_lite.data.store_files import open_store
from cmpie_lite.errors import DataError
from data_fetch.layout import read_feature
from data_fetch.pack import split as pack_split
from tests.making import ROOT, SIZES, files_of, make_annotations
from tests.making_packs import GOOD, file_of, run


class Stop(BaseException):
    """What a kill would be, without the process."""


def counting(monkeypatch: pytest.MonkeyPatch, stop_at: int | None) -> Callable[[], int]:
    """Count the feature files that are read; stop at one of them."""
    calls, really = 0, read_feature

    def read(path: Path, kind: str) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == stop_at:
            raise Stop
        return really(path, kind)

    monkeypatch.setattr(pack_split, "read_feature", read)
    return lambda: calls


def packed_until(
    stop_at: int, feats: Path, annotations: Annotations, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The folder of a store whose packing was stopped at one of its files."""
    out = feats.parent / "store"
    with monkeypatch.context() as patch:
        counting(patch, stop_at)
        with pytest.raises(Stop):
            run(feats, annotations, out)
    return out


@pytest.mark.parametrize("stop_at", [1, 2, 6, 11, 15, 16, 25, 30])
def test_no_file_is_read_twice(
    feats: Path, annotations: Annotations, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    run(feats, annotations, feats.parent / "whole")
    out, files = packed_until(stop_at, feats, annotations, monkeypatch), 3 * sum(SIZES.values())
    count = counting(monkeypatch, None)
    run(feats, annotations, out)
    assert count() == files - (stop_at - 1)
    assert files_of(out) == files_of(feats.parent / "whole")


def test_a_file_changed_in_between_is_packed_anew(
    feats: Path, annotations: Annotations, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = packed_until(3 * SIZES["train"] + 3, feats, annotations, monkeypatch)
    path = file_of(feats, annotations.train.ids[0], "vggish")
    np.save(path, GOOD)
    os.utime(path, ns=(1, 1))
    count = counting(monkeypatch, None)
    run(feats, annotations, out)
    assert count() == 3 * sum(SIZES.values()) - 2  # val goes on, train begins again
    assert np.array_equal(open_store(out, verify=True).train.audio[0].numpy(), GOOD)


def test_other_labels_are_packed_anew(
    feats: Path, annotations: Annotations, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = packed_until(3 * SIZES["train"] + 3, feats, annotations, monkeypatch)
    train = SplitAnnotations(annotations.train.ids, ~annotations.train.weak)
    run(feats, Annotations(train, annotations.val, annotations.test, "2024", ()), out)
    assert np.array_equal(open_store(out, verify=True).train.weak.numpy(), train.weak)


def test_a_second_pack_at_the_same_time_is_refused(
    feats: Path, annotations: Annotations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the first reads its last file two others come, one with other labels, one without features."""
    out, calls, really = feats.parent / "store", 0, read_feature
    train = annotations.train
    relabelled = SplitAnnotations(train.ids, ~train.weak)
    absent = SplitAnnotations(("absent_____", *train.ids[1:]), train.weak)
    others = ((relabelled, "another process is writing a store there"), (absent, "cannot be used"))

    def read(path: Path, kind: str) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 3 * sum(SIZES.values()):
            for split, message in others:
                with pytest.raises(DataError, match=message):
                    run(feats, Annotations(split, annotations.val, annotations.test, "2024", ()), out)
        return really(path, kind)

    with monkeypatch.context() as patch:
        patch.setattr(pack_split, "read_feature", read)
        run(feats, annotations, out)
    assert calls == 3 * sum(SIZES.values())
    run(feats, annotations, feats.parent / "alone")
    assert files_of(out) == files_of(feats.parent / "alone")


@pytest.mark.parametrize("cut", [0, 3, 100, 20_000, 200_000, -1])
def test_rows_cut_anywhere_go_on(
    feats: Path, annotations: Annotations, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    """A kill can leave an unfinished file of any length."""
    run(feats, annotations, feats.parent / "whole")
    out = feats.parent / "store"
    with monkeypatch.context() as patch:
        counting(patch, 3 * SIZES["train"])
        with pytest.raises(Stop):
            run(feats, annotations, out)
    part = out / ".packing" / "train.part"
    part.write_bytes(part.read_bytes()[:cut])
    run(feats, annotations, out)
    assert files_of(out) == files_of(feats.parent / "whole")


@pytest.mark.parametrize(
    ("nth", "left"),  # a trial, then each split: its stamp goes to the disk, then its file
    [(4, ("val", "test")), (5, ("test",))],
)
def test_full_disk_keeps_the_old_store_and_what_is_packed(
    feats: Path, annotations: Annotations, monkeypatch: pytest.MonkeyPatch, nth: int, left: tuple[str, ...]
) -> None:
    run(feats, annotations, feats.parent / "whole")
    out = feats.parent / "store"
    run(feats, make_annotations({"train": 1, "val": 1, "test": 1}), out)
    before, really, calls = files_of(out), os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        really(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DataError, match=r"Cannot pack to .*: /.*No space left .* mend that and"):
            run(feats, annotations, out)
    assert {name: content for name, content in files_of(out).items() if "/" not in name} == before
    count = counting(monkeypatch, None)
    run(feats, annotations, out)
    assert count() == 3 * sum(SIZES[name] for name in left)
    assert files_of(out) == files_of(feats.parent / "whole")


def test_disk_space_is_looked_at_before(
    feats: Path, annotations: Annotations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1_000_000})())
    with pytest.raises(DataError, match=r"the store needs 1\.1 MB, but only 1\.0 MB are free"):
        run(feats, annotations, feats.parent / "store")
    assert not (feats.parent / "store").exists()


CHILD = """
import os, resource, signal, sys
from pathlib import Path
import torch
from cmpie_lite.errors import DataError
from data_fetch.pack import split as pack_split
from data_fetch.pack.store import pack
from tests.making import make_annotations

torch.set_num_threads(1)  # or a forked process waits for threads that it does not have
feats, out = map(Path, sys.argv[1:3])
really, calls = pack_split.read_feature, 0

def read(path, kind):
    global calls
    calls += 1
    if calls == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return really(path, kind)

pack_split.read_feature = read
for kill_at in map(int, sys.argv[3:]):
    if (child := os.fork()) == 0:
        if kill_at < 0:
            resource.setrlimit(resource.RLIMIT_FSIZE, (-kill_at, -kill_at))
        try:
            pack(feats, make_annotations(), out, progress=False)
        except DataError as error:
            print(error, flush=True)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_killed_again_and_again_the_store_is_the_same(feats: Path, annotations: Annotations) -> None:
    """Real processes: killed after 1, 5, 9, 2 files, stopped by a limit on file size, killed, left alone."""
    run(feats, annotations, feats.parent / "whole")
    out = feats.parent / "store"
    kills = ["2", "6", "10", "3", "-200000", "4", "0"]
    command = [sys.executable, "-c", CHILD, str(feats), str(out), *kills]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    lines = done.stdout.splitlines()
    assert [line for line in lines if len(line) < 4] == ["-9", "-9", "-9", "-9", "0", "-9", "0"], done.stderr
    assert any("Cannot pack" in line and "File too large" in line for line in lines)
    assert files_of(out) == files_of(feats.parent / "whole")
