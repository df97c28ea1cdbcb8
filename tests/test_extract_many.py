"""Many videos at once: on Dask or here, names of all kinds, a lost worker, runs that share a scheduler."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmpie_lite.errors import DataError
from cmpie_lite.support import workers
from cmpie_lite.support.workers import closing
from data_fetch.__main__ import main
from data_fetch.extract.results import feature_paths, is_done, video_id
from data_fetch.extract.video import (
    extract_video,
)
from data_fetch.extract.videos import COLUMNS, MANIFEST, extract_many
from data_fetch.extract.weights import load_networks
from data_fetch.layout import SOURCE_FILE
from data_fetch.tables import read_rows, write_rows
from tests.making_media import TINY
from tests.video_files import numbered, write_video


def test_many_here_then_only_what_is_missing(clips: Path, tmp_path: Path) -> None:
    videos = sorted((clips / "videos").glob("*.mp4"))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(videos[0].read_bytes()[:2000])
    rows = extract_many([*videos, broken], tmp_path / "feats", TINY, workers=0, progress=False)
    assert [row["status"] for row in rows] == ["ok"] * 6 + ["refused"]
    assert str(broken) in rows[-1]["notes"]
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "feats").rglob("*.npy")}
    assert len(stamps) == 18
    lost = sorted(stamps)[4]
    lost.unlink()
    extract_many(videos, tmp_path / "feats", TINY, workers=0, progress=False)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "feats").rglob("*.npy")}
    assert set(after) == set(stamps)
    assert {p.stem for p in after if after[p] != stamps[p]} == {lost.stem}
    manifest = (tmp_path / "feats" / MANIFEST).read_text()
    assert manifest.count("\n") == 8
    assert "broken,refused" in manifest


def test_refuses_to_mix_and_to_collide(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = sorted((clips / "videos").glob("*.mp4"))[:1]
    extract_many(videos, tmp_path, TINY, workers=0, progress=False)
    for other in ({"seed": 1}, {"start": 2.5}, {"weights": "random"}):
        with pytest.raises(DataError, match=r"holds 'own videos, RANDOM.*seed 0\)'.*Choose another --out"):
            extract_many(videos, tmp_path, replace(TINY, **other), workers=0, progress=False)
    (tmp_path / SOURCE_FILE).unlink()
    with pytest.raises(DataError, match=r"no source\.txt that says what they are.*Choose another --out"):
        extract_many(videos, tmp_path, TINY, workers=0, progress=False)
    (tmp_path / SOURCE_FILE).write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"source\.txt cannot be read: .*Expected one line of text"):
        extract_many(videos, tmp_path, TINY, workers=0, progress=False)
    with pytest.raises(DataError, match="1 ids come from several files, first 'render00000'"):
        extract_many(videos * 2, tmp_path, TINY, workers=0, progress=False)
    monkeypatch.setattr(workers, "SCHEDULER_SECONDS", 0.2)
    with pytest.raises(DataError, match="no Dask scheduler"):
        extract_many(videos, tmp_path / "b", TINY, scheduler="tcp://127.0.0.1:9", progress=False)


def test_silent_videos_may_join_but_not_the_other_way_round(clips: Path, tmp_path: Path) -> None:
    """With --silent-audio videos are taken that were refused without; what is there stays as it is."""
    sound = sorted((clips / "videos").glob("*.mp4"))[0]
    silent = write_video(tmp_path / "silent.mp4", [numbered(0)] * 80, 8.0)
    out, lenient = tmp_path / "feats", replace(TINY, silent_audio=True)
    rows = extract_many([sound, silent], out, TINY, workers=0, progress=False)
    assert [row["status"] for row in rows] == ["ok", "refused"]
    rows = extract_many([sound, silent], out, lenient, workers=0, progress=False)
    assert [row["status"] for row in rows] == ["ok", "ok"]
    assert "silent where they have no sound" in (out / SOURCE_FILE).read_text()
    with pytest.raises(DataError, match="silent where they have no sound"):
        extract_many([sound, silent], out, TINY, workers=0, progress=False)


def test_a_complete_video_is_ok_whatever_its_row_said(clips: Path, tmp_path: Path) -> None:
    videos = sorted((clips / "videos").glob("*.mp4"))[:1]
    extract_many(videos, tmp_path, TINY, workers=0, progress=False)
    row = {"id": videos[0].stem, "status": "failed", "notes": "KilledWorker"}
    write_rows(tmp_path / MANIFEST, COLUMNS, [row])
    rows = extract_many(videos, tmp_path, TINY, workers=0, progress=False)
    assert rows == [row | {"status": "ok", "notes": ""}] == read_rows(tmp_path / MANIFEST, COLUMNS)


NAMES = {
    b"not \xff utf-8": r"not \udcff utf-8",
    b"red \x1b[31m": r"red \x1b[31m",
    b"two\nlines": r"two\nlines",
    "turned \u202e back".encode(): r"turned \u202e back",
    "Übung \U0001f600 日本".encode(): "Übung \U0001f600 日本",
    b"x" * 237: "x" * 187 + "-",
    b"y" * 251: "y" * 187 + "-",
    "é".encode() * 125: "é" * 93 + "-",
}


def test_names_of_all_kinds_in_one_batch(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every video has its arrays and its row, under a name that can be printed and is not too long."""
    source = sorted((clips / "videos").glob("*.mp4"))[0]
    folder, out = tmp_path / "own", tmp_path / "feats"
    folder.mkdir()
    for name in NAMES:
        shutil.copy(source, os.path.join(os.fsencode(folder), name + b".mp4"))
    broken = os.path.join(os.fsencode(folder), b"broken \xff \x1b[2J.mp4")
    Path(os.fsdecode(broken)).write_bytes(b"no video")
    words = ["extract", str(folder), "--out", str(out), "--weights", "tiny", "--workers", "0"]
    assert main(words) == 1
    printed = capsys.readouterr()
    assert f"{len(NAMES)} ok, 1 refused" in printed.out
    assert "\x1b[2J" not in printed.out
    assert r"broken \udcff \x1b[2J" in printed.out
    rows = {row["id"]: row["status"] for row in read_rows(out / MANIFEST, COLUMNS)}
    done = [name for name, status in rows.items() if status == "ok"]
    assert len(done) == len(NAMES)
    for expected in NAMES.values():
        (name,) = [name for name in done if name.startswith(expected)]
        assert all(path.is_file() for path in feature_paths(out, name).values())
    assert main(words) == 1
    assert {row["id"]: row["status"] for row in read_rows(out / MANIFEST, COLUMNS)} == rows


def test_two_runs_on_one_scheduler_share_no_result(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run's keys are held by another client; the second, of another recipe, does its own work."""
    from distributed import Client, Future, LocalCluster, wait

    video, submit, keys = sorted((clips / "videos").glob("*.mp4"))[0], Client.submit, []
    options = {"processes": False, "protocol": "tcp", "host": "127.0.0.1", "dashboard_address": ":0"}

    def noted(self: Client, *args: Any, **kwargs: Any) -> Future:
        future = submit(self, *args, **kwargs)
        keys.append(future.key)
        return future

    with LocalCluster(n_workers=1, threads_per_worker=1, **options) as cluster, Client(cluster) as holder:

        def run(out: Path, start: float) -> np.ndarray:
            recipe, address = replace(TINY, start=start), cluster.scheduler_address
            extract_many([video], out, recipe, scheduler=address, progress=False)
            return np.load(out / "vggish" / f"{video.stem}.npy")

        with monkeypatch.context() as patch:
            patch.setattr(Client, "submit", noted)
            first = run(tmp_path / "a", 0.0)
        assert len(keys) == 1
        held = [holder.submit(dict, id=video.stem, status="ok", notes="", key=key) for key in keys]
        wait(held)
        assert (run(tmp_path / "b", 3.0) != first).any()


def test_a_lost_worker_loses_no_video(clips: Path, tmp_path: Path) -> None:
    """On a running cluster, one of two workers is killed once the first arrays are there."""
    from distributed import Client, LocalCluster

    videos = sorted((clips / "videos").glob("*.mp4"))
    with (
        closing(
            LocalCluster(
                n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
            )
        ) as cluster,
        closing(Client(cluster)) as client,
    ):
        pids = client.run(os.getpid)
        victim = next(iter(pids.values()))
        over = threading.Event()

        def kill() -> None:
            while not list(tmp_path.rglob("*.npy")):
                if over.wait(0.01):
                    return
            os.kill(victim, signal.SIGKILL)

        thread = threading.Thread(target=kill, daemon=True)
        thread.start()
        rows = extract_many(videos, tmp_path, TINY, scheduler=cluster.scheduler_address, progress=False)
        over.set()
        thread.join()
    assert [row["status"] for row in rows] == ["ok"] * 6
    assert all(is_done(tmp_path, video_id(path)) for path in videos)
    network = load_networks("tiny")
    expected = extract_video(videos[0], network)
    np.testing.assert_array_equal(np.load(tmp_path / "vggish" / f"{videos[0].stem}.npy"), expected.audio)
