"""The knobs of the controlled study, their levels, and what a reader may choose of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, Final

from cmpie_lite.data.llp_sim import SIZES
from cmpie_lite.data.llp_sim_config import SimConfig
from cmpie_lite.experiments.grid import GridSettings
from cmpie_lite.experiments.readings import reading_jobs
from cmpie_lite.experiments.settings import Settings
from cmpie_lite.support.fields import override, require, require_whole


def levels_of(knob: str, base: SimConfig) -> dict[str, dict[str, Any]]:
    """The levels of a knob, least first: what tables call each -> the fields of SimConfig that it sets."""
    faint = {"audio_faint": 0.4, "visual_faint": 0.4}
    strength = sqrt(base.audio_signal * base.visual_signal)

    def signals(ratio: float) -> dict[str, float]:
        pair = strength * sqrt(ratio), strength / sqrt(ratio)
        return dict(zip(("audio_signal", "visual_signal"), (round(x, 2) for x in pair), strict=True))

    levels: dict[str, dict[str, dict[str, Any]]] = {
        "corrupt": {str(x): {"corrupt": x} for x in (0.0, 0.2, 0.4)},
        "gap": {str(x): {"corrupt": x, "corrupt_kind": "gap" if x else "noise"} for x in (0.0, 0.2, 0.4)},
        "place": {str(x): {"place": x} for x in (1.0, 0.0)},
        "shared": {str(x): {"shared": x, **faint} for x in (0.0, 0.5, 0.9)},
        "heard_only": {str(x): {"heard_only": x} for x in (0.0, 0.35, 0.7)},
        "signals": {"1:2": signals(0.5), "1:1": signals(1.0), "2:1": signals(2.0)},
        "private": {str(x): {"private": x} for x in (0.0, 0.5)},
    }
    return levels[knob]


# What each knob asks, in the order of the page.
QUESTIONS: Final[dict[str, str]] = {
    "corrupt": "share of segments whose noise is three times as strong",
    "gap": "share of segments in which there is nothing to hear or to see",
    "place": "how far events keep LLP's habits of time (1: wholly, 0: not at all)",
    "shared": "share of an event's evidence that is one instance, heard and seen (events often faint)",
    "heard_only": "share of a video's classes that are heard and never seen",
    "signals": "strength of the evidence, audio to visual",
    "private": "share of the visual latent that only one of the two visual encoders sees",
}


@dataclass(frozen=True)
class ControlledSettings(GridSettings):
    """What a reader may choose of the study; what a grid has means the same."""

    study: Sequence[str] = ("corrupt", "place", "shared", "heard_only", "signals")  # knobs, one at a time
    readings: Sequence[str] = ("cma_form=projected", "sa_axis=global")  # rows more: CM-PIE by other readings
    test_videos: int = 2000  # a simulator's are free: the more, the less a seed's score depends on them

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("study", "readings"):
            value = getattr(self, name)
            good = isinstance(value, list | tuple) and all(type(one) is str for one in value)
            require(self, name, good and len(set(value)) == len(value), "a list of different words")
        require(self, "study", bool(self.study), "at least one knob")
        require(self, "study", set(self.study) <= set(QUESTIONS), f"some of {', '.join(QUESTIONS)}")
        require_whole(self, "test_videos", 1, 10**7 - 1)
        require(self, "dataset", self.dataset != "llp", "'sim': knobs are LLP-sim's")
        require(self, "systems", {"han", "cmpie"} <= set(self.systems), "'han' and 'cmpie' at least")
        self.rows()

    def rows(self) -> dict[str, list[Settings]]:
        """What tables call a row -> its jobs, one per seed, at the knobs' base: systems, then readings."""
        jobs = [replace(job, dataset="sim") for job in self.jobs()]
        found = {name: [job for job in jobs if job.model == name] for name in self.systems}
        if self.readings:
            fields = list(dict.fromkeys(text.partition("=")[0] for text in self.readings))
            every = reading_jobs(found["cmpie"], fields)
            known = {f"{name}={value}": group for (name, value), group in every.items() if name}
            require(self, "readings", set(self.readings) <= set(known), f"some of {', '.join(known)}")
            found |= {f"cmpie {text}": known[text] for text in self.readings}
        return found

    def condition(self, knob: str, level: str) -> dict[str, Any]:
        """The fields of SimConfig on one level of one knob."""
        size = {"num_test": self.test_videos} | dict(self.knobs)
        return size | levels_of(knob, override(SIZES[self.preset], size))[level]
