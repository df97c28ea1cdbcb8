"""From a file to official arrays: one video, the recipe, the command line from clips to a store."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmpie_lite.errors import DataError
from data_fetch.__main__ import main
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
from data_fetch.extract.weights import Networks, load_networks
from data_fetch.layout import LAYOUT
from tests.video_files import numbered, tone, write_video


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


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": -1}, r"seed = -1, expected 0 to 2\*\*63"),
        ({"seed": 2**63}, "seed = 9223372036854775808"),
        ({"batch_size": 0}, "batch_size = 0, expected 1 to 10000 frames"),
        ({"start": -0.5}, "start = -0.5, expected seconds >= 0"),
        ({"start": float("nan")}, "start = nan"),
        ({"threads": -1}, "threads = -1"),
        *(
            ({"device": name}, "expected auto, cpu, cuda")
            for name in ("hpu", "meta", "cpu:1", "privateuseone")
        ),
    ],
)
def test_recipes_refuse_what_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ExtractionRecipe(**wrong)


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
    assert made.startswith("rendered clips with pictures of seed 0")
    assert store.source == f"{made}, RANDOM extractors (tiny, seed 0)"
    others = shutil.copytree(clips / "videos", tmp_path / "others")  # as if of another seed
    (others / "source.txt").write_text(made.replace("seed 0", "seed 1"))
    assert main(["extract", str(others), *extract[2:]]) == 2
    assert "holds 'rendered clips with pictures of seed 0" in capsys.readouterr().err
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
