"""Every command, killed wherever it puts a file on the disk or in its place, ends as if it never had been.

A process does the work once in peace. Then it does it in folder after folder, and is killed at the first such
moment, at the second, and so on until it ends by itself; after each kill a second process goes on. Nothing
hangs on a clock: the moments are counted. What is compared is every byte, save times of day and durations.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cmpie_lite.__main__ import main
from cmpie_lite.data.store_files import open_store
from cmpie_lite.experiments.run_many import run_grid
from cmpie_lite.experiments.settings import Settings
from cmpie_lite.support.files import replace_file
from data_fetch.extract.videos import extract_many
from data_fetch.pack.store import pack
from data_fetch.render import clips
from tests.killing import content, in_a_process
from tests.making import ROOT, TINY, make_annotations, readable, tiny_store
from tests.making_archives import fetch, make_zip, members
from tests.making_media import TINY as TINY_RECIPE
from tests.making_packs import all_ids, write_layout
from tests.making_runs import untrained_run

Work = Callable[[Path], Any]  # from a folder of inputs to what makes an output folder

# ---------- the commands ----------


def training(inputs: Path) -> Work:
    """One seed of three epochs, with dropout."""
    tiny_store(inputs)
    words = ["train", "--model", "han", "--data-dir", str(inputs), "--device", "cpu", "--epochs", "3"]
    words += ["--set", *(f"{name}={value}" for name, value in TINY.items()), "--output-dir"]

    def work(out: Path) -> None:
        assert main([*words, str(out)]) == 0

    return work


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
    """Three clips of a second."""
    clips.render_clip = partial(clips.render_clip, seconds=1.0)
    counts = {"train": 1, "val": 1, "test": 1}
    return lambda out: clips.render_set(out, counts, size=32, fps=4.0, progress=False)


def extracting(inputs: Path) -> Work:
    rendering(inputs)(inputs)
    videos = sorted((inputs / "videos").glob("*.mp4"))[:2]
    return lambda out: extract_many(videos, out, TINY_RECIPE, workers=0, progress=False)


def parsing(inputs: Path) -> Work:
    """A clip of a second, by a run that has learned nothing."""
    rendering(inputs)(inputs)
    video, run = min((inputs / "videos").glob("*.mp4")), untrained_run(inputs / "run")
    words = ["parse", str(video), "--run-dir", str(run), "--weights", "tiny", "--threshold", "0"]
    words += ["--device", "cpu", "--output-dir"]

    def work(out: Path) -> None:
        assert main([*words, str(out)]) == 0

    return work


def unpacking(inputs: Path) -> Work:
    """The features of three videos, out of their archive."""
    inputs.mkdir(parents=True)
    archive = inputs / "feats.zip"
    archive.write_bytes(make_zip(members()))
    return lambda out: fetch(out, sources=[archive])


COMMANDS: dict[str, Callable[[Path], Work]] = {
    "train": training,
    "grid": lambda inputs: grid(inputs, together=False),
    "grid --together": lambda inputs: grid(inputs, together=True),
    "pack": packing,
    "render": rendering,
    "extract": extracting,
    "parse": parsing,
    "features": unpacking,
}

# ---------- killing ----------


def drive(command: str, folder: Path) -> dict[str, Any]:
    """How often a command was killed, and which of these kills left something else than peace does."""
    work = COMMANDS[command](folder / "inputs")
    assert in_a_process(lambda: work(folder / "whole"))
    whole, kills, lost, out = content(folder / "whole"), 0, [], folder / "killed"
    while not in_a_process(lambda: work(out), kills + 1):
        kills += 1
        assert in_a_process(lambda: work(out))
        if content(out) != whole:
            lost.append(kills)
        shutil.rmtree(out)
    return {"kills": kills, "lost": lost, "files": len(whole), "readable": readable(folder / "whole")}


def drive_all(folder: Path) -> None:
    """Print what became of each command, of a user who keeps files private."""
    import torch._dynamo  # once, here: each process would import it for its optimizer, in seconds

    torch.set_num_threads(1)  # or a forked process waits for threads that it does not have
    os.umask(0o077)
    print(json.dumps({command: drive(command, folder / command) for command in COMMANDS}))


LEAST = {
    "train": 15,
    "grid": 28,
    "grid --together": 22,
    "pack": 18,
    "render": 32,
    "extract": 20,
    "parse": 6,
    "features": 22,
}


def test_there_are_at_least_sixty_kills() -> None:
    assert LEAST.keys() == COMMANDS.keys()
    assert sum(LEAST.values()) >= 60


def test_killed_anywhere_nothing_is_lost(tmp_path: Path) -> None:
    """Nor shown: what is written with a umask of 077 is its owner's alone."""
    code = "import sys; from tests.test_kills import *; drive_all(Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    for command, found in json.loads(done.stdout.splitlines()[-1]).items():
        assert found["lost"] == [], command
        assert found["readable"] == [], command
        assert found["kills"] >= LEAST[command], command
        assert found["files"], command


def test_a_loss_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that begins anew with what is half done is found out, at each moment between its files."""

    def careless(inputs: Path) -> Work:
        def work(out: Path) -> None:
            count = len(list(out.glob("[ab]")))
            for name in ("a", "b"):
                replace_file(out / name, str(count).encode())

        return work

    monkeypatch.setitem(COMMANDS, "careless", careless)
    found = drive("careless", tmp_path)
    assert found["kills"] == 4
    assert found["lost"] == [3, 4]
    assert found["readable"] == ["a", "b"]  # but not what was written with the umask of this process
