"""A second run into one folder, at another time or at the same: what is done is known by its content."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cmpie_lite.errors import WriteError
from cmpie_lite.support.turns import at_work
from data_fetch.extract import videos as batch
from data_fetch.extract.media import open_media
from data_fetch.extract.video import (
    VideoFeatures,
)
from data_fetch.extract.videos import COLUMNS, MANIFEST, extract_many
from data_fetch.extract.weights import load_networks
from data_fetch.tables import read_rows
from tests.making_media import TINY


def extract_here(videos: list[Path], out: Path, **options: Any) -> list[dict[str, str]]:
    return extract_many(videos, out, replace(TINY, **options), workers=0, progress=False)


def arrays_of(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.npy"))}


def test_what_is_done_is_known_by_its_content(clips: Path, tmp_path: Path) -> None:
    """A/ID_68_78.mp4, then B/ID_119_129.mp4: two clips of one id. The same clip elsewhere is the same."""
    first, second = sorted((clips / "videos").glob("*.mp4"))[:2]
    names = ("a/BjCEufrlXm4_68_78.mp4", "b/BjCEufrlXm4_119_129.mp4", "c/BjCEufrlXm4.mp4")
    copies = [tmp_path / name for name in names]
    for copy, original in zip(copies, (first, second, first), strict=True):
        copy.parent.mkdir()
        shutil.copy(original, copy)
    out = tmp_path / "feats"
    assert extract_here(copies[:1], out)[0]["status"] == "ok"
    before = arrays_of(out)
    row = extract_here(copies[1:2], out)[0]
    assert row["status"] == "refused"
    assert re.search(r"b/BjCEufrlXm4_119_129\.mp4: .*feats has arrays of BjCEufrlXm4.*--out", row["notes"])
    assert arrays_of(out) == before
    assert extract_here(copies[2:], out)[0]["status"] == "ok"
    (out / "made_of" / "BjCEufrlXm4.txt").unlink()
    assert "nothing says of which file" in extract_here(copies[:1], out)[0]["notes"]


def test_two_clips_of_one_id_at_the_same_time(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run comes and ends between the first one's look and its writing."""
    first, second = (shutil.copytree(clips / "videos", tmp_path / name) / "one.mp4" for name in "ab")
    videos = sorted((clips / "videos").glob("*.mp4"))
    shutil.copy(videos[0], first)
    shutil.copy(videos[1], second)
    out, whole, later = tmp_path / "feats", batch.extract_video, []

    def extract_video(path: Path, *arguments: Any, **options: Any) -> VideoFeatures:
        features = whole(path, *arguments, **options)
        if path == first:
            later.append(extract_here([second], out)[0]["status"])
        return features

    monkeypatch.setattr(batch, "extract_video", extract_video)
    assert (extract_here([first], out)[0]["status"], later) == ("refused", ["ok"])
    expected = extract_video(second, load_networks("tiny"))
    np.testing.assert_array_equal(np.load(out / "vggish" / "one.npy"), expected.audio)
    assert read_rows(out / MANIFEST, COLUMNS)[0]["status"] == "refused", "the last to end has the last word"


def test_two_runs_into_one_folder_keep_all_rows(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second run, of other videos, comes and ends while the first is at work."""
    videos, whole, ran = sorted((clips / "videos").glob("*.mp4")), batch.extract_video, []

    def extract_video(path: Path, *arguments: Any, **options: Any) -> VideoFeatures:
        if not ran:
            ran.append(path)
            extract_here(videos[3:], tmp_path)
        return whole(path, *arguments, **options)

    monkeypatch.setattr(batch, "extract_video", extract_video)
    extract_here(videos[:3], tmp_path)
    rows = read_rows(tmp_path / MANIFEST, COLUMNS)
    assert [(row["id"], row["status"]) for row in rows] == [(video.stem, "ok") for video in videos]


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", None])
def test_an_array_that_was_emptied_is_made_again(clips: Path, tmp_path: Path, content: bytes | None) -> None:
    videos = sorted((clips / "videos").glob("*.mp4"))[:1]
    extract_here(videos, tmp_path)
    before = arrays_of(tmp_path)
    path = tmp_path / "res152" / f"{videos[0].stem}.npy"
    path.write_bytes(path.read_bytes()[:-1] if content is None else content)
    assert extract_here(videos, tmp_path)[0]["status"] == "ok"
    assert arrays_of(tmp_path) == before


def test_a_full_disk_is_said_to_be_full(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an array that is being written, and of a clip that is being cut: no fault of what is read."""
    video, really = min((clips / "videos").glob("*.mp4")), Path.write_bytes

    def write_bytes(path: Path, content: bytes) -> int:
        if ".npy" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return really(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_bytes)
        (row,) = extract_here([video], tmp_path)
    assert row["status"] == "failed"
    assert f"{video.stem}.npy: cannot be written (No space left on device" in row["notes"]
    assert "Make room, and run again" in row["notes"]
    assert extract_here([video], tmp_path)[0]["status"] == "ok"
    with pytest.raises(OSError, match="No space left"), open_media(video):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_others_can_know_that_it_is_at_work(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, seen = batch.extract_video, []

    def extract_video(*arguments: Any, **words: Any) -> VideoFeatures:
        seen.append(at_work(tmp_path))
        return whole(*arguments, **words)

    monkeypatch.setattr(batch, "extract_video", extract_video)
    extract_here(sorted((clips / "videos").glob("*.mp4"))[:2], tmp_path)
    assert seen == [True, True]
    assert not at_work(tmp_path)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("allocate", [np.empty, torch.empty])
def test_full_memory_is_no_fault_of_the_video_nor_of_the_next(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allocate: Callable[[int], Any]
) -> None:
    first, second, *_ = sorted((clips / "videos").glob("*.mp4"))
    whole = batch.extract_video

    def extract_video(path: Path, *arguments: Any, **words: Any) -> VideoFeatures:
        if path == first:
            with open_media(path):
                allocate(2**50)
        return whole(path, *arguments, **words)

    monkeypatch.setattr(batch, "extract_video", extract_video)
    failed, done = extract_here([first, second], tmp_path)
    assert failed["status"] == "failed"
    assert "memory is full" in failed["notes"]
    assert done["status"] == "ok"


def test_an_error_of_writing_costs_only_its_own_video(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos, whole = sorted((clips / "videos").glob("*.mp4"))[:3], batch.write_features

    def write_features(out: Path, name: str, *arguments: Any) -> None:
        if name == videos[0].stem:
            raise WriteError(f"{name}: cannot be written (Input/output error).")
        whole(out, name, *arguments)

    monkeypatch.setattr(batch, "write_features", write_features)
    rows = extract_here(videos, tmp_path)
    assert [row["status"] for row in rows] == ["failed", "ok", "ok"]
    assert "WriteError: render00000: cannot be written" in rows[0]["notes"]
    monkeypatch.undo()
    assert [row["status"] for row in extract_here(videos, tmp_path)] == ["ok"] * 3
