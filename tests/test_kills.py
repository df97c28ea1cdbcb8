"""Every command, killed wherever it puts a file on the disk or in its place, ends as if it never had been.

A process does the work once in peace. Then it does it in folder after folder, and is killed at the first such
moment, at the second, and so on until it ends by itself; after each kill a second process goes on. Nothing
hangs on a clock: the moments are counted. What is compared is every byte, save times of day and durations.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cmpie_lite.data.store_files import open_store
from cmpie_lite.experiments.run_many import run_grid
from cmpie_lite.experiments.settings import Settings
from cmpie_lite.support.files import replace_file
from cmpie_lite.support.tensor_files import tensors_in
from cmpie_lite.training.checkpoint import LAST
from data_fetch.extract.videos import extract_many
from data_fetch.pack.store import pack
from data_fetch.render.clips import render_set
from tests.making import ROOT, TINY, files_of, make_annotations, tiny_store
from tests.making_media import TINY as TINY_RECIPE
from tests.making_packs import all_ids, write_layout

Work = Callable[[Path], Any]  # from a folder of inputs to what makes an output folder
MOMENTS = ("fsync", "replace", "rename", "link")  # of `os`: a file reaches the disk, or takes its place

# ---------- the commands ----------


def grid(inputs: Path, *, together: bool) -> Work:
    """Two seeds of two epochs, with dropout."""
    tiny_store(inputs)

    def work(out: Path) -> None:
        job = {"model": "han", "data_dir": str(inputs), "output_dir": str(out), "overrides": TINY}
        jobs = [Settings(**job, epochs=2, device="cpu", seeds=[seed]) for seed in (1, 2)]
        run_grid(jobs, open_store(inputs), workers=1, together=together, progress=False)

    return work


def packing(inputs: Path) -> Work:
    annotations = make_annotations()
    write_layout(inputs, all_ids(annotations))
    return lambda out: pack(inputs, annotations, out, progress=False)


def rendering(inputs: Path) -> Work:
    counts = {"train": 1, "val": 1, "test": 1}
    return lambda out: render_set(out, counts, size=32, fps=4.0, progress=False)


def extracting(inputs: Path) -> Work:
    rendering(inputs)(inputs)
    videos = sorted((inputs / "videos").glob("*.mp4"))[:2]
    return lambda out: extract_many(videos, out, TINY_RECIPE, workers=0, progress=False)


COMMANDS: dict[str, Callable[[Path], Work]] = {
    "grid": lambda inputs: grid(inputs, together=False),
    "grid --together": lambda inputs: grid(inputs, together=True),
    "pack": packing,
    "render": rendering,
    "extract": extracting,
}

# ---------- killing ----------


def in_a_process(call: Callable[[], Any], kill_at: int = 0) -> bool:
    """Whether a process of its own came to the end of a call; it is killed at its `kill_at`-th moment."""
    if (child := os.fork()) == 0:
        try:
            count_down(kill_at)
            call()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), "it neither ended nor was it killed"
    return status == 0


def count_down(left: int) -> None:
    """Let this process kill itself before the `left`-th of its MOMENTS; never where that is 0."""

    def at(moment: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **words: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return moment(*arguments, **words)

        return counted

    for name in MOMENTS:
        setattr(os, name, at(getattr(os, name)))


def content(out: Path) -> dict[str, Any]:
    """What is in a folder, without times."""
    found: dict[str, Any] = dict(files_of(out))
    for name in found:
        if name.endswith("record.json"):
            record = json.loads(found[name])
            for row in record["history"]:
                del row["seconds"]
            found[name] = {**record, "seconds": 0, "finished": ""}
        elif name.endswith(".safetensors"):  # whose header has its facts in any order
            tensors, header = tensors_in(bytearray(found[name]))
            bits = {key: x.numpy().tobytes() for key, x in tensors.items()}
            found[name] = bits if name.endswith(LAST) else (bits, header)  # LAST's history has durations
    return found


def drive(command: str, folder: Path) -> None:
    """Print how often a command was killed, and at which moments that left something else than in peace."""
    import torch._dynamo  # once, here: each process would import it for its optimizer, in seconds

    torch.set_num_threads(1)  # or a forked process waits for threads that it does not have
    work = COMMANDS[command](folder / "inputs")
    assert in_a_process(lambda: work(folder / "whole"))
    whole, kills, lost, out = content(folder / "whole"), 0, [], folder / "killed"
    while not in_a_process(lambda: work(out), kills + 1):
        kills += 1
        assert in_a_process(lambda: work(out))
        if content(out) != whole:
            lost.append(kills)
        shutil.rmtree(out)
    print(json.dumps({"kills": kills, "lost": lost, "files": len(whole)}))


LEAST = {"grid": 28, "grid --together": 22, "pack": 18, "render": 32, "extract": 20}


def test_there_are_at_least_sixty_kills() -> None:
    assert LEAST.keys() == COMMANDS.keys()
    assert sum(LEAST.values()) >= 60


@pytest.mark.parametrize("command", list(COMMANDS))
def test_killed_anywhere_nothing_is_lost(command: str, tmp_path: Path) -> None:
    code = "import sys; from tests.test_kills import *; drive(sys.argv[1], Path(sys.argv[2]))"
    done = subprocess.run(
        [sys.executable, "-c", code, command, str(tmp_path)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["lost"] == []
    assert found["kills"] >= LEAST[command]
    assert found["files"]


def test_a_loss_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """A command that begins anew with what is half done is found out, at each moment between its files."""

    def careless(inputs: Path) -> Work:
        def work(out: Path) -> None:
            count = len(list(out.glob("[ab]")))
            for name in ("a", "b"):
                replace_file(out / name, str(count).encode())

        return work

    monkeypatch.setitem(COMMANDS, "careless", careless)
    drive("careless", tmp_path)
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["kills"] == 4
    assert found["lost"] == [3, 4]
