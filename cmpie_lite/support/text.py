"""Text from outside, such as the names of files: fit to be printed, to be an id, to be quoted in an error."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path
from typing import Any, Final

from cmpie_lite.errors import ConfigError

# Control characters, halves of characters (bytes that are no UTF-8), separators of lines and paragraphs.
UNPRINTABLE: Final = ("Cc", "Cs", "Zl", "Zp")
TURNING: Final = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # they reorder what stands around


def printable(text: str, keep: str = "\n") -> str:
    r"""The text with what a terminal would obey, or no file of UTF-8 can hold, written out as in `\x1b`.

    Example:
        >>> printable("red \x1b[31m")
        'red \\x1b[31m'
    """
    return "".join(
        c.encode("unicode_escape").decode()
        if c not in keep and (c in TURNING or unicodedata.category(c) in UNPRINTABLE)
        else c
        for c in text
    )


def user_path(text: str | Path) -> Path:
    """A path as a person writes it, `~` for the home folder: a shell leaves that alone in `--out=~/llp`.

    Raises:
        ConfigError: it is empty, holds a NUL, or a name longer than any file's: no path.
    """
    path = os.path.expanduser(text)
    if not str(text) or "\0" in path or any(len(os.fsencode(part)) > 255 for part in Path(path).parts):
        raise ConfigError(f"{shown(str(text))} is no path, expected one such as data/llp or ~/llp.")
    return Path(path)


def file_stem(path: Path | str, longest: int = 200) -> str:
    """A file's stem as a name for other files: fit to be printed, at most so many bytes of UTF-8.

    Of a stem that is longer, its beginning and a digest. A name of 200 leaves room for what is put beside it.
    """
    name = printable(Path(path).stem, keep="")
    if len(name.encode()) <= longest:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name.encode()[: longest - 13].decode(errors='ignore')}-{digest}"


def shown(value: Any, longest: int = 120) -> str:
    """A value as Python writes it, cut where it is longer than a message can bear."""
    if isinstance(value, str):
        cut = f"{value[:longest]!r}... ({len(value)} characters)"
        return repr(value) if len(value) <= longest else cut
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, lists in lists without end
        return f"<{type(value).__name__} that is too large to print>"
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"


def clipped(text: str, longest: int = 2000) -> str:
    """The text, its middle left out where it is longer."""
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]} ... {text[-half:]}"
