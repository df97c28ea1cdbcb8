"""From files to official arrays: one video, many on Dask, a second run, a lost worker, the command line."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cmpie_lite.errors import DataError, WriteError
from cmpie_lite.support import workers
from data_fetch.__main__ import main
from data_fetch.extract import videos as batch
from data_fetch.extract.recipe import ExtractionRecipe
from data_fetch.extract.results import feature_paths, is_done, video_id, write_features
from data_fetch.extract.video import (
    Clip,
    VideoFeatures,
    audio_features,
    extract_video,
    read_clip,
    visual_2d_features,
    visual_3d_features,
)
from data_fetch.extract.videos import COLUMNS, MANIFEST, extract_many
from data_fetch.extract.weights import Networks, load_networks
from data_fetch.layout import LAYOUT, SOURCE_FILE
from data_fetch.render.clips import render_set
from data_fetch.tables import read_rows, write_rows
from tests.video_files import numbered, tone, write_video

TINY = ExtractionRecipe(weights="tiny", threads=1)


@pytest.fixture(scope="module")
def tiny() -> Networks:
    return load_networks("tiny")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six rendered clips and their annotations."""
    out = tmp_path_factory.mktemp("rendered")
    render_set(out, {"train": 2, "val": 2, "test": 2}, size=32, fps=10.0, progress=False)
    return out


def check_features(features: VideoFeatures) -> None:
    for array, shape in zip(
        (features.audio, features.visual_2d, features.visual_3d), LAYOUT.values(), strict=True
    ):
        assert array.shape == shape
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
        assert array.min() >= 0.0, "each network ends in a ReLU or an average of ReLUs"
        assert array.std() > 0.0


@pytest.mark.shared
def test_the_authors_sample_clip(shared: Path, tiny: Networks) -> None:
    path = shared / "llp" / "BjCEufrlXm4.mp4"
    features = extract_video(path, tiny)
    check_features(features)
    assert features.notes == ()
    again = extract_video(path, tiny, batch_size=7)
    for name in ("audio", "visual_2d", "visual_3d"):
        np.testing.assert_allclose(getattr(features, name), getattr(again, name), rtol=1e-5, atol=1e-6)


@pytest.mark.shared
@pytest.mark.timeout(900)
def test_the_real_networks_on_the_sample_clip(shared: Path) -> None:
    """VGGish, ResNet-152 and R(2+1)D-18 in full size with seeded random weights, on second 0."""
    networks = load_networks("random", seed=3)
    whole = read_clip(shared / "llp" / "BjCEufrlXm4.mp4")
    clip = Clip(whole.cropped[:2], whole.squashed[:8], whole.waveform[:16_000], ())
    (audio,), (visual_2d,) = audio_features([clip], networks), visual_2d_features([clip], networks, 2)
    (visual_3d,) = visual_3d_features([clip], networks)
    for array, shape in ((audio, (1, 128)), (visual_2d, (2, 2048)), (visual_3d, (1, 512))):
        assert array.shape == shape
        assert array.dtype == np.float32
        assert array.min() >= 0.0
        assert 0.0 < array.max() < 1e4
    np.testing.assert_array_equal(audio, audio_features([clip], networks)[0])
    (alone,) = visual_2d_features([Clip(clip.cropped[1:], clip.squashed, clip.waveform, ())], networks)
    np.testing.assert_allclose(alone[0], visual_2d[1], rtol=1e-4, atol=1e-4)


def test_segments_are_where_they_should_be(tmp_path: Path, tiny: Networks) -> None:
    """A change in second 6 of picture and sound changes row 6, and rows 48 to 55, and nothing else."""
    frames, sound = [numbered(3)] * 80, tone(10)
    before = extract_video(write_video(tmp_path / "a.mkv", frames, 8.0, sound=sound, codec="ffv1"), tiny)
    changed = frames[:48] + [numbered(200)] * 8 + frames[56:]
    sound = sound.copy()
    sound[:, 96_000:112_000] //= 4
    after = extract_video(write_video(tmp_path / "b.mkv", changed, 8.0, sound=sound, codec="ffv1"), tiny)

    def rows(name: str) -> list[int]:
        return np.flatnonzero((getattr(before, name) != getattr(after, name)).any(axis=1)).tolist()

    assert rows("audio") == [6]
    assert rows("visual_2d") == list(range(48, 56))
    assert rows("visual_3d") == [6]


def test_layout_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    good = VideoFeatures(*(rng.random(shape, np.float32) for shape in LAYOUT.values()), notes=())
    write_features(tmp_path, "abc", good, tmp_path / "abc.mp4", "0" * 64)
    assert is_done(tmp_path, "abc")
    loaded = [np.load(path) for path in feature_paths(tmp_path, "abc").values()]
    for array, original in zip(loaded, (good.audio, good.visual_2d, good.visual_3d), strict=True):
        np.testing.assert_array_equal(array, original)
    bad = VideoFeatures(good.audio, good.visual_2d * np.float32(np.nan), good.visual_3d, ())
    with pytest.raises(DataError, match="not finite"):
        write_features(tmp_path, "other", bad, tmp_path / "other.mp4", "1" * 64)
    assert not is_done(tmp_path, "other")
    assert sorted(p.name for p in tmp_path.rglob("*.npy")) == ["abc.npy"] * 3
    assert video_id("x/BjCEufrlXm4_20_30.mp4") == video_id("BjCEufrlXm4.mkv") == "BjCEufrlXm4"
    assert video_id("my holiday_1_2.mp4") == "my holiday_1_2"


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
    (tmp_path / SOURCE_FILE).write_bytes(b"\xff\xfe")
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


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": -1}, r"seed = -1, expected 0 to 2\*\*63"),
        ({"seed": 2**63}, "seed = 9223372036854775808"),
        ({"batch_size": 0}, "batch_size = 0, expected at least one frame"),
        ({"start": -0.5}, "start = -0.5, expected seconds >= 0"),
        ({"start": float("nan")}, "start = nan"),
        ({"threads": -1}, "threads = -1"),
    ],
)
def test_recipes_refuse_what_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ExtractionRecipe(**wrong)


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


@pytest.mark.timeout(900)
def test_a_lost_worker_loses_no_video(clips: Path, tmp_path: Path) -> None:
    """On a running cluster, one of two workers is killed once the first arrays are there."""
    from distributed import Client, LocalCluster

    videos = sorted((clips / "videos").glob("*.mp4"))
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        pids = client.run(os.getpid)
        victim = next(iter(pids.values()))
        killed = threading.Event()

        def kill() -> None:
            while not list(tmp_path.rglob("*.npy")):
                time.sleep(0.01)
            os.kill(victim, signal.SIGKILL)
            killed.set()

        thread = threading.Thread(target=kill, daemon=True)
        thread.start()
        rows = extract_many(videos, tmp_path, TINY, scheduler=cluster.scheduler_address, progress=False)
        thread.join(10)
        assert killed.is_set()
    assert [row["status"] for row in rows] == ["ok"] * 6
    assert all(is_done(tmp_path, video_id(path)) for path in videos)
    network = load_networks("tiny")
    expected = extract_video(videos[0], network)
    np.testing.assert_array_equal(np.load(tmp_path / "vggish" / f"{videos[0].stem}.npy"), expected.audio)


def test_command_line_from_clips_to_store(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from cmpie_lite.data.store_files import open_store

    feats, packed = tmp_path / "feats", tmp_path / "packed"
    extract = ["extract", str(clips / "videos"), "--out", str(feats), "--weights", "tiny", "--workers", "0"]
    assert main(extract) == 0
    assert "WARNING: tiny extractors" in capsys.readouterr().out
    check = ["features", "--from", str(feats), "--annotations", str(clips / "annotations")]
    assert main(check) == 0
    assert "6 videos have all three arrays" in capsys.readouterr().out
    pack = ["pack", str(feats), "--annotations", str(clips / "annotations"), "--out", str(packed)]
    assert main(pack) == 0
    store = open_store(packed)
    made = (clips / "videos" / "source.txt").read_text().strip()
    assert made.startswith("rendered clips of seed 0")
    assert store.source == f"{made}, RANDOM extractors (tiny, seed 0)"
    others = shutil.copytree(clips / "videos", tmp_path / "others")  # as if of another seed
    (others / "source.txt").write_text(made.replace("seed 0", "seed 1"))
    assert main(["extract", str(others), *extract[2:]]) == 2
    assert "holds 'rendered clips of seed 0" in capsys.readouterr().err
    empty = [*extract[:3], str(tmp_path / "empty"), *extract[4:]]
    assert main([*empty[:1], str(tmp_path / "none.mp4"), *empty[2:]]) == 1  # a misspelt name
    assert main(empty) == 2
    assert "No such files are there yet: if none are on the way, source.txt may go" in capsys.readouterr().err
    (tmp_path / "empty" / "source.txt").unlink()
    assert main(empty) == 0
    assert store.test.ids == ("render60000_0_10", "render60001_0_10")
    assert (
        main(["extract", str(tmp_path / "none.mp4"), "--out", str(tmp_path / "x"), "--weights", "tiny"]) == 1
    )
    assert main(["extract", str(tmp_path / "packed"), "--out", str(feats)]) == 2
    assert "no videos given or found" in capsys.readouterr().err


def test_extracting_imports_no_model_and_no_training(clips: Path, tmp_path: Path) -> None:
    """In a process of its own, from the command to the arrays: only what the fetchers may know is loaded."""
    words = ["extract", str(clips / "videos"), "--out", str(tmp_path), "--weights", "tiny", "--workers", "0"]
    floors = ("model", "systems", "training", "results", "experiments", "notebook")
    code = f"""
import sys
from data_fetch.__main__ import main
assert main({words!r}) == 0
loaded = [m for m in sys.modules if m.startswith(tuple(f"cmpie_lite.{{floor}}" for floor in {floors!r}))]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert len(list(tmp_path.rglob("*.npy"))) == 18


def test_gpu_gives_the_cpus_features(clips: Path, tiny: Networks) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    video = sorted((clips / "videos").glob("*.mp4"))[0]
    there = extract_video(video, load_networks("tiny", "cuda"))
    np.testing.assert_allclose(there.visual_2d, extract_video(video, tiny).visual_2d, rtol=1e-3, atol=1e-3)
