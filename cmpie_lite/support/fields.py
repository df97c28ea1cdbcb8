"""Frozen dataclasses whose every field is checked, and copies of them with some fields replaced."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

from cmpie_lite.errors import ConfigError
from cmpie_lite.support.names import did_you_mean


def require(config: Any, name: str, holds: bool, expected: str) -> None:
    """Raise `ConfigError` naming the field, the value received and what was expected."""
    if not holds:
        kind, value = type(config).__name__, getattr(config, name)
        raise ConfigError(f"{kind}.{name} = {value!r}, expected {expected}.")


def check_fields(config: Any) -> None:
    """Check every field of a frozen dataclass against its annotation (bool, int, float, str, Literal)."""
    for name, hint in get_type_hints(type(config)).items():
        value = getattr(config, name)
        if get_origin(hint) is Literal:
            choices = get_args(hint)
            require(config, name, value in choices, "one of " + ", ".join(map(repr, choices)))
        elif hint is float:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            require(config, name, number and value == value, "a number")
        elif hint in (int, bool, str):  # bool is an int to Python, not to us
            require(config, name, type(value) is hint, f"a value of type {hint.__name__}")


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
                f"{type(config).__name__} has no field {name!r}.{did_you_mean(name, known)} "
                f"Fields: {', '.join(known)}."
            )
    return dataclasses.replace(config, **changes)


def misfit(value: Any, kind: Any, name: str = "it") -> str:
    """Where a value that was read from JSON departs from its type, in words; empty where it does not.

    Args:
        value: dicts, lists, texts, numbers, as `json.loads` gives them.
        kind: a TypedDict, `dict[str, X]`, `list[X]`, `X | None`, str, int, float or Any.
        name: what the words call the value.

    Example:
        >>> misfit({"recipe": {"seed": "1"}}, dict[str, dict[str, int]])
        "recipe.seed is '1', expected int"
    """
    if kind is Any:
        return ""
    inside = "" if name == "it" else f"{name}."
    parts: dict[str, tuple[Any, Any]] = {}  # name -> part and its type
    if get_origin(kind) is UnionType:
        faults = [misfit(value, one, name) for one in get_args(kind)]
        return "" if "" in faults else faults[0]
    whole = dict if is_typeddict(kind) else get_origin(kind) or kind
    number = whole is float and type(value) is int
    if not (isinstance(value, whole) or number) or (type(value) is bool and whole is not bool):
        return f"{name} is {str(value)[:40]!r}, expected {'an object' if whole is dict else whole.__name__}"
    if is_typeddict(kind):
        if lacking := sorted(kind.__required_keys__ - value.keys()):
            return f"{name} has no {' and no '.join(lacking)}"
        hints = get_type_hints(kind)
        parts = {f"{inside}{key}": (value[key], hint) for key, hint in hints.items() if key in value}
    elif whole is dict:
        parts = {f"{inside}{key}": (part, get_args(kind)[1]) for key, part in value.items()}
    elif whole is list:
        parts = {f"{name}[{i}]": (part, get_args(kind)[0]) for i, part in enumerate(value)}
    return next(filter(None, (misfit(part, hint, key) for key, (part, hint) in parts.items())), "")
