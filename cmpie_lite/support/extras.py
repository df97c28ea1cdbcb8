"""Packages that only some commands need: imported when they are, and named where they are missing."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from cmpie_lite.errors import DataError


def need(package: str, extra: str) -> Any:
    """Import a package of one of this project's extras (pyproject.toml) and return it.

    Raises:
        DataError: it cannot be imported; the message names the extra that installs it.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise DataError(
            f"{package} cannot be imported ({error}). Run `pip install -e '.[{extra}]'` in the project's "
            "folder, where its pyproject.toml is."
        ) from error


def installed(package: str) -> bool:
    """Whether a package is there to be imported."""
    return find_spec(package) is not None
