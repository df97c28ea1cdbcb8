"""What tests of reports build: the runs of two systems, and an interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cmpie_lite.results.intervals import MIN_SEEDS, Interval
from cmpie_lite.results.reports import runs_frame
from tests.making import record


def two_systems(seeds: int, gap: float = 0.02, **kinds: Any) -> pd.DataFrame:
    """HAN and CM-PIE; the seeds' own spread is ten times the gap, and pairing takes it away."""
    offsets = np.random.default_rng(0).normal(0.5, 10 * gap / 3, seeds)
    small = np.random.default_rng(1).normal(gap, gap / 10, seeds)
    records = [record("han", s, offsets[s], **kinds) for s in range(seeds)]
    records += [record("cmpie", s, offsets[s] + small[s], **kinds) for s in range(seeds)]
    return runs_frame(records)


def interval(low: float, high: float, seeds: int = MIN_SEEDS) -> Interval:
    return Interval((low + high) / 2, low, high, seeds, 0)
