"""Names that a reader may have mistyped."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """ " Did you mean 'heads'?", the known name that is most like this one; empty where none is like it.

    Example:
        >>> did_you_mean("headz", ["heads", "dim"])
        " Did you mean 'heads'?"
    """
    near = difflib.get_close_matches(str(name)[:100], list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
