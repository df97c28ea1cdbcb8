"""The paper's two tables: what its authors measured on LLP, to stand beside what this package measures."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

from cmpie_lite.metrics import ParsingScores


def published_scores(table: Literal[1, 2]) -> dict[str, ParsingScores]:
    """Method -> the ten scores of its row, as fractions; printed in the paper in percent with one decimal.

    Source: Chen et al., CM-PIE (arXiv 2310.07517, CC BY), Table 1 (systems) and Table 2 (ablations).

    Example:
        >>> published_scores(1)["HAN"].segment_type
        0.54
    """
    path = Path(__file__).parent / "paper" / f"table{table}.csv"
    with path.open(encoding="utf8", newline="") as file:
        rows = {row.pop("method"): row for row in csv.DictReader(file)}
    return {
        method: ParsingScores(**{name: round(float(cell) / 100, 4) for name, cell in row.items()})
        for method, row in rows.items()
    }
