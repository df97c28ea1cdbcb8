"""The paper's two tables, held against their own arithmetic and against the sentences about them.

    python -m book.tools.audit        prints the page's findings

The printed cells are those of `cmpie_lite.results.published` (Chen et al., arXiv 2310.07517, CC BY). Decimal
arithmetic throughout: a cell printed as 55.1 is exactly 551 tenths.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Literal, NamedTuple

from book.tools.sentences import Sentence, Table, about_han, about_the_best, about_the_parts, judge
from cmpie_lite.results.published import printed_cells
from cmpie_lite.results.score_tables import HEADS, LEVELS

TABLES: tuple[Literal[1, 2], ...] = (1, 2)
COLUMNS = tuple(HEADS)
# Three summands and the mean itself, each rounded to 0.1: an honest Type@AV is off by at most 0.1.
ROUNDING = Decimal("0.1")


class TypeCheck(NamedTuple):
    """Type@AV of one row and level: as printed, and as the mean of the three printed columns."""

    table: int
    method: str
    level: str
    printed: Decimal
    mean: Decimal

    @property
    def holds(self) -> bool:
        return abs(self.printed - self.mean) <= ROUNDING


def tone(verdict: str) -> str:
    """How a verdict is coloured: fails where any part of it does, open where it holds with a condition."""
    if "does not" in verdict:
        return "fails"
    return "open" if "unchecked" in verdict or "not beyond" in verdict else "holds"


def read(number: Literal[1, 2]) -> Table:
    """A table of the paper: {method: {column: percent}}, every cell exactly as printed."""
    return printed_cells(number)


def mean_of_three(row: dict[str, Decimal], level: str) -> Decimal:
    return sum((row[f"{level}_{c}"] for c in ("audio", "visual", "av")), Decimal(0)) / 3


def type_checks() -> list[TypeCheck]:
    """Every row and level of both tables: is Type@AV the mean of Audio, Visual and AV?"""
    return [
        TypeCheck(number, method, level, row[f"{level}_type"], mean_of_three(row, level))
        for number in TABLES
        for method, row in read(number).items()
        for level in LEVELS
    ]


def exchanges(method: str = "MM-Pyramid") -> list[tuple[str, str, Decimal, Decimal]]:
    """Pairs of cells of a row (one per level) whose exchange brings both Type@AV nearest to print.

    Returns (segment column, event column, segment mean, event mean), the best first.
    """
    row = read(1)[method]
    found = []
    for a, b in product(("audio", "visual", "av"), repeat=2):
        swapped = row | {f"segment_{a}": row[f"event_{b}"], f"event_{b}": row[f"segment_{a}"]}
        found.append((a, b, mean_of_three(swapped, "segment"), mean_of_three(swapped, "event")))
    return sorted(found, key=lambda f: abs(f[2] - row["segment_type"]) + abs(f[3] - row["event_type"]))


def sentences() -> list[Sentence]:
    """What the text says about the tables, each beside what the cells say."""
    one, two = read(1), read(2)
    shared = all(one[row] == two[row] for row in ("HAN", "CM-PIE"))
    both = Sentence(
        "Tables 1, 2",
        "HAN and CM-PIE stand in both tables",
        "All ten cells of both rows agree." if shared else "Their cells differ.",
        judge(shared),
    )
    return [*about_han(one), about_the_best(one), *about_the_parts(two), both]


def arithmetic() -> list[str]:
    """The page's first part: every printed Type@AV beside the mean of its three columns."""
    checks = type_checks()
    failing = [c for c in checks if not c.holds]
    listed = "; ".join(
        f"{c.method}, {c.level} level (printed {c.printed}, mean {c.mean:.2f})" for c in failing
    )
    return [
        f"{len(checks) - len(failing)} of {len(checks)} printed values of Type@AV lie within {ROUNDING} of "
        f"the mean of their three columns, which is all that rounding allows. {len(failing)} do not: "
        f"{listed}.",
        "",
        '<div class="wide">',
        "",
        "| table | method | level | Type@AV printed | mean of the three | difference | within rounding |",
        "|---|---|---|---:|---:|---:|---|",
        *(
            f"| {c.table} | {c.method} | {c.level} | {c.printed} | {c.mean:.2f} | {c.printed - c.mean:+.2f} "
            f"| {'yes' if c.holds else '**no**'} |"
            for c in checks
        ),
        "",
        "</div>",
        "",
    ]


def misprint() -> list[str]:
    """The page's second part: the exchange of two cells that explains both failures best."""
    a, b, segment, event = exchanges()[0]
    row = read(1)["MM-Pyramid"]
    return [
        "## Two cells that look exchanged",
        "",
        "Both failures are in one row, MM-Pyramid's. Suppose one of its segment cells had changed places "
        "with one of its event cells. Of the nine such exchanges, that of "
        f"**segment {HEADS[a]} ({row['segment_' + a]}) with event "
        f"{HEADS[b]} ({row['event_' + b]})** brings the two means nearest to "
        f"print: {segment:.2f} against {row['segment_type']} and {event:.2f} against "
        f"{row['event_type']}. The segment level then agrees; the event level keeps "
        f"{abs(row['event_type'] - event):.2f} that no exchange explains. We compare with the printed cells, "
        "unchanged.",
        "",
    ]


def markdown() -> str:
    """The findings as Markdown: the table of Type@AV, the misprint, the sentences."""
    lines = [
        *arithmetic(),
        *misprint(),
        "## The sentences",
        "",
    ]
    for one in sentences():
        quoted = one.section[0].isdigit()
        head = (
            f"> “{one.quotation}” — Sec. {one.section}" if quoted else f"*{one.quotation}.* ({one.section})"
        )
        verdict = one.verdict[0].upper() + one.verdict[1:]
        shown = f'<span class="verdict {tone(one.verdict)}">{verdict}.</span>'
        lines += [head, "", f"{one.cells} {shown}", ""]
    return "\n".join(lines)
