"""The knobs of LLP-sim: at their defaults today's bytes; each does what it says and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmpie_lite.data.llp_sim import FULL, SIZES, SMALL, SimConfig, simulate, simulate_features
from cmpie_lite.data.llp_sim_labels import simulate_dense, simulate_weak, video_generator
from cmpie_lite.data.llp_sim_latents import LATENT_DIM, remembered, spoilt_segments, video_latents
from cmpie_lite.errors import ConfigError
from cmpie_lite.labels import CLASS_INDEX
from cmpie_lite.support.fields import override

IDS = [f"knob{i:07d}" for i in range(2000)]
FEW = IDS[:40]
EMPTY = np.zeros((10, 25), bool)
QUIET = replace(
    SMALL, ghost=0.0, distractor=0.0, leak=0.0, audio_faint=0.0, visual_faint=0.0, gain_spread=0.0
)


def some_rolls(ids: list[str], **knobs: Any) -> tuple[np.ndarray, np.ndarray]:
    return simulate_dense(ids, simulate_weak(ids, "eval", 0), 0, **knobs)


def latents(video: str, config: SimConfig, audio: np.ndarray = EMPTY, visual: np.ndarray = EMPTY) -> Any:
    rng = video_generator(config.seed, "features", video)
    return video_latents(rng, video, {"audio": audio, "visual": visual}, config)


def present(name: str, first: int = 0, last: int = 10) -> np.ndarray:
    roll = EMPTY.copy()
    roll[first:last, CLASS_INDEX[name]] = True
    return roll


# --- defaults ---


def test_the_presets_have_the_bytes_that_stored_results_were_measured_on() -> None:
    known = {
        "smoke": "4b3be7b820c7994b4d308d0a31caf394f3ae9e14a59a2983016c05843b6266b6",
        "small": "a29c668d9b3217f86f0a5915649e846a1a7394e45f12d53aee33bc65f961ac46",
    }
    assert {name: simulate(SIZES[name]).digest for name in known} == known


def test_the_full_presets_first_videos_have_theirs() -> None:
    few = simulate(replace(FULL, num_train=12, num_val=4, num_test=4))
    assert few.digest == "d8aae4e0d186016a94bc4c2e7c81f07f9f3e1c26b4e5dc935ff4834f309e548b"


@pytest.mark.parametrize(
    "change",
    [
        {"place": 0.0},
        {"heard_only": 0.0},
        {"label_noise": 0.5},
        {"corrupt": 0.3},
        {"shared": 0.5},
        {"private": 0.0},
        {"background_memory": 0.5},
        {"noise_memory": 0.5},
    ],
)
def test_every_knob_turns_something(change: dict[str, Any]) -> None:
    tiny = SimConfig(num_train=12, num_val=2, num_test=2)
    assert simulate(override(tiny, change)).digest != simulate(tiny).digest


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    share=st.floats(0, 1),
    kind=st.sampled_from(["noise", "gap"]),
    heard=st.none() | st.floats(0, 1),
    memory=st.floats(0, 1),
    video=st.text("abcdefg", min_size=11, max_size=11),
)
def test_any_setting_gives_whole_features_of_the_video_alone(
    share: float, kind: Any, heard: float | None, memory: float, video: str
) -> None:
    """Finite, on the grid, not negative; labels are the union of the rolls; other videos change nothing."""
    knobs = {"corrupt": share, "shared": share, "private": share, "place": share}
    config = replace(
        SMALL, **knobs, corrupt_kind=kind, heard_only=heard, background_memory=memory, noise_memory=1 - memory
    )
    ids = ["another_one", video]
    weak = simulate_weak(ids, "eval", 0)
    rolls = simulate_dense(ids, weak, 0, place=share, heard_only=heard)
    np.testing.assert_array_equal((rolls[0] | rolls[1]).any(1), weak)
    features = simulate_features(ids, *rolls, config)
    alone = simulate_features(ids[1:], rolls[0][1:], rolls[1][1:], config)
    for whole, part in zip(features, alone, strict=True):
        assert np.isfinite(whole).all()
        assert (whole >= 0).all()
        np.testing.assert_array_equal(whole * 1024, np.rint(whole * 1024))
        np.testing.assert_array_equal(whole[1:], part)


# --- latents ---


def test_spoilt_segments_are_a_share_of_each_modality_and_only_they_change() -> None:
    assert not spoilt_segments(IDS[:100], SMALL).any()
    config = replace(SMALL, corrupt=0.3)
    spoilt = spoilt_segments(IDS, config)
    np.testing.assert_allclose(spoilt.mean((0, 2)), 0.3, atol=0.02)
    assert (spoilt[:, 0] & spoilt[:, 1]).mean() == pytest.approx(0.09, abs=0.02)
    rolls = some_rolls(FEW)
    clean = simulate_features(FEW, *rolls, SMALL)
    for kind in ("noise", "gap"):
        found = simulate_features(FEW, *rolls, replace(config, corrupt_kind=kind))
        for before, after, modality in zip(clean, found, (0, 1, 1), strict=True):
            changed = (before != after).any(2)
            np.testing.assert_array_equal(changed, spoilt[: len(FEW), modality])


def test_spoilt_segments_are_noisier_and_gaps_hold_nothing() -> None:
    config = replace(SMALL, corrupt=0.5)
    spoilt = spoilt_segments(FEW, config)[:, 0]
    noise = np.stack([latents(v, config)["vggish"] - latents(v, SMALL)["vggish"] for v in FEW])
    assert noise[spoilt].std() == pytest.approx(2.0, abs=0.1)  # three times the noise, less the noise itself
    gaps = simulate_features(FEW, *some_rolls(FEW), replace(config, corrupt_kind="gap"))
    assert gaps.audio[spoilt].max() < 6 * config.feature_noise < gaps.audio[~spoilt].mean() + 0.3
    assert gaps.audio[spoilt].mean() < 0.5 * config.feature_noise


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_shared_is_the_share_of_evidence_that_both_modalities_have(share: float) -> None:
    config = replace(QUIET, shared=share, audio_signal=10.0, visual_signal=10.0)
    dog = present("Dog", 3, 6)
    cosines = []
    for video in FEW:
        with_dog, without = latents(video, config, dog, dog), latents(video, config)
        heard, seen = (with_dog[e][4] - without[e][4] for e in ("vggish", "res152"))
        assert np.linalg.norm(heard) == pytest.approx(10.0, rel=0.3)  # the strength stays about what it was
        cosines.append(heard @ seen / np.linalg.norm(heard) / np.linalg.norm(seen))
    own = cosines if share else [0.0]
    assert np.mean(cosines) == pytest.approx(share, abs=0.15)
    assert np.std(own) < 0.2
    assert not np.allclose(latents(FEW[0], config)["vggish"], latents(FEW[1], config)["vggish"])


def test_private_latents_differ_between_the_visual_encoders_alone() -> None:
    rolls = [present("Dog"), present("Cat", 2, 5)]
    same, own = (latents(FEW[0], replace(SMALL, private=p), *rolls) for p in (0.0, 0.5))
    np.testing.assert_array_equal(same["res152"], same["r2plus1d_18"])
    np.testing.assert_array_equal(same["vggish"], own["vggish"])
    pairs = [latents(video, replace(QUIET, private=0.5)) for video in IDS[:200]]
    flat, moving = (np.concatenate([pair[e].ravel() for pair in pairs]) for e in ("res152", "r2plus1d_18"))
    assert np.corrcoef(flat, moving)[0, 1] == pytest.approx(0.5, abs=0.03)
    assert flat.std() == pytest.approx(np.sqrt(2), abs=0.05)  # background and noise, one each, as before


@given(memory=st.floats(0, 1))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_remembered_has_unit_variance_and_the_given_correlation(memory: float) -> None:
    steps = np.random.default_rng(0).standard_normal((10, 4000))
    found = remembered(steps, memory)
    by_hand = [steps[0]]
    for step in steps[1:]:
        by_hand.append(memory * by_hand[-1] + np.sqrt(1 - memory**2) * step)
    np.testing.assert_allclose(found, by_hand, atol=1e-9)
    np.testing.assert_allclose(found.std(1), 1.0, atol=0.06)


def test_the_background_drifts_and_noise_lasts_as_their_knobs_say() -> None:
    def correlation(lag: int, **knobs: float) -> float:
        config = replace(QUIET, **knobs)
        z = np.stack([latents(video, config)["vggish"] for video in IDS[:100]])
        assert z.shape == (100, 10, LATENT_DIM)
        return float(np.corrcoef(z[:, lag:].ravel(), z[:, : 10 - lag].ravel())[0, 1])

    assert correlation(5, segment_noise=0.0) == pytest.approx(1.0)
    assert correlation(1, segment_noise=0.0, background_memory=0.7) == pytest.approx(0.7, abs=0.03)
    assert correlation(2, segment_noise=0.0, background_memory=0.7) == pytest.approx(0.49, abs=0.03)
    assert correlation(1) == pytest.approx(0.5, abs=0.03)  # constant background, white noise, one each
    assert correlation(1, noise_memory=0.8) == pytest.approx(0.9, abs=0.03)


# --- refusals ---


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("corrupt", 1.2, r"SimConfig.corrupt = 1.2, expected a number in \[0, 1\]"),
        ("corrupt_kind", "blur", "SimConfig.corrupt_kind = 'blur', expected one of 'noise', 'gap'"),
        ("place", -0.1, r"SimConfig.place = -0.1, expected a number in \[0, 1\]"),
        ("shared", float("nan"), "SimConfig.shared = nan, expected a number"),
        ("private", "half", "SimConfig.private = 'half', expected a number"),
        ("label_noise", True, "SimConfig.label_noise = True, expected a number"),
        ("background_memory", 2.0, r"SimConfig.background_memory = 2.0, expected a number in \[0, 1\]"),
        ("noise_memory", -1.0, r"SimConfig.noise_memory = -1.0, expected a number in \[0, 1\]"),
        ("heard_only", 1.5, r"SimConfig.heard_only = 1.5, expected a number in \[0, 1\], or None"),
        ("heard_only", "some", "SimConfig.heard_only = 'some', expected a number"),
        ("corupt", 0.2, "SimConfig has no field 'corupt'. Did you mean 'corrupt'"),
    ],
)
def test_bad_knobs_are_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(SimConfig(), {field: value})
