"""What the paper's text says of Tables 1 and 2, as data, and the test of each sentence on our runs.

A sentence names two systems and some of the ten scores, and sometimes by how much. It is

- *supported* where the 95 % interval of each of its differences lies above zero, or, where the sentence names
  a size, at or above that size;
- *contradicted* where at least one of them lies below zero, or below that size;
- *undecided at n seeds* otherwise, and whenever there are fewer than `MIN_SEEDS` seeds.

The rule is not even-handed: *supported* needs every difference, *contradicted* only one. Of ten differences
that are all zero, one interval in forty lies below by chance alone, each.

A verdict holds for the data that it was reached on. On LLP-sim it says nothing of LLP, and so nothing of the
paper's own numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from cmpie_lite.metrics import SCORES
from cmpie_lite.results.intervals import MIN_SEEDS, Interval
from cmpie_lite.results.pairing import interval_of
from cmpie_lite.results.score_tables import score_name
from cmpie_lite.systems.rows import title_of

UNTESTED: Final = "not run here"


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper: `better` scores higher than each of `worse` in each of `metrics`.

    Where it says by how much, `at_least` has the points of each of `metrics`, in their order.
    """

    table: int
    section: str
    quotation: str
    better: str
    worse: tuple[str, ...]
    metrics: tuple[str, ...]
    at_least: tuple[float, ...] = ()

    def least(self, metric: str) -> float:
        """What a difference in this score must reach, as a fraction: the named size, or zero."""
        return self.at_least[self.metrics.index(metric)] / 100 if self.at_least else 0.0

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The comparisons that the sentence needs."""
        return [(self.better, other) for other in self.worse]


CLAIMS: Final[tuple[Claim, ...]] = (
    Claim(
        1,
        "3.2",
        "a significant performance improvement of our model over the baseline method HAN across all "
        "evaluation metrics",
        "cmpie",
        ("han",),
        SCORES,
    ),
    Claim(
        1,
        "3.2",
        "up to a 1.6% improvement in Audio & Segment-level and 2.3% enhancement in Visual & Segment-level",
        "cmpie",
        ("han",),
        ("segment_audio", "segment_visual"),
        (1.6, 2.3),
    ),
    Claim(
        1,
        "3.2",
        "a 3.3% improvement in the Ev@AV & Event-level metric",
        "cmpie",
        ("han",),
        ("event_event",),
        (3.3,),
    ),
    Claim(
        1,
        "3.2",
        "state-of-the-art results on some indicators, such as Audio & Segment-level and Ev@AV & Event-level",
        "cmpie",
        ("ave", "avsdn", "han", "mm_pyramid_swapped"),  # the code as published, which made the paper's row
        ("segment_audio", "event_event"),
    ),
    Claim(
        2,
        "3.3",
        "notable performance enhancements in both visual and audio-visual evaluations",
        "segment_attention",
        ("han",),
        ("segment_visual", "segment_av", "event_visual", "event_av"),
    ),
    Claim(
        2,
        "3.3",
        "especially for audio events",
        "segment_attention",
        ("han",),
        ("segment_audio", "event_audio"),
    ),
    Claim(
        2,
        "3.3",
        "the usage of the CMA block significantly improves the results in terms of Ty@AV and Ev@AV "
        "evaluations",
        "cmpie",
        ("segment_attention",),
        ("segment_type", "segment_event", "event_type", "event_event"),
    ),
)


def claims_of(table: int) -> list[Claim]:
    """The sentences about one table of the paper."""
    return [claim for claim in CLAIMS if claim.table == table]


def verdict(intervals: Sequence[Interval | None], at_least: Sequence[float] | None = None) -> str:
    """The rule of this module on the paired differences that a sentence needs.

    Args:
        intervals: one per difference; None where it was never measured.
        at_least: what each must reach; None: zero.
    """
    known = [interval for interval in intervals if interval is not None]
    if not intervals or len(known) < len(intervals):
        return UNTESTED
    seeds = min(interval.seeds for interval in known)
    if seeds < MIN_SEEDS:
        return f"undecided at {seeds} seed{'s' * (seeds != 1)} (fewer than {MIN_SEEDS} decide nothing)"
    needed = at_least or [0.0] * len(known)
    pairs = list(zip(known, needed, strict=True))
    if all(interval.low > 0 and interval.low >= least for interval, least in pairs):
        return "supported"
    if any(interval.high < least for interval, least in pairs):
        return "contradicted"
    return f"undecided at {seeds} seeds"


def judge(claim: Claim, intervals: pd.DataFrame) -> tuple[str, list[str]]:
    """The verdict, and each difference in points with its interval, from a table of `pairing.paired`."""
    found, needed, facts = [], [], []
    for better, worse in claim.pairs:
        for metric in claim.metrics:
            interval, least = interval_of(intervals, better, worse, metric), claim.least(metric)
            found.append(interval)
            needed.append(least)
            if interval is not None:
                named = f"; the sentence names {100 * least:+.1f}" if least else ""
                mean, low, high = (100 * x for x in interval[:3])
                facts.append(
                    f"{score_name(metric)}, {title_of(better)} above {title_of(worse)}: "
                    f"{mean:+z.1f} [{low:+.1f}, {high:+.1f}]{named}"
                )
    return verdict(found, needed), facts


def verdicts(table: int, intervals: pd.DataFrame, data: str) -> str:
    """Every sentence about a table with its verdict on these data, as Markdown."""
    lines = []
    for claim in claims_of(table):
        what, facts = judge(claim, intervals)
        lines += [f"> “{claim.quotation}” — Sec. {claim.section}", "", f"On {data}: **{what}**.", ""]
        lines += [f"- {fact}" for fact in facts] + [""]
    return "\n".join(lines)
