"""References named as the text cites them, author and year, and how to cite the book itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style as Plain
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx


class AuthorYearLabels(BaseLabelStyle):
    """Chen et al., 2024; the second entry of the same name and year has the letter b."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterator[str]:
        taken: dict[str, int] = {}
        for entry in sorted_entries:
            names = [" ".join(person.last_names) for person in entry.persons["author"]]
            who = {1: names[0], 2: " and ".join(names)}.get(len(names), f"{names[0]} et al.")
            label = f"{who}, {entry.fields['year']}"
            taken[label] = taken.get(label, 0) + 1
            yield label + ("" if taken[label] == 1 else chr(ord("a") + taken[label] - 1))


class AuthorYear(Plain):
    """The plain style with labels that name authors and years."""

    default_label_style = AuthorYearLabels


def setup(app: Sphinx) -> dict[str, Any]:
    register_plugin("pybtex.style.formatting", "author_year", AuthorYear)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
