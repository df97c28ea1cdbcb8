"""Intervals cover as often as they say, with the effects that the runs have; hand-made cases; refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmpie_lite.results.intervals import MIN_SEEDS, student_interval, student_quantile, two_way_interval

# Standard deviations of a per-video paired difference, in points: of the seed, of the video, of the rest.
# The stored runs have 14 to 21 points in all; the rows are those of the review that found the bootstrap wide.
EFFECTS = [(6, 0, 0, 20), (8, 0, 0, 20), (10, 0, 0, 20), (8, 0.3, 5, 20), (8, 1, 5, 15), (6, 0.3, 5, 20),
           (10, 1, 5, 15), (6, 1, 5, 13)]  # fmt: skip
VIDEOS, REPEATS = 400, 1200


@pytest.mark.parametrize(("seeds", "of_seed", "of_video", "rest"), EFFECTS)
def test_two_way_intervals_cover_the_mean_of_other_seeds_and_videos(
    seeds: int, of_seed: float, of_video: float, rest: float
) -> None:
    rng = np.random.default_rng([seeds, int(10 * of_seed), int(of_video), int(rest)])
    covered = 0
    for _ in range(REPEATS):
        values = rest * rng.standard_normal((seeds, VIDEOS), dtype=np.float32)
        values += of_seed * rng.standard_normal((seeds, 1), dtype=np.float32)
        values += of_video * rng.standard_normal((1, VIDEOS), dtype=np.float32)
        interval = two_way_interval(values)
        covered += interval.low <= 0 <= interval.high
    assert 0.93 <= covered / REPEATS <= 0.97


@pytest.mark.parametrize(("seeds", "of_seed", "of_video", "rest"), EFFECTS)
def test_students_intervals_cover_the_mean_of_other_seeds_on_these_videos(
    seeds: int, of_seed: float, of_video: float, rest: float
) -> None:
    """A seed's mean over N videos spreads by of_seed^2 + rest^2 / N; what the videos share does not move."""
    rng = np.random.default_rng([seeds, int(10 * of_seed), int(of_video), int(rest)])
    here = of_video / VIDEOS**0.5
    spread = (of_seed**2 + rest**2 / VIDEOS) ** 0.5
    found = [student_interval(here + spread * x) for x in rng.standard_normal((4000, seeds))]
    assert 0.93 <= np.mean([i.low <= here <= i.high for i in found]) <= 0.97


@pytest.mark.parametrize("seeds", [6, 8, 10])
def test_on_ten_thousand_videos_seeds_alone_answer_for_other_videos_too(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    means = rng.standard_normal((4000, seeds)) * (0.3**2 + 20**2 / 1e4) ** 0.5
    means += rng.standard_normal((4000, 1)) * 5 / 100
    found = [student_interval(x) for x in means]
    assert 0.93 <= np.mean([i.low <= 0 <= i.high for i in found]) <= 0.97


def test_seeds_alone_miss_the_mean_of_other_videos_where_there_are_few() -> None:
    """Why a small test split of real videos needs the second interval."""
    rng = np.random.default_rng(0)
    both, alone = 0, 0
    for _ in range(400):
        values = rng.normal(0, 1, (8, 1)) + rng.normal(0, 5, (1, 30)) + rng.normal(0, 1, (8, 30))
        two, one = two_way_interval(values), student_interval(values.mean(1))
        both, alone = both + (two.low <= 0 <= two.high), alone + (one.low <= 0 <= one.high)
    assert 0.93 <= both / 400 <= 0.97
    assert alone / 400 < 0.9


@pytest.mark.parametrize(
    ("p", "df", "expected"),
    [(0.975, 1, 12.706205), (0.975, 2, 4.302653), (0.975, 5, 2.570582), (0.975, 9, 2.262157),
     (0.975, 29, 2.045230), (0.025, 7, -2.364624), (0.975, 1e7, 1.959964), (0.5, 3, 0.0),
     (0.975, 2.5, 3.574654), (0.95, 5, 2.015048)],
)  # fmt: skip
def test_students_quantile(p: float, df: float, expected: float) -> None:
    assert student_quantile(p, df) == pytest.approx(expected, rel=1e-5)


def test_the_intervals_by_hand() -> None:
    one = student_interval([1.0, 2.0, 3.0])
    half = 4.302653 / 3**0.5
    assert one == pytest.approx((2.0, 2 - half, 2 + half, 3, 0), rel=1e-5)
    # Rows differ by 2, columns by 4, nothing else: MS_seed = 4, MS_video = 16, MS_rest = 0.
    two = two_way_interval([[0.0, 4.0], [2.0, 6.0]])
    degrees = 20**2 / (4**2 + 16**2)
    assert two[:1] + two[3:] == (3.0, 2, 2)
    assert two.high - 3 == pytest.approx(student_quantile(0.975, degrees) * (20 / 4) ** 0.5)


def test_videos_without_an_effect_leave_students_interval() -> None:
    values = np.array([[1.0, 3.0, 2.0], [5.0, 3.0, 4.0], [2.0, 2.5, 3.0]])
    two, one = two_way_interval(values), student_interval(values.mean(1))
    assert two[:4] == pytest.approx(one[:4])
    assert (two.videos, one.videos) == (3, 0)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12), st.floats(-5, 5), st.floats(0.1, 3))
def test_intervals_move_and_stretch(values: list[float], shift: float, scale: float) -> None:
    one, other = student_interval(values), student_interval([scale * v + shift for v in values])
    assert one.low <= one.mean <= one.high
    assert other[:3] == pytest.approx([scale * x + shift for x in one[:3]], abs=1e-6)
    table = np.add.outer(values, [0.0, 0.5, -0.25])
    table[0, 0] += 0.125
    one, other = two_way_interval(table), two_way_interval(scale * table + shift)
    assert other[:3] == pytest.approx([scale * x + shift for x in one[:3]], abs=1e-6)


def test_one_seed_has_a_mean_and_no_limits() -> None:
    assert np.isnan([student_interval([0.5]).low, two_way_interval([[0.5, 0.25]]).high]).all()
    assert (student_interval([0.5]).mean, two_way_interval([[0.5, 0.25]]).mean) == (0.5, 0.375)
    same = two_way_interval(np.ones((3, 4)))
    assert (same.low, same.high) == (1.0, 1.0)


@pytest.mark.parametrize("values", [[], [[]], np.zeros((2, 2, 2)), [1.0, np.nan], [[1.0, np.inf]]])
def test_intervals_refuse_what_has_no_mean(values: object) -> None:
    for interval in (student_interval, two_way_interval):
        with pytest.raises(ValueError, match="expected"):
            interval(values)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 video, expected two"):
        two_way_interval([[1.0], [2.0]])
    with pytest.raises(ValueError, match=r"level = 1.0, expected one in \(0, 1\)"):
        student_interval([1.0, 2.0], level=1.0)
    with pytest.raises(ValueError, match="df >= 1"):
        student_quantile(0.975, 0.5)


def test_the_least_number_of_seeds_is_the_first_whose_luck_is_below_one_in_twenty() -> None:
    assert 2.0 ** (1 - MIN_SEEDS) < 0.05 <= 2.0 ** (2 - MIN_SEEDS)
