"""How far LLP-sim is from what is aimed at: every published number, its sign, its allowance."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

from tests.benchmarks.calibrate_sim import FITTED, distance, gaps, published, settings_to_try


def test_the_published_scores_themselves_are_at_distance_zero() -> None:
    found = {name: published(name) for name in FITTED}
    listed = gaps(found)
    assert len(listed) == 10 + 5 + 3 * 10
    assert all(gap.off == pytest.approx(0.0) for gap in listed)
    assert distance(listed) == pytest.approx(0.0)


def test_a_level_a_difference_and_a_ratio_are_seen() -> None:
    found = {name: published(name) + 3.5 for name in FITTED}  # all differences kept
    off = {gap.what: gap for gap in gaps(found)}
    assert off["HAN, segment_audio"].excess == pytest.approx(3.5 / 3)
    assert off["AVE - HAN, event_av"].off == pytest.approx(0.0)
    found = {name: published(name) for name in FITTED}
    found["mm_pyramid_swapped"] = found["mm_pyramid_swapped"] + np.eye(10)[0] * 8.4
    off = {gap.what: gap for gap in gaps(found)}
    assert off["MM-Pyramid - HAN, segment_audio"].excess == pytest.approx(2.1)
    assert sum(gap.excess > 1 for gap in off.values()) == 1
    found = {name: published(name) for name in FITTED}
    found["han"] = found["han"] + np.eye(10)[5] * 0.05 * found["han"][0]
    ratio = next(gap for gap in gaps(found) if gap.what == "HAN, event / segment audio")
    assert ratio.excess == pytest.approx(5 / 3)


def test_no_row_of_the_papers_own_is_fitted() -> None:
    assert not {"cmpie", "cmcs", "segment_attention"} & set(FITTED)


def test_a_search_tries_every_combination() -> None:
    options = argparse.Namespace(set=["leak=0.2"], tries=["private=0,0.5", "noise_memory=0,0.5"])
    tried = list(settings_to_try(options))
    assert len(tried) == 4
    assert {"leak": 0.2, "private": 0.5, "noise_memory": 0} in tried
    assert list(settings_to_try(argparse.Namespace(set=[], tries=[]))) == [{}]
