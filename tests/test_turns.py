"""Two at work in one folder: the second waits, says so and goes on, or reads with a sentence."""

from __future__ import annotations

import builtins
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from cmpie_lite.data.store import FeatureStore
from cmpie_lite.experiments import run_many, run_one
from cmpie_lite.experiments.settings import run_folder
from cmpie_lite.support.files import WORK, check_writable
from cmpie_lite.support.locks import LockError, hold
from cmpie_lite.support.turns import beside_others, one_at_a_time, taking_turns
from data_fetch.__main__ import main
from data_fetch.extract import videos as batch
from data_fetch.fetch import features, videos
from data_fetch.render import clips
from tests.making_archives import fetch, make_zip, members
from tests.making_runs import a_job

Block = Callable[[Path], AbstractContextManager[None]]


def test_the_second_waits_says_so_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said, inside = threading.Event(), threading.Event()
    lines: list[str] = []
    monkeypatch.setattr(builtins, "print", lambda line, **_: (lines.append(line), said.set()))

    def second() -> None:
        with one_at_a_time(tmp_path):
            inside.set()

    with one_at_a_time(tmp_path):
        other = threading.Thread(target=second)
        other.start()
        assert said.wait(60)
        assert not inside.is_set()
    other.join(60)
    assert inside.is_set()
    assert lines == [
        f"{tmp_path}: another process is at work there: waiting for its end, to go on from there."
    ]
    assert os.listdir(tmp_path) == []


def test_a_disk_without_locks_lets_both_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with one_at_a_time(tmp_path), one_at_a_time(tmp_path):
        pass
    with pytest.raises(LockError, match="no locks on files"), taking_turns(tmp_path):
        pytest.fail("what is read and written anew would be lost")


class Reached(Exception):
    """The work has begun."""


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Path], None]]:
    """Let a function of the name, where the work begins, see that this folder is locked, and end there."""

    def watch(name: str, folder: Path) -> None:
        def work(*_: Any, **__: Any) -> None:
            assert hold(folder / WORK, wait=False) is None
            assert (folder / WORK).exists()
            raise Reached

        monkeypatch.setattr(name, work)

    return watch


def test_two_do_not_train_one_run(
    tmp_path: Path, store: FeatureStore, held: Callable[[str, Path], None]
) -> None:
    job = a_job(tmp_path)
    held("cmpie_lite.experiments.run_one.train", run_folder(job, store, 1))
    with pytest.raises(Reached):
        run_one.run_experiment(job, store)
    for folder in (run_folder(job, store, 1), run_folder(job, store, 1).parent):
        held("cmpie_lite.experiments.run_many.train_seeds", folder)
        with pytest.raises(Reached):
            run_many.run_seeds([job], store)


def test_who_waited_for_all_seeds_reads_what_is_there(
    tmp_path: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = a_job(tmp_path)
    (first,) = run_many.run_seeds([job], store)
    monkeypatch.setattr(run_many, "train_seeds", lambda *_, **__: pytest.fail("it was trained again"))
    assert run_many.run_seeds([job], store) == [first]


def test_two_do_not_unpack_fetch_or_render_into_one_folder(
    tmp_path: Path, held: Callable[[str, Path], None]
) -> None:
    (tmp_path / "a.zip").write_bytes(make_zip(members()))
    held("data_fetch.fetch.features.extract_features", tmp_path / "feats")
    with pytest.raises(Reached):
        fetch(tmp_path / "feats", sources=[tmp_path / "a.zip"])
    held("data_fetch.fetch.features._download", tmp_path / "feats")
    with pytest.raises(Reached):
        fetch(tmp_path / "feats")
    assert features.ARCHIVE not in os.listdir(tmp_path / "feats")
    held("data_fetch.fetch.videos._fetch_one", tmp_path / "raw")
    with pytest.raises(Reached):
        videos.fetch_videos(
            ["a" * 11 + "_1_11"], tmp_path / "raw", download=lambda *_: tmp_path, progress=False
        )
    held("data_fetch.render.clips.render_clip", tmp_path / "clips")
    with pytest.raises(Reached):
        clips.render_set(tmp_path / "clips", {"train": 1, "val": 1, "test": 1}, size=32, progress=False)


def test_long_work_may_ask_for_a_place_twice(tmp_path: Path) -> None:
    check_writable(tmp_path / "out", "a.json")
    check_writable(tmp_path / "out", "a.json")
    assert os.listdir(tmp_path / "out") == []


def test_what_another_command_still_adds_to_is_read_with_a_sentence(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`extract` beside `videos` or `render`, `pack` beside `features`: what comes later is not taken."""
    monkeypatch.setattr(batch, "extract_many", lambda *_, **__: [])
    words = ["extract", str(videos), "--out", str(tmp_path / "out"), "--weights", "tiny"]
    for busy in (videos, videos.parent):
        with one_at_a_time(busy):
            assert main(words) == 0
        assert f"{videos}: another process is at work there: what it adds" in capsys.readouterr().out
    assert main(words) == 0
    assert "another process" not in capsys.readouterr().out
    feats = tmp_path / "feats"
    for work in (one_at_a_time, beside_others):  # as `features`, as `extract`
        for given in (feats, feats.parent):
            for words in (["pack", str(given), "--annotations"], ["features", "--from", str(given), "--out"]):
                with work(feats):
                    assert main([*words, str(tmp_path)]) == 2
                assert f"{feats}: another process is at work there" in capsys.readouterr().out
