"""Files that are whole or absent, whoever writes them and whatever stops the writing."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from cmpie_lite.data.annotation_files import read_weak
from cmpie_lite.data.store_files import read_manifest
from cmpie_lite.errors import CheckpointError, DataError, ReadError, WriteError
from cmpie_lite.experiments.record import read_record
from cmpie_lite.experiments.run_files import PREDICTIONS, read_predictions
from cmpie_lite.results.report_files import read_report
from cmpie_lite.results.study_files import read_study
from cmpie_lite.support import files, tensor_files
from cmpie_lite.support.files import PART, alone_in, replace_file, sweep, whole_file
from cmpie_lite.support.reading import look, read_bytes
from cmpie_lite.support.streams import run_to_the_last_word
from cmpie_lite.training.checkpoint import read_checkpoint
from data_fetch.fetch.features import known_archives
from data_fetch.layout import read_origin
from data_fetch.tables import read_rows
from tests.making import ROOT
from tests.making_reports import readings_report, record


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


# --- reading ------------------------------------------------------------------------------------------


def readers(path: Path) -> list[Callable[[], object]]:
    """Everything that reads a file, told to read this one."""
    return [
        lambda: read_checkpoint(path),
        lambda: read_record(path),
        lambda: read_manifest(path),
        lambda: read_report(path),
        lambda: read_study(path),
        lambda: read_bytes(path, 100),
        lambda: read_origin(path),
        lambda: read_rows(path, ("id", "status")),
        lambda: known_archives(path),
        lambda: read_weak(path, []),
    ]


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path = Path("/dev/zero")
    for read in readers(path):
        with pytest.raises(ValueError, match=r"is a folder, a pipe or a device, expected a file"):
            read()


def test_a_file_of_nothing_but_size_is_not_read(tmp_path: Path) -> None:
    """A sparse file of 10 TB, as of a disk that was copied, takes no memory and no time."""
    path = tmp_path / "x"
    path.touch()
    os.truncate(path, 10**13)
    for read in readers(path):
        with pytest.raises(ValueError, match=r"has more than .* bytes, expected at most that"):
            read()


TEXTS: list[tuple[str, Callable[[Path], object]]] = [  # what a person may save anew, and its reader
    (json.dumps(record("cmpie", 1, 0.5)), read_record),
    (json.dumps(readings_report({("sa_axis", "global"): 0.0})), read_report),
    ("id,status\nabc,ok\n", lambda path: read_rows(path, ("id", "status"))),
    ("LLP\n", read_origin),
    ('{"a.zip": {"sha256": "1", "bytes": 1, "recorded": "2026"}}', known_archives),
    ("filename\tevent_labels\nbbbbbbbbbbb_0_10\tDog\n", lambda path: [*read_weak(path, [])]),
]


@pytest.mark.parametrize(("text", "read"), TEXTS)
def test_every_text_is_read_as_editors_save_it(
    tmp_path: Path, text: str, read: Callable[[Path], object]
) -> None:
    path = tmp_path / "x"
    path.write_text(text)
    plain = read(path)
    assert plain
    for coding in ("utf-8-sig", "utf-16"):
        path.write_bytes(text.encode(coding))
        assert read(path) == plain


def test_text_of_another_coding_says_how_to_save_it(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content in ("id,caf\u00e9".encode("latin-1"), b"\xff\xfeodd"):
        path.write_bytes(content)
        for read in (read_record, read_report, read_manifest, read_study, read_origin, known_archives):
            with pytest.raises(DataError, match=r"no text of UTF-8 \(.*\); save it as UTF-8 in the program"):
                read(path)


def test_a_checkpoint_of_nothing_but_size_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not too large for a checkpoint, but not of the size that its header says."""
    whole = safetensors.torch.save({"x": torch.zeros(4)}, {"format": "any"})
    monkeypatch.setattr(tensor_files, "read_bytes", lambda *_: pytest.fail("it was read"))
    for head, message in ((b"", "not JSON"), (whole, "its header says")):
        for name, read in (("x", read_checkpoint), (PREDICTIONS, lambda path: read_predictions(path.parent))):
            path = tmp_path / name
            path.write_bytes(head)
            os.truncate(path, 3 * 10**9)
            with pytest.raises(ValueError, match=message):
                read(path)


def test_an_error_of_reading_is_none_of_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"whole")

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        for read in readers(path):
            with pytest.raises(ReadError, match=r"cannot be read \(Permission denied\); nothing is known"):
                read()
    assert not issubclass(ReadError, DataError | CheckpointError), "or a damaged file is written anew"


def test_a_file_that_changes_while_it_is_looked_at_is_looked_at_again(tmp_path: Path) -> None:
    path, looks = tmp_path / "x", list[bytes]()
    path.write_bytes(b"half")

    def read(path: Path) -> bytes:
        looks.append(path.read_bytes())
        if looks[-1] == b"half":
            replace_file(path, b"whole")  # the writer comes in between
            raise DataError("it is cut")
        return looks[-1]

    assert look(path, read) == b"whole"
    assert looks == [b"half", b"whole"]


def test_a_fault_that_stays_is_said_at_once(tmp_path: Path) -> None:
    path, looks = tmp_path / "x", list[Path]()
    path.write_bytes(b"half")

    def read(path: Path) -> bytes:
        looks.append(path)
        raise DataError("it is cut")

    with pytest.raises(DataError, match="it is cut"):
        look(path, read)
    assert len(looks) == 1


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


CLOSED = """
import sys
from cmpie_lite.support.streams import keep_streams
keep_streams()
from tqdm import tqdm
assert list(tqdm(range(3))) == [0, 1, 2]
print("done")
with open(sys.argv[1], "w") as file:
    assert file.fileno() > 2, "what C libraries say would land in it"
    file.write("whole")
"""


def test_a_command_goes_on_where_its_streams_are_closed(tmp_path: Path) -> None:
    command = 'exec "$0" -c "$1" "$2" <&- >&- 2>&-'
    words = ["sh", "-c", command, sys.executable, CLOSED, str(tmp_path / "out")]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == 0
    assert (tmp_path / "out").read_text() == "whole"


@pytest.mark.parametrize("locale", [{"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_what_a_terminals_coding_lacks_is_written_out(locale: dict[str, str]) -> None:
    code = r'from cmpie_lite.support.streams import keep_streams; keep_streams(); print("5 \u2013 8 \u03b1")'
    environment = os.environ | {"PYTHONCOERCECLOCALE": "0"} | locale
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    assert done.stdout == rb"5 \u2013 8 \u03b1" + b"\n"


def of_a_gpu(_: int) -> None:
    raise torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 4.00 GiB.\nSee also the documentation."
    )


@pytest.mark.parametrize("allocate", [np.empty, torch.empty, of_a_gpu])
def test_full_memory_is_one_line(
    allocate: Callable[[int], object], capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> int:
        allocate(2**50)
        return 0

    assert run_to_the_last_word(run) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: memory is full (")
    assert error.endswith("and run again: what was saved before is untouched.\n")
    assert len(error.splitlines()) == 1


def test_errors_of_the_code_itself_are_shown_whole() -> None:
    def run() -> int:
        raise RuntimeError("of the code")

    with pytest.raises(RuntimeError, match="of the code"):
        run_to_the_last_word(run)


@pytest.mark.parametrize(
    ("place", "status", "said"), [("pipe", 141, ""), ("full", 2, "No space left on device")]
)
def test_output_that_nobody_takes(
    place: str, status: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`| head -1` ends a command without a word; a full disk with one, even for what was still buffered."""
    here, there = os.pipe()
    os.close(here)
    if place == "full":
        os.close(there)
        there = os.open("/dev/full", os.O_WRONLY)
    with open(there, "w", encoding="utf8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert run_to_the_last_word(lambda: stream.write("a line\n")) == status
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == bool(said)
