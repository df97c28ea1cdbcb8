"""What the paper's text says of its two tables, each sentence beside what the cells say."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from cmpie_lite.results.findings import listed
from cmpie_lite.results.score_tables import score_name

Table = dict[str, dict[str, Decimal]]  # method -> column -> percent, as printed

# What others had published before in the columns in which CM-PIE is the best of Table 1. Second-hand: others
# read these papers' tables and told us.
EARLIER: dict[str, tuple[tuple[str, Decimal], ...]] = {
    "segment_audio": (("MA without label refinement, 2021", Decimal("61.9")),),
    "event_audio": (("JoMoLD, 2022", Decimal("53.9")), ("DHHN, 2022", Decimal("54.6"))),
    "event_event": (("JoMoLD, 2022", Decimal("52.5")), ("DHHN, 2022", Decimal("53.3"))),
}


class Sentence(NamedTuple):
    """A sentence of the paper, the section it stands in, what the cells of its tables say, the verdict."""

    section: str
    quotation: str
    cells: str
    verdict: str


def higher(one: dict[str, Decimal], other: dict[str, Decimal]) -> list[str]:
    """The columns in which `one` is above `other`."""
    return [column for column in one if one[column] > other[column]]


def gain(table: Table, column: str, new: str = "CM-PIE", old: str = "HAN") -> Decimal:
    return table[new][column] - table[old][column]


def names(columns: list[str]) -> str:
    return listed([score_name(c) for c in columns])


def judge(holds: bool) -> str:
    return "holds" if holds else "does not hold"


def about_han(one: Table) -> list[Sentence]:
    """Sections 1 and 3.2: CM-PIE against HAN."""
    ours, han = one["CM-PIE"], one["HAN"]
    above = higher(ours, han)
    gains = [gain(one, column) for column in above]
    audio, visual, event = (gain(one, c) for c in ("segment_audio", "segment_visual", "event_event"))
    return [
        Sentence(
            "1",
            "improved from 48.0% to 51.3%",
            f"Event-level Event@AV: {han['event_event']} to {ours['event_event']}.",
            judge((han["event_event"], ours["event_event"]) == (Decimal("48.0"), Decimal("51.3"))),
        ),
        Sentence(
            "3.2",
            "a significant performance improvement of our model over the baseline method HAN across all "
            "evaluation metrics",
            f"CM-PIE is above HAN in {len(above)} of {len(ours)} columns, by {min(gains)} to {max(gains)} "
            "points. One number each; no spread is given, so “significant” cannot be checked.",
            judge(len(above) == len(ours)) + " for the sign; unchecked for significance",
        ),
        Sentence(
            "3.2",
            "up to a 1.6% improvement in Audio & Segment-level and 2.3% enhancement in Visual & "
            "Segment-level",
            f"The gains are {audio} and {visual}: points of F-score, not percent of HAN's score.",
            judge((audio, visual) == (Decimal("1.6"), Decimal("2.3"))),
        ),
        Sentence(
            "3.2",
            "3.3% improvement in the Ev@AV & Event-level metric",
            f"The gain is {event}, in points of F-score.",
            judge(event == Decimal("3.3")),
        ),
    ]


def about_the_best(one: Table) -> Sentence:
    """Section 3.2: state of the art, within the rows of Table 1 and beside what had been published."""
    ours, best = one["CM-PIE"], one["CM-CS+HAN"]
    top = [c for c in ours if ours[c] == max(row[c] for row in one.values())]
    below = higher(best, ours)
    beyond = [
        f"{score_name(column)} {figure} ({paper})"
        for column in top
        for paper, figure in EARLIER.get(column, ())
        if figure > ours[column]
    ]
    cells = (
        f"CM-PIE has the highest cell of Table 1 in {len(top)} of {len(ours)} columns: {names(top)}. "
        f"CM-CS+HAN is above CM-PIE in {len(below)}: {names(below)}. Table 1 does not list every earlier "
        f"method: above CM-PIE's cells were already {', '.join(beyond)}, as others report these papers' "
        "tables; we have not read them. JoMoLD and DHHN also clean the weak labels."
    )
    return Sentence(
        "3.2",
        "state-of-the-art results on some indicators",
        cells if beyond else cells.split(" Table 1 does not list")[0],
        judge(0 < len(top) < len(ours)) + " within the rows of Table 1" + ", not beyond them" * bool(beyond),
    )


def about_the_parts(two: Table) -> list[Sentence]:
    """Section 3.3: what SA, CMA and both bring."""
    full, han, sa = two["CM-PIE"], two["HAN"], two["+Seg Attention"]
    down = [c for c in han if sa[c] < han[c]]
    cma = {c: gain(two, c, "CM-PIE", "+Seg Attention") for c in han if c.endswith(("_type", "_event"))}
    above = {row: higher(two[row], full) for row in two if row not in ("CM-PIE", "HAN")}
    beaten = [c for c in full if any(c in columns for columns in above.values())]
    falls = "; ".join(f"{han[c]} to {sa[c]}" for c in down)
    return [
        Sentence(
            "3.3",
            "notable performance enhancements in both visual and audio-visual evaluations",
            f"Adding SA to HAN: segment Visual {han['segment_visual']} to {sa['segment_visual']}"
            + (f"; but {names(down)} fall: {falls}." if down else "."),
            "holds for visual; does not hold for audio-visual" if down else judge(True),
        ),
        Sentence(
            "3.3",
            "the usage of the CMA block significantly improves the results in terms of Ty@AV and Ev@AV",
            "CM-PIE against +Seg Attention: "
            + "; ".join(f"{score_name(c)} {value:+}" for c, value in cma.items())
            + ". One number each, without a spread.",
            judge(all(value > 0 for value in cma.values())) + " for the sign; unchecked for significance",
        ),
        Sentence(
            "3.3",
            "both the SA module and the CMA block can improve the experimental results in several metrics",
            f"The full model is below one of its own ablations in {len(beaten)} of {len(full)} columns: "
            f"{names(beaten)}. "
            + " ".join(f"{row} is above it in {names(c)}." for row, c in above.items() if c),
            "holds as said: several, not all",
        ),
    ]
