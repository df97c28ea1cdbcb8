"""Stores are never half written: failures between renames, two writers, processes that are killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cmpie_lite.data.store_files import open_store
from cmpie_lite.errors import DataError
from cmpie_lite.support.turns import alone_in
from tests.making import (
    ROOT,
    files_of,
    some_store,
    store_files,
    write_store,
)


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_failure_between_two_renames_leaves_the_old_store_and_the_next_write_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    write_store(tmp_path, some_store(seed=1))
    calls, really = 0, os.replace

    def stop(source: Path, target: Path) -> None:
        nonlocal calls
        calls += Path(target).parent == tmp_path  # out of the staging folder
        if calls == nth:
            raise KeyboardInterrupt
        really(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            write_store(tmp_path, some_store(seed=2))
    assert open_store(tmp_path, verify=True).digest == some_store(seed=1).digest
    write_store(tmp_path, some_store(seed=2))
    assert open_store(tmp_path, verify=True).digest == some_store(seed=2).digest
    assert set(files_of(tmp_path)) == store_files(tmp_path)


HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "ab")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_writer_is_refused_until_the_first_ends_or_dies(tmp_path: Path) -> None:
    write_store(tmp_path, some_store(seed=1))
    before = files_of(tmp_path)
    (tmp_path / ".staging").mkdir()
    command = [sys.executable, "-c", HOLDER, str(tmp_path / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DataError, match=r"another process is writing a store there.*another folder"):
            write_store(tmp_path, some_store(seed=2))
        assert {name: data for name, data in files_of(tmp_path).items() if name != ".lock"} == before
        assert (tmp_path / ".staging").is_dir(), "it is the first one's"
        holder.kill()
    write_store(tmp_path, some_store(seed=2))
    assert open_store(tmp_path, verify=True).digest == some_store(seed=2).digest
    assert set(files_of(tmp_path)) == store_files(tmp_path)


def test_a_lock_that_went_while_it_was_taken_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ends between the second's opening of the lock's file and its lock: a third could hold it."""
    monkeypatch.setattr("fcntl.flock", lambda *_: (tmp_path / ".lock").unlink())
    with pytest.raises(DataError, match="another process"), alone_in(tmp_path):
        pass


CHILD = """
import os, resource, sys
from pathlib import Path
import torch
from cmpie_lite.data.store_files import open_store
from tests.killing import in_a_process
from tests.making import files_of, some_store, write_store

torch.set_num_threads(1)  # or a forked process waits for threads that it does not have
folder, one, two = sys.argv[1], some_store(seed=1), some_store(seed=2)
write_store(folder, one)
before = files_of(Path(folder))

def write_little():
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    try:
        write_store(folder, two)
    except OSError as error:
        print(error, flush=True)

in_a_process(write_little)
print("untouched" if files_of(Path(folder)) == before else "changed", flush=True)
kill_at = 1
while not in_a_process(lambda: write_store(folder, two), kill_at):
    print(open_store(folder, verify=True).digest, flush=True)
    write_store(folder, one)
    kill_at += 1
"""


def test_real_processes_stopped_or_killed_leave_one_whole_store(tmp_path: Path) -> None:
    """One is stopped by a limit on the size of files, then others are killed, each a moment later."""
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    limit, untouched, *found = done.stdout.splitlines()
    assert "File too large" in limit, done.stderr
    assert untouched == "untouched"
    one, two = (some_store(seed=seed).digest for seed in (1, 2))
    switch = found.index(two) if two in found else len(found)
    assert switch >= 6
    assert found == [one] * switch + [two] * (len(found) - switch)
    write_store(tmp_path, some_store(seed=1))
    assert set(files_of(tmp_path)) == store_files(tmp_path)
