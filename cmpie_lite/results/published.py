"""The paper's two tables: what its authors measured on LLP, to stand beside what this package measures.

The one reader of `paper/table1.csv` and `table2.csv`, which hold the printed cells in percent.
"""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Literal

from cmpie_lite.metrics import ParsingScores


def printed_cells(table: Literal[1, 2]) -> dict[str, dict[str, Decimal]]:
    """Method -> score -> the cell as printed, in percent: 55.1 is exactly 551 tenths.

    Source: Chen et al., CM-PIE (arXiv 2310.07517, CC BY), Table 1 (systems) and Table 2 (ablations).
    """
    path = Path(__file__).parent / "paper" / f"table{table}.csv"
    with path.open(encoding="utf8", newline="") as file:
        rows = {row.pop("method"): row for row in csv.DictReader(file)}
    return {method: {name: Decimal(cell) for name, cell in row.items()} for method, row in rows.items()}


def published_scores(table: Literal[1, 2]) -> dict[str, ParsingScores]:
    """Method -> the ten scores of its row, as fractions.

    Example:
        >>> published_scores(1)["HAN"].segment_type
        0.54
    """
    return {
        method: ParsingScores(**{name: float(cell / 100) for name, cell in row.items()})
        for method, row in printed_cells(table).items()
    }
