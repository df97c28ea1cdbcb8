"""The labels of LLP-sim: LLP's habits, the knobs that bend them, the table that rolls are drawn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cmpie_lite.data.llp_sim import SimConfig, simulate_split
from cmpie_lite.data.llp_sim_labels import drop_labels, llp_statistics, simulate_dense, simulate_weak
from cmpie_lite.data.llp_sim_rolls import raked, roll_counts, shrunk
from cmpie_lite.errors import DataError
from cmpie_lite.labels import CLASS_INDEX, CLASSES
from cmpie_lite.results.metric_tables import trivial_references
from data_fetch.label_statistics import statistics, write

IDS = [f"sim{i:08d}" for i in range(4000)]
MANY = IDS[:2000]  # for what is drawn again and again


@pytest.fixture(scope="module")
def labels() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weak labels and the two event rolls of 4000 videos like those of val and test."""
    weak = simulate_weak(IDS, "eval", 3)
    return weak, *simulate_dense(IDS, weak, 3)


@pytest.fixture(scope="module")
def weak() -> np.ndarray:
    return simulate_weak(MANY, "eval", 3)


# --- label statistics ---


def prior(population: str) -> np.ndarray:
    """Share of videos with each class, from the counts."""
    found = llp_statistics()["weak"][population]
    counts = np.array([found["alone"][name] for name in CLASSES], float)
    pairs = np.zeros((25, 25))
    for a, others in found["together"].items():
        for b, count in others.items():
            pairs[CLASS_INDEX[a], CLASS_INDEX[b]] += count
    sizes = np.array(found["labels_per_video"])
    if len(sizes) > 3:  # pairs count a class of a video of k labels k - 1 times
        k = np.arange(len(sizes))
        pairs *= (sizes * k)[2:].sum() / (sizes * k * (k - 1))[2:].sum()
    return (counts + pairs.sum(0) + pairs.sum(1)) / found["videos"]


@pytest.mark.parametrize("population", ["train", "eval"])
def test_weak_labels_have_llps_habits(population: Any) -> None:
    weak = simulate_weak(IDS, population, 1)
    found = llp_statistics()["weak"][population]
    sizes = np.array(found["labels_per_video"]) / found["videos"]
    np.testing.assert_allclose(
        np.bincount(weak.sum(1), minlength=len(sizes)) / len(IDS), sizes, rtol=0, atol=0.025
    )
    np.testing.assert_allclose(weak.mean(0), prior(population), rtol=0, atol=0.025)
    both = (weak[:, CLASS_INDEX["Cello"]] & weak[:, CLASS_INDEX["Violin_fiddle"]]).mean()
    assert both == pytest.approx(found["together"]["Cello"]["Violin_fiddle"] / found["videos"], abs=0.015)


def totals() -> dict[str, int]:
    """Counts over all classes."""
    classes = llp_statistics()["dense"]["by_class"].values()
    rows = [c[situation] for c in classes for situation in ("alone", "among_others")]
    return {k: sum(row[k] for row in rows) for k in rows[0]}


def test_heard_and_seen_as_in_llp(labels: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    weak, audio, visual = labels
    heard, seen = audio.any(1), visual.any(1)
    np.testing.assert_array_equal(heard | seen, weak)
    total = totals()
    present = total["audible_only"] + total["visible_only"] + total["both"]
    for mask, kind in (
        (heard & ~seen, "audible_only"),
        (seen & ~heard, "visible_only"),
        (heard & seen, "both"),
    ):
        assert mask.sum() / weak.sum() == pytest.approx(total[kind] / present, abs=0.03), kind
    identical = (audio == visual).all(1) & heard
    assert identical.sum() / (heard & seen).sum() == pytest.approx(
        total["identical"] / total["both"], abs=0.03
    )
    speech = CLASS_INDEX["Speech"]  # mostly a voice off screen, unlike the rest
    found = llp_statistics()["dense"]["by_class"]["Speech"]["among_others"]
    share = found["audible_only"] / (found["audible_only"] + found["both"])
    assert (heard & ~seen)[:, speech].sum() / weak[:, speech].sum() == pytest.approx(share, abs=0.04)


def test_events_last_as_in_llp(labels: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Shares that last all ten seconds, events per class and seconds per event, within a few percent."""
    classes = llp_statistics()["dense"]["by_class"]
    total = totals()
    for modality, rolls in zip(("audio", "visual"), labels[1:], strict=True):
        other = "audible_only" if modality == "audio" else "visible_only"
        full = total[f"{other}_full"] + total["identical_full"] + total[f"different_{modality}_full"]
        there = total[other] + total["both"]
        shapes = [c["shapes"][kind] for c in classes.values() for kind in (modality, "identical")]
        runs = full + sum(n * r for s in shapes for r, n in enumerate(s["runs"]))
        seconds = 10 * full + sum(
            n * d for s in shapes for kind in ("one", "many") for d, n in enumerate(s[f"durations_{kind}"])
        )
        padded = np.pad(rolls, ((0, 0), (1, 0), (0, 0)))
        onsets = padded[:, 1:] & ~padded[:, :-1]
        present = rolls.any(1).sum()
        assert rolls.all(1).sum() / present == pytest.approx(full / there, abs=0.03)
        assert onsets.sum() / present == pytest.approx(runs / there, rel=0.03)
        assert rolls.sum() / onsets.sum() == pytest.approx(seconds / runs, rel=0.04)


def test_trivial_references_are_near_llps(labels: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """What labels alone can score; LLP's figures are of its 1200 test videos."""
    found = trivial_references(*map(torch.from_numpy, labels))
    expected = {
        "weak_labels": (76.1, 60.4, 52.6, 63.0, 71.7, 63.0, 55.8, 44.7, 54.5, 61.6),
        "video_labels": (80.1, 89.8, 82.8, 84.2, 82.0, 66.1, 83.7, 71.4, 73.7, 68.3),
    }
    for name, scores in expected.items():
        np.testing.assert_allclose(list(found[name].percent().values()), scores, rtol=0, atol=3.0)


@pytest.mark.shared
def test_the_shipped_counts_are_those_of_the_annotations(shared: Path, tmp_path: Path) -> None:
    write(statistics(shared / "llp"), tmp_path / "counts.json")
    shipped = Path("cmpie_lite/data/llp_statistics.json")
    if not shipped.exists():
        shipped = Path(__file__).resolve().parents[1] / shipped
    assert (tmp_path / "counts.json").read_text() == shipped.read_text()
    assert shipped.stat().st_size < 60_000


def test_statistics_name_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lacks AVVP_train\.csv, .*data_fetch annotations"):
        statistics(tmp_path)


# --- knobs ---


def test_without_place_every_second_is_as_likely(weak: np.ndarray) -> None:
    ours, moved = (simulate_dense(MANY, weak, 3, place=place) for place in (1.0, 0.0))
    for before, after in zip(ours, moved, strict=True):
        np.testing.assert_array_equal(before.sum(1), after.sum(1))  # seconds of a class in a video: kept
        partial = before.any(1) & ~before.all(1)
        by_second = [np.where(partial[:, None], rolls, False).sum((0, 2)) for rolls in (before, after)]
        spread = [np.ptp(counts / counts.mean()) for counts in by_second]
        assert spread[0] > 0.3  # LLP's events crowd somewhere
        assert spread[1] < 0.15
    both = [(a & v).sum(1) for a, v in (ours, moved)]
    np.testing.assert_array_equal(*both)  # the two rolls of a class move together


def test_place_is_the_share_of_rolls_that_stay(weak: np.ndarray) -> None:
    before, after = (simulate_dense(MANY, weak, 3, place=place)[0] for place in (1.0, 0.4))
    partial = before.any(1) & ~before.all(1)
    stayed = (before == after).all(1)[partial].mean()
    assert stayed == pytest.approx(0.4 + 0.6 / 10, abs=0.03)  # a shift by 0 is one of ten


@pytest.mark.parametrize("share", [0.0, 0.35, 0.7, 1.0])
def test_heard_only_is_the_share_that_is_never_seen(weak: np.ndarray, share: float) -> None:
    audio, visual = simulate_dense(MANY, weak, 3, heard_only=share)
    heard, seen = audio.any(1), visual.any(1)
    np.testing.assert_array_equal(heard | seen, weak)
    assert (heard & ~seen).sum() / weak.sum() == pytest.approx(share, abs=0.02)
    if share < 1:
        ours = simulate_dense(MANY, weak, 3)
        ratio = [(s & ~h).sum() / s.sum() for h, s in ((heard, seen), (ours[0].any(1), ours[1].any(1)))]
        assert ratio[0] == pytest.approx(ratio[1], abs=0.03)


def test_label_noise_drops_training_labels_and_no_others(weak: np.ndarray) -> None:
    left = drop_labels(MANY, weak, 0.2, 3)
    assert not (left & ~weak).any()
    assert 1 - left.sum() / weak.sum() == pytest.approx(0.2, abs=0.02)
    tiny = SimConfig(num_train=60, num_val=20, num_test=1)
    noisy = replace(tiny, label_noise=0.5)
    train, val = (simulate_split(name, noisy) for name in ("train", "val"))
    clean = simulate_split("train", tiny)
    assert train.weak.sum() < clean.weak.sum()
    assert train.audio.equal(clean.audio)  # what is there to hear stays
    assert val.weak.equal(simulate_split("val", tiny).weak)


# --- rolls ---


def test_raked_rolls_have_the_histograms_that_were_asked_for() -> None:
    classes = [llp_statistics()["dense"]["by_class"][name]["shapes"]["audio"] for name in CLASSES]
    pooled = {name: np.sum([c[name] for c in classes], axis=0) for name in classes[0]}
    number, onset, durations = roll_counts()
    for shape in classes[:5]:
        share = raked(shape, pooled)
        assert share.sum() == pytest.approx(1.0)
        assert share[0] == share[-1] == 0.0  # neither empty nor full
        found = {"runs": np.bincount(number, share, minlength=len(shape["runs"]))}
        for kind, chosen in (("one", number == 1), ("many", number > 1)):
            found[f"durations_{kind}"] = share[chosen] @ durations[chosen][:, :10]
            found[f"onsets_{kind}"] = np.bincount(onset[chosen], share[chosen], minlength=10)
        for name, counts in found.items():
            wanted = shrunk(shape[name], pooled[name])
            np.testing.assert_allclose(counts / counts.sum(), wanted, atol=0.01, err_msg=name)
