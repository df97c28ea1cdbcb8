"""Readings as a grid: every alternative of every open field of a config, and the effect of choosing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import pandas as pd

from cmpie_lite.config import ModelConfig
from cmpie_lite.errors import ConfigError
from cmpie_lite.experiments.settings import Settings
from cmpie_lite.metrics import SCORES
from cmpie_lite.results.report_form import Effect, Limits, limits
from cmpie_lite.systems.build import Config
from cmpie_lite.systems.cm_cs import CMCSConfig

# Readings of the numbers that the paper leaves open, beside the default; words have theirs in the config.
NUMBERS: Final[dict[type, dict[str, tuple[Any, ...]]]] = {
    ModelConfig: {
        "sa_layers": (3,),
        "sa_reduction": (1, 5),
        "heads": (4, 8),
        "dropout": (0.0,),
        "ffn_dim": (2048,),
        "han_layers": (2,),
    },
    CMCSConfig: {"similarity": (0.0,), "difference": (0.0,), "reconstruction": (0.0,)},
}
CHOSEN_BY: Final = (
    "segment_type"  # the score by which a run's epoch is chosen; the register prints its effect
)


def readings(config: type[Config] = ModelConfig) -> dict[str, tuple[Any, ...]]:
    """Field of a config -> its readings other than the default. CM-CS+HAN's are its ablations."""
    words = {
        name: tuple(value for value in get_args(hint) if value != getattr(config(), name))
        for name, hint in get_type_hints(config).items()
        if get_origin(hint) is Literal
    }
    return words | NUMBERS.get(config, {})


def reading_jobs(base: Sequence[Settings], only: Sequence[str] = ()) -> dict[tuple[str, str], list[Settings]]:
    """("", "") -> the jobs of `base`, one per seed; (field, value) -> the same with that one reading changed.

    A reading that `base` has already is left out.

    Args:
        only: fields, or single readings such as "cma_form=projected"; none given: every field.

    Raises:
        ConfigError: a system without readings; a field or reading that there is not; nothing is left to
            compare.
    """
    known = readings(type(base[0].config))
    if not known:
        raise ConfigError(
            f"{base[0].model} has no readings, expected a system that has, such as cmpie or cm_cs."
        )
    found = {("", ""): list(base)}
    for word in only or known:
        name, single, chosen = word.partition("=")
        if name not in known:
            raise ConfigError(f"no readings of {name!r}, expected some of {', '.join(known)}.")
        values = [value for value in known[name] if not single or str(value) == chosen]
        if not values:
            others = ", ".join(map(str, known[name]))
            raise ConfigError(f"no reading {word!r} beside the default, expected {name} = {others}.")
        for value in values:
            jobs = [replace(job, overrides={**job.overrides, name: value}) for job in base]
            if jobs[0].config != base[0].config:
                found[name, str(value)] = jobs
    if len(found) == 1:
        raise ConfigError(
            f"overrides = {dict(base[0].overrides)!r} already chooses the only reading of {', '.join(only)} "
            "besides the default: nothing to compare. Leave that override out, or name another field."
        )
    return found


def effects_of(
    labels: Mapping[tuple[str, str], str], intervals: pd.DataFrame
) -> dict[str, dict[str, Effect]]:
    """{field: {value: effect}} in points: mean, low and high of `metric`, and under "all" of every score.

    Args:
        labels: (field, value) -> what `intervals` calls that reading, under `better`.
        intervals: a table of `pairing.paired`, reading minus default.
    """
    effects: dict[str, dict[str, Effect]] = {}
    for (name, value), label in labels.items():
        rows = intervals[intervals.better == label].to_dict("records")
        points: dict[str, Limits] = {str(row["metric"]): limits(row) for row in rows}
        if points:
            every = {metric: points[metric] for metric in SCORES}
            effects.setdefault(name, {})[value] = {"metric": CHOSEN_BY, **points[CHOSEN_BY], "all": every}
    return effects
