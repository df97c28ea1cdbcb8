"""Packages that only some commands need: imported when they are, and named where they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cmpie_lite.errors import DataError


def need(package: str, extra: str) -> Any:
    """Import a package of one of this project's extras and return it.

    Raises:
        DataError: it cannot be imported; the message names the extra that installs it.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise DataError(
            f"{package} cannot be imported ({error}). Run `pip install 'cmpie-lite[{extra}]'`."
        ) from error
