"""The numbers that the text of `cmpie_lite.results.intervals` states."""

from __future__ import annotations

import numpy as np
import pytest

from cmpie_lite.results.intervals import MIN_SEEDS, bootstrap_interval

STUDENT = {3: 4.3027, 5: 2.7764, 6: 2.5706, 8: 2.3646, 10: 2.2622}  # 97.5 % quantile with n - 1 degrees


@pytest.mark.parametrize(("n", "width"), [(3, 0.38), (5, 0.87), (6, 0.93), (8, 0.97), (10, 0.98)])
def test_few_seeds_have_a_narrower_interval_than_students(n: int, width: float) -> None:
    ratios = []
    for x in np.random.default_rng(n).normal(size=(300, n)):
        interval = bootstrap_interval(x)
        ratios.append((interval.high - interval.low) / (2 * STUDENT[n] * x.std(ddof=1) / n**0.5))
    assert np.mean(ratios) == pytest.approx(width, abs=0.02)
    text = (bootstrap_interval.__doc__ or "").split()
    assert f"{width:.2f}" in text
    assert str(n) in text


def test_the_least_number_of_seeds_is_the_first_whose_luck_is_below_one_in_twenty() -> None:
    assert 2.0 ** (1 - MIN_SEEDS) < 0.05 <= 2.0 ** (2 - MIN_SEEDS)
