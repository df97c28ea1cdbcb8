"""What is no file is refused, an error of reading is none of content, texts are read as they are saved."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from cmpie_lite.data.annotation_files import read_weak
from cmpie_lite.data.store_files import read_manifest
from cmpie_lite.errors import CheckpointError, DataError, ReadError
from cmpie_lite.experiments.record import read_record
from cmpie_lite.experiments.run_files import PREDICTIONS, read_predictions
from cmpie_lite.results.report_files import read_report
from cmpie_lite.results.study_files import read_study
from cmpie_lite.support import tensor_files
from cmpie_lite.support.files import replace_file
from cmpie_lite.support.reading import look, read_bytes, told
from cmpie_lite.training.checkpoint import read_checkpoint
from data_fetch.fetch.features import known_archives
from data_fetch.layout import read_origin
from data_fetch.tables import read_rows
from tests.making_reports import readings_report, record


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


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("where", ["", "made of"])
def test_a_full_disk_asks_for_room_and_not_for_access(code: int, where: str) -> None:
    error = OSError(code, "no more", *([where] if where else []))
    head = f"{where}: " if where else ""
    assert told(error) == f"{head}no more. Make room, and run again: what was saved before is untouched."
