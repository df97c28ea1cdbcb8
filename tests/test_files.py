"""Files that are whole or absent, whoever writes them and whatever stops the writing."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from cmpie_lite.errors import CheckpointError, DataError, WriteError
from cmpie_lite.support import files
from cmpie_lite.support.files import PART, replace_file, sweep, whole_file
from cmpie_lite.support.turns import alone_in


def refuse(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Let the disk refuse every file's bytes with an errno."""

    def fsync(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fsync)


def test_the_bytes_are_on_the_disk_before_the_file_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "deep" / "a.txt", list[object]()
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(os.fstat(descriptor).st_size))
    really = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (seen.append(Path(b).name), really(a, b)))
    replace_file(path, b"seven b")
    assert seen == [7, "a.txt"]
    assert path.read_bytes() == b"seven b"


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_file_has_the_mode_that_any_new_file_has(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        replace_file(tmp_path / "a.txt", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize(
    ("code", "advice"),
    [(errno.ENOSPC, "Make room"), (errno.EDQUOT, "Make room"), (errno.EROFS, "Choose another folder")],
)
def test_a_refusal_keeps_the_old_file_and_advises_by_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, advice: str
) -> None:
    path = tmp_path / "events.csv"
    replace_file(path, b"old")
    refuse(monkeypatch, code)
    with pytest.raises(
        WriteError, match=rf"events\.csv: cannot be written \(.*MB free\)\. {advice}"
    ) as caught:
        replace_file(path, b"new")
    assert "checkpoint" not in str(caught.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == [path.name]


def test_a_full_disk_is_no_fault_of_the_data_nor_of_a_checkpoint() -> None:
    """Who catches a damaged video to go on with the next one does not catch a full disk."""
    assert not issubclass(WriteError, DataError | CheckpointError)
    assert issubclass(WriteError, ValueError), "the command lines turn it into one line and status 2"


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "another file"), KeyboardInterrupt(), DataError("no array")]
)
def test_the_blocks_own_errors_pass_and_leave_nothing(tmp_path: Path, error: BaseException) -> None:
    def write_half() -> None:
        with whole_file(tmp_path / "a.npy") as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert not os.listdir(tmp_path)


# --- writers that live, and that do not -----------------------------------------------------------------


def test_a_living_writers_file_stays_whatever_the_clocks_say(tmp_path: Path) -> None:
    """Two writers of one file, on machines whose clocks differ by years."""
    path = tmp_path / "a.txt"
    with whole_file(path) as mine:
        mine.write_bytes(b"mine")
        os.utime(mine, (1, 1))
        replace_file(path, b"the other's")
        sweep(tmp_path)
        assert mine.exists()
    assert path.read_bytes() == b"mine"
    assert os.listdir(tmp_path) == [path.name]


def test_a_file_that_is_swept_before_it_is_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, swept = files.hold, list[Path]()

    def hold(path: Path, *, wait: bool) -> int | None:
        if not swept:
            swept.append(path)
            path.unlink()
        return really(path, wait=wait)

    monkeypatch.setattr(files, "hold", hold)
    replace_file(tmp_path / "a.txt", b"a")
    assert (tmp_path / "a.txt").read_bytes() == b"a"


def test_a_system_without_locks_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no fcntl: files are written without, a store asks for WSL."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    (tmp_path / f".left-{'0' * 32}{PART}").touch()
    replace_file(tmp_path / "a.txt", b"a")
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [f".left-{'0' * 32}{PART}", "a.txt"]
    with pytest.raises(OSError, match=r"no locks on files: on Windows, run it in WSL"), alone_in(tmp_path):
        pass
