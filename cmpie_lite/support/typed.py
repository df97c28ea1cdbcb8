"""What was read from JSON, held against type hints: the one check of everything that a file may say."""

from __future__ import annotations

import json
import types
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from cmpie_lite.errors import DataError
from cmpie_lite.support.text import shown

LONGEST: Final = 20_000  # characters of a text
LARGEST: Final = 2**53  # beyond it, a float is no exact integer
DEEPEST: Final = 32  # lists and objects within each other
PLAIN: Final = (str, int, float, bool, None)
MARKUP: Final = frozenset("<>&`[]|\\")  # what HTML and Markdown read as more than text


@cache
def hints_of(kind: Any) -> dict[str, Any]:
    """The type hints of a class, which do not change, and take long to evaluate."""
    return get_type_hints(kind)


def load_json(text: str) -> Any:
    """The value that a JSON text holds.

    Raises:
        DataError: it is not JSON, is nested too deep, names something twice in one object, or holds NaN or an
            infinity, which JSON has not.
    """

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no number of JSON")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            (name, _), *_ = Counter(name for name, _ in pairs).most_common(1)
            raise ValueError(f"{shown(name)} stands more than once in one object")
        return found

    try:
        value = json.loads(text, parse_constant=refuse, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise DataError(f"it is not JSON ({shown(str(error))})") from error
    level = [value]
    for _ in range(DEEPEST):
        level = [x for outer in level for x in inside(outer)]
    if level:
        raise DataError(f"it is nested deeper than {DEEPEST} lists and objects")
    return value


def inside(value: Any) -> Iterable[Any]:
    """What a list or an object of JSON holds; nothing for other values."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def conform(value: Any, hint: Any, where: str = "it") -> None:
    """Check a value read from JSON against a type hint, all the way down.

    Hints may be bool, int, float (whole numbers too), str, None, Literal, unions, list[...], dict[str, ...],
    TypedDicts, whose keys are then all that there may be, and Any, which is every value of JSON. Numbers are
    finite and below 2^53 in size, texts printable and of at most 20,000 characters.

    Raises:
        DataError: the value is anything else; the message names the place, such as `runs.data[3]`.
    """
    if is_typeddict(hint):
        check_keys(value, hint, where)
        hints = hints_of(hint)
        for key, inner in value.items():
            conform(inner, hints[key], f"{where}.{key}")
    elif get_origin(hint) in (Union, types.UnionType):
        check_any(value, get_args(hint), where)
    elif get_origin(hint) is list and isinstance(value, list):
        for i, inner in enumerate(value):
            conform(inner, get_args(hint)[0], f"{where}[{i}]")
    elif get_origin(hint) is dict and isinstance(value, dict):
        for key, inner in value.items():
            conform(key, str, f"a key of {where}")
            conform(inner, get_args(hint)[1], f"{where}.{key[:40]}")
    elif hint is Any and isinstance(value, dict | list):
        conform(value, dict[str, Any] if isinstance(value, dict) else list[Any], where)
    elif hint is Any:
        check_any(value, PLAIN, where)
    elif not is_plain(value, hint):
        raise DataError(f"{where} is {shown(value)}, expected {getattr(hint, '__name__', hint)}")


def is_plain(value: Any, hint: Any) -> bool:
    """Whether a value is a word, number or text as the hint says, within the limits of `conform`."""
    if get_origin(hint) is Literal:
        return any(type(value) is type(word) and value == word for word in get_args(hint))
    if hint in (None, type(None)):
        return value is None
    if hint is float:
        return type(value) in (int, float) and abs(value) < LARGEST
    if hint is int:
        return type(value) is int and abs(value) < LARGEST
    if hint is str:
        return type(value) is str and len(value) <= LONGEST and value.isprintable()
    return hint is bool and type(value) is bool


def check_keys(value: Any, hint: Any, where: str) -> None:
    """Raise DataError unless a value is a dict with the keys of a TypedDict."""
    if not isinstance(value, dict):
        raise DataError(f"{where} is {shown(value)}, expected names and values")
    if lacking := sorted(hint.__required_keys__ - value.keys()):
        raise DataError(f"{where} has no {', '.join(lacking)}")
    if unknown := [key for key in value if key not in hint.__required_keys__ | hint.__optional_keys__]:
        raise DataError(f"{where} has {shown(unknown[0])}, which is unknown")


def check_any(value: Any, hints: tuple[Any, ...], where: str) -> None:
    """Raise DataError unless a value conforms to one of the hints."""
    for hint in hints:
        try:
            return conform(value, hint, where)
        except DataError:
            continue
    expected = " or ".join(getattr(hint, "__name__", str(hint)) for hint in hints)
    raise DataError(f"{where} is {shown(value)}, expected {expected}")


def check_no_markup(text: str, where: str) -> None:
    """Raise DataError where a name that pages will show holds a character of HTML or Markdown, or no text.

    Pages are Markdown, and Markdown may hold HTML: a data source called `<img src=x onerror=...>` would run
    in them.
    """
    bad = sorted({c for c in text if c in MARKUP or not c.isprintable()})
    if bad:
        raise DataError(
            f"{where} is {shown(text)}, which holds {', '.join(map(repr, bad))}: expected a plain name"
        )
