"""What a command prints reaches whoever takes it, and its errors are one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cmpie_lite.support.streams import run_to_the_last_word
from tests.making import ROOT

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


@pytest.mark.parametrize("moment", ["before", "while it works"])
def test_a_command_goes_on_where_its_terminal_is_closed(tmp_path: Path, moment: str) -> None:
    """As one does in the background of a shell that was left: its next word would end it, seen by nobody."""
    ours, its = os.openpty()
    pause = 'import os; print("begun"); os.read(0, 1)\nfrom tqdm import tqdm\n'
    with subprocess.Popen(
        [sys.executable, "-c", CLOSED.replace("from tqdm import tqdm\n", pause), str(tmp_path / "out")],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=its, stderr=its, start_new_session=True,
    ) as child:  # fmt: skip
        os.close(its)
        if moment == "while it works":
            assert os.read(ours, 100) == b"begun\r\n"
        os.close(ours)
        child.communicate(b"1")
    assert child.returncode == 0
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
