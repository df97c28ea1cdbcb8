"""What tests of records and reports build: a run's record, a report of readings, the runs of two systems."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from cmpie_lite.config import TrainConfig
from cmpie_lite.experiments.readings import effects_of
from cmpie_lite.metrics import SCORES
from cmpie_lite.results.intervals import MIN_SEEDS, Interval
from cmpie_lite.results.report_form import BEHAVIOUR, Report, frame_of, split_of
from cmpie_lite.results.reports import changes, make_report, runs_frame
from cmpie_lite.systems.build import config_to_facts
from cmpie_lite.systems.rows import SYSTEMS


def record(
    model: str, seed: int, base: float, *, source: str = "LLP-sim", digest: str = "a" * 64, epochs: int = 40,
    train: int = 800, **overrides: Any,
) -> dict[str, Any]:  # fmt: skip
    """A run record whose ten scores are base, base + 0.001, base + 0.002 and so on."""
    config = config_to_facts(SYSTEMS[model].config) | overrides
    return {
        "model": model,
        "config": config,
        "recipe": dataclasses.asdict(TrainConfig(seed=seed, epochs=epochs)),
        "data": {"source": source, "sha256": digest, "videos": {"train": train, "val": 20, "test": 40}},
        "environment": {"device": "cpu", "cores": 2, "platform": "x", "torch": "2", "commit": "abc"},
        "finished": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
        "best_epoch": 1,
        "history": [{"loss": 0.5}],
        "test": {name: base + 0.001 * i for i, name in enumerate(SCORES)},
    }


def readings_report(gaps: dict[tuple[str, Any], float], seeds: int = 6, **base: Any) -> Report:
    """A report of readings: (field, value) -> how far its runs lie above those of `base`, in fractions.

    Gaps grow by 0.0005 from seed to seed around the one that is given, so that intervals have a width.
    """
    records = [record("cmpie", seed, 0.5, **base) for seed in range(seeds)]
    label = changes(records[0])
    labels = {}
    for (field, value), gap in gaps.items():
        for seed in range(seeds):
            above = gap + 0.0005 * (seed - (seeds - 1) / 2)
            records.append(record("cmpie", seed, 0.5 + above, **base | {field: value}))
        labels[field, str(value)] = changes(records[-1])
    pairs = [(name, label) for name in labels.values()]
    report = make_report(records, pairs, "the command", key="changed")
    report["base"], report["effects"] = label, effects_of(labels, frame_of(report["intervals"]))
    return report


def report_of_one_that_times() -> Report:
    """A report of readings at D = 128: the default only tags, and `sa_axis=global` places events in time."""
    report = readings_report({("sa_axis", "global"): 0.01}, dim=128)
    values = {name: [0.5, 0.5] for name in BEHAVIOUR} | {"timing_event": [0.001, 0.015]}
    rows = pd.DataFrame(values, ["dim=128", "dim=128,sa_axis=global"])
    report["tables"]["behaviour"] = split_of(rows.rename_axis("system"))
    return report


def two_systems(seeds: int, gap: float = 0.02, **kinds: Any) -> pd.DataFrame:
    """HAN and CM-PIE; the seeds' own spread is ten times the gap, and pairing takes it away."""
    offsets = np.random.default_rng(0).normal(0.5, 10 * gap / 3, seeds)
    small = np.random.default_rng(1).normal(gap, gap / 10, seeds)
    records = [record("han", s, offsets[s], **kinds) for s in range(seeds)]
    records += [record("cmpie", s, offsets[s] + small[s], **kinds) for s in range(seeds)]
    return runs_frame(records)


def interval(low: float, high: float, seeds: int = MIN_SEEDS) -> Interval:
    return Interval((low + high) / 2, low, high, seeds, 0)
