"""What the paper's text says of Tables 1 and 2, as data, and the test of each sentence on our runs.

A sentence names two systems and some of the ten scores. It is

- *supported* where the paired 95 % interval of each of its differences lies above 0,
- *not supported* where at least one of them lies below 0,
- *undecided at n seeds* otherwise, and whenever there are fewer than `MIN_SEEDS` seeds.

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
from cmpie_lite.systems.rows import title_of

UNTESTED: Final = "not run here"


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper: `better` scores higher than each of `worse` in each of `metrics`."""

    table: int
    section: str
    quotation: str
    better: str
    worse: tuple[str, ...]
    metrics: tuple[str, ...]

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
    ),
    Claim(
        1,
        "3.2",
        "a 3.3% improvement in the Ev@AV & Event-level metric",
        "cmpie",
        ("han",),
        ("event_event",),
    ),
    Claim(
        1,
        "3.2",
        "state-of-the-art results on some indicators, such as Audio & Segment-level and Ev@AV & Event-level",
        "cmpie",
        ("ave", "avsdn", "han", "mm_pyramid"),
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


def verdict(intervals: Sequence[Interval | None]) -> str:
    """The rule of this module on the paired differences that a sentence needs; None: never compared."""
    known = [interval for interval in intervals if interval is not None]
    if not intervals or len(known) < len(intervals):
        return UNTESTED
    seeds = min(interval.seeds for interval in known)
    if seeds < MIN_SEEDS:
        return f"undecided at {seeds} seed{'s' * (seeds != 1)} (fewer than {MIN_SEEDS} decide nothing)"
    if all(interval.low > 0 for interval in known):
        return "supported"
    if any(interval.high < 0 for interval in known):
        return "not supported"
    return f"undecided at {seeds} seeds"


def judge(claim: Claim, intervals: pd.DataFrame) -> tuple[str, list[str]]:
    """The verdict, and each difference in points with its interval, from a table of `pairing.paired`."""
    found, facts = [], []
    for better, worse in claim.pairs:
        for metric in claim.metrics:
            interval = interval_of(intervals, better, worse, metric)
            found.append(interval)
            if interval is not None:
                facts.append(
                    f"{metric.replace('_', ' ')}, {title_of(better)} above {title_of(worse)}: "
                    f"{100 * interval.mean:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
                )
    return verdict(found), facts


def verdicts(table: int, intervals: pd.DataFrame, data: str) -> str:
    """Every sentence about a table with its verdict on these data, as Markdown."""
    lines = []
    for claim in claims_of(table):
        what, facts = judge(claim, intervals)
        lines += [f"> “{claim.quotation}” — Sec. {claim.section}", "", f"On {data}: **{what}**.", ""]
        lines += [f"- {fact}" for fact in facts] + [""]
    return "\n".join(lines)
