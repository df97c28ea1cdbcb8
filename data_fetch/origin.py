"""What the files of a folder are, said in a text beside them, so that files of two kinds never mix."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from cmpie_lite.errors import DataError
from data_fetch.files import whole_file


def read_origin(path: Path) -> str | None:
    """The text of such a file; None where there is none.

    Raises:
        DataError: the file is there but is no text.
    """
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}. Expected one line of text.") from error


def claim(path: Path, text: str, *, occupied: bool, also: Collection[str] = ()) -> None:
    """Say in `path` that the files beside it are `text`.

    Args:
        path: the file that says so.
        text: what the files are, or will be.
        occupied: whether there are such files already; then `path` must be there, and say so.
        also: other texts that it may replace.

    Raises:
        DataError: the files are of another kind, or nothing says of which; the message names both.
    """
    before = read_origin(path)
    if before is None and occupied:
        raise DataError(
            f"{path.parent} holds files, but no {path.name} that says what they are: {text!r} would mix with "
            "them. Choose another --out."
        )
    if before not in (None, text, *also):
        else_ = "" if occupied else f", or delete {path.name}: no such files are there yet"
        raise DataError(
            f"{path.parent} holds {before!r}, as {path.name} says, not {text!r}. Choose another --out{else_}."
        )
    with whole_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
