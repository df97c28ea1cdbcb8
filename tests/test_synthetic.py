"""LLP-sim: the same bytes for the same seed, LLP's label habits, features that belong to a video alone."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cmpie_lite.data.llp_sim import FULL, SMALL, SimConfig, simulate, simulate_features, simulate_split
from cmpie_lite.data.llp_sim_labels import simulate_dense, simulate_weak
from cmpie_lite.data.trainable import check_trainable
from cmpie_lite.errors import ConfigError, DataError
from cmpie_lite.labels import CLASS_INDEX
from cmpie_lite.support.fields import override
from tests.making import write_official_layout

TINY = SimConfig(num_train=12, num_val=4, num_test=6)
IDS = [f"sim{i:08d}" for i in range(4000)]


# --- determinism ---


def test_same_config_same_bytes_on_any_thread_count() -> None:
    torch.set_num_threads(2)
    first = simulate(TINY)
    torch.set_num_threads(1)
    assert simulate(replace(TINY)).digest == first.digest
    assert first.source == "LLP-sim"
    assert first.creation["simulator"]["seed"] == TINY.seed


@pytest.mark.parametrize("change", [{"seed": 1}, {"audio_signal": 3.0}, {"visual_faint": 0.9}, {"leak": 0.0}])
def test_another_config_gives_other_data(change: dict[str, Any]) -> None:
    assert simulate(override(TINY, change)).digest != simulate(TINY).digest


def test_no_global_random_state_is_read_or_touched() -> None:
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    random.seed(5)
    first = simulate(TINY).digest
    after = np.random.random(), torch.rand(()).item(), random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    random.seed(5)
    assert after == (np.random.random(), torch.rand(()).item(), random.random())  # noqa: NPY002
    np.random.seed(6)  # noqa: NPY002
    torch.manual_seed(6)
    assert simulate(TINY).digest == first


def test_a_video_does_not_depend_on_the_others() -> None:
    ids = IDS[:8]
    weak = simulate_weak(ids, "eval", 0)
    audio, visual = simulate_dense(ids, weak, 0)
    features = simulate_features(ids, audio, visual, SMALL)
    order = [5, 2, 7]
    some = [ids[i] for i in order]
    np.testing.assert_array_equal(simulate_weak(some, "eval", 0), weak[order])
    for whole, part in zip((audio, visual), simulate_dense(some, weak[order], 0), strict=True):
        np.testing.assert_array_equal(part, whole[order])
    for whole, part in zip(
        features, simulate_features(some, audio[order], visual[order], SMALL), strict=True
    ):
        np.testing.assert_array_equal(part, whole[order])


def test_features_follow_the_rolls_of_their_modality() -> None:
    empty = np.zeros((1, 10, 25), bool)
    dog = empty.copy()
    dog[0, 3:6, CLASS_INDEX["Dog"]] = True
    config = replace(SMALL, ghost=0.0, audio_faint=0.0, leak=0.0)
    silent = simulate_features(IDS[:1], empty, empty, config)
    heard = simulate_features(IDS[:1], dog, empty, config)
    changed = (heard.audio != silent.audio).any(axis=(0, 2))
    assert changed.tolist() == dog.any(axis=(0, 2)).tolist()
    np.testing.assert_array_equal(heard.visual_2d, silent.visual_2d)


# --- shapes and values ---


@pytest.mark.parametrize(("name", "count"), [("train", 12), ("val", 4), ("test", 6)])
def test_splits(name: Any, count: int) -> None:
    split = simulate_split(name, TINY)
    assert len(split) == count == len({i[:11] for i in split.ids})
    for x in (split.audio, split.visual_2d, split.visual_3d):
        assert x.dtype == torch.float32
        assert torch.isfinite(x).all()
        assert x.min() >= 0
        assert 0.1 < x.mean() < 1.5
    if name == "train":
        assert split.dense_audio is None
        assert split.dense_visual is None
    else:
        assert split.dense_audio is not None
        assert split.dense_visual is not None
        assert torch.equal((split.dense_audio | split.dense_visual).any(1), split.weak)


def test_every_class_can_be_trained_in_both_presets() -> None:
    for config in (SMALL, FULL):
        ids = [f"tr_s{i:07d}_0_10" for i in range(config.num_train)]
        assert simulate_weak(ids, "train", config.seed).any(0).all()
    check_trainable(simulate_split("train", replace(SMALL, num_val=1, num_test=1)))


# --- the official layout ---


def test_official_layout_keeps_segments_exactly(tmp_path: Path) -> None:
    ids = ["4YdbENYcIyE_23_33", "KSRjje7GH44_60_70"]
    weak = simulate_weak(ids, "eval", 0)
    features = simulate_features(ids, *simulate_dense(ids, weak, 0), SMALL)
    write_official_layout(tmp_path, ids, features)
    for n, name in enumerate(("4YdbENYcIyE", "KSRjje7GH44")):
        audio, frames, visual_3d = (
            np.load(tmp_path / "feats" / kind / f"{name}.npy") for kind in ("vggish", "res152", "r2plus1d_18")
        )
        np.testing.assert_array_equal(audio, features.audio[n])
        np.testing.assert_array_equal(visual_3d, features.visual_3d[n])
        assert frames.shape == (80, 2048)
        assert frames.dtype == np.float32
        assert frames.min() >= 0
        np.testing.assert_array_equal(frames.reshape(10, 8, 2048).mean(1), features.visual_2d[n])
        np.testing.assert_array_equal(
            torch.from_numpy(frames).view(10, 8, 2048).mean(1).numpy(), features.visual_2d[n]
        )
        assert (frames.reshape(10, 8, 2048).std(1) > 0).mean() > 0.5  # frames differ


# --- refusals ---


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("num_train", 0, r"SimConfig.num_train = 0, expected an integer in \[1"),
        ("num_val", 1.5, r"SimConfig.num_val = 1.5, expected a value of type int"),
        ("seed", -1, r"SimConfig.seed = -1, expected an integer in \[0"),
        ("ghost", 1.5, r"SimConfig.ghost = 1.5, expected a number in \[0, 1\]"),
        ("audio_signal", float("nan"), r"SimConfig.audio_signal = nan, expected a number"),
        ("visual_signal", -2.0, r"SimConfig.visual_signal = -2.0, expected a number in \[0, 100\]"),
        ("leak", "much", r"SimConfig.leak = 'much', expected a number"),
    ],
)
def test_bad_configs_are_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(SimConfig(), {field: value})


def test_bad_ids_and_rolls_are_refused() -> None:
    rolls = np.zeros((2, 10, 25), bool)
    with pytest.raises(DataError, match=r"first 11 characters.*'aaaaaaaaaaa_0_10' came before"):
        simulate_features(["aaaaaaaaaaa_0_10", "aaaaaaaaaaa_5_15"], rolls, rolls, SMALL)
    with pytest.raises(DataError, match=r"id 'short'.*shorter"):
        simulate_features(["short", "aaaaaaaaaaa"], rolls, rolls, SMALL)
    with pytest.raises(DataError, match=r"visual rolls are bool \(2, 25, 10\), expected bool \(2, 10, 25\)"):
        simulate_features(["aaaaaaaaaaa", "bbbbbbbbbbb"], rolls, rolls.swapaxes(1, 2), SMALL)
    with pytest.raises(DataError, match="audio rolls are float64"):
        simulate_features(["aaaaaaaaaaa", "bbbbbbbbbbb"], rolls.astype(float), rolls, SMALL)
