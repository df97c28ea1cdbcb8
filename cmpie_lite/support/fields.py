"""Frozen dataclasses whose every field is checked, and copies of them with some fields replaced."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal, get_args, get_origin

from cmpie_lite.errors import ConfigError
from cmpie_lite.support.names import did_you_mean
from cmpie_lite.support.text import shown, user_path
from cmpie_lite.support.typed import hints_of

LARGEST: Final = 2**53  # of any number: beyond it, a float is no exact integer
WIDEST: Final = 8192  # sixteen times the paper's: a file's config may not ask for more memory than there is
DEEPEST: Final = 64  # layers


def require(config: Any, name: str, holds: bool, expected: str) -> None:
    """Raise `ConfigError` naming the field, the value received and what was expected."""
    if not holds:
        kind, value = type(config).__name__, getattr(config, name)
        raise ConfigError(f"{kind}.{name} = {shown(value)}, expected {expected}.")


def require_whole(config: Any, name: str, low: int, high: int) -> None:
    """Raise `ConfigError` unless a field is an integer from low to high."""
    require(config, name, low <= getattr(config, name) <= high, f"an integer >= {low} and <= {high}")


@contextmanager
def as_told_of(name: str, kind: type[ValueError] = ConfigError) -> Iterator[None]:
    """Let an error of one kind from inside the block begin with the setting that a reader has given."""
    try:
        yield
    except kind as error:
        raise kind(f"{name}: {error}") from error


def check_fields(config: Any) -> None:
    """Check every field of a frozen dataclass against its annotation (bool, int, float, str, Literal)."""
    kind: Any = type(config)
    for name, hint in hints_of(kind).items():
        value = getattr(config, name)
        if get_origin(hint) is Literal:
            choices = get_args(hint)
            require(config, name, value in choices, "one of " + ", ".join(map(repr, choices)))
        elif hint is float:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            require(config, name, number and value == value and small(value), "a number")
        elif hint in (int, bool, str):  # bool is an int to Python, not to us
            require(config, name, type(value) is hint, f"a value of type {hint.__name__}")
            require(config, name, small(value), f"a number below {LARGEST} in size")


def spell_out_paths(config: Any, *names: str) -> None:
    """Replace fields that are paths, or empty, by what `user_path` makes of them.

    Raises:
        ConfigError: one is no path.
    """
    for name in names:
        if value := getattr(config, name):
            with as_told_of(name):
                object.__setattr__(config, name, str(user_path(value)))


def small(value: Any) -> bool:
    """False for whole numbers of which a float is no exact copy."""
    return type(value) is not int or abs(value) < LARGEST


def override(config: Any, changes: Mapping[str, Any]) -> Any:
    """Return a copy of a frozen config with some fields replaced; unknown names raise `ConfigError`.

    Example:
        >>> override(HAN, {"dropout": 0.0}).dropout
        0.0
    """
    known = [f.name for f in dataclasses.fields(config)]
    for name in changes:
        if name not in known:
            raise ConfigError(
                f"{type(config).__name__} has no field {shown(name)}.{did_you_mean(name, known)} "
                f"Fields: {', '.join(known)}."
            )
    return dataclasses.replace(config, **changes)
