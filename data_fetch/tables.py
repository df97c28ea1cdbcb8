"""Tables of what was done, as csv files, and the disk space that a download needs."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from cmpie_lite.errors import DataError
from cmpie_lite.support.files import replace_file
from cmpie_lite.support.reading import read_text
from cmpie_lite.support.text import shown
from cmpie_lite.support.turns import taking_turns


def require_space(folder: Path, needed: int, what: str) -> None:
    """Raise `DataError` where the disk of `folder` has fewer than `needed` bytes free."""
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise DataError(
            f"{folder}: {what} needs {in_words(needed)}, but only {in_words(free)} are free. "
            "Free some space, or choose another disk with --out."
        )


def in_words(size: int) -> str:
    """A number of bytes, as a person says it."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Write a csv file with a header, atomically; what is no UTF-8 in a file's name is written as `\\udcff`.

    Raises:
        WriteError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    replace_file(path, text.getvalue().encode("utf-8", "backslashreplace"))


def merge_rows(
    path: Path, columns: Sequence[str], rows: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """Put rows, by the value of their first column, into a csv file of such rows; return all it has then.

    Processes that do so at the same time take turns, so each one's rows stay.

    Raises:
        DataError: the file is there, but is not such a csv file.
        WriteError: it cannot be written.
    """
    with taking_turns(path.parent):
        merged = {row[columns[0]]: row for row in read_rows(path, columns)}
        merged |= {name: dict(row) for name, row in rows.items()}
        write_rows(path, columns, [merged[name] for name in sorted(merged)])
    return merged


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a csv file of `write_rows`; an absent file is an empty one.

    Raises:
        DataError: the file is not such a csv file. ReadError: it is there and cannot be read.
    """
    try:
        reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
        rows = list(reader)
        found = tuple(reader.fieldnames or ())
    except FileNotFoundError:
        return []
    except (DataError, csv.Error) as error:
        raise DataError(f"{path}: not a csv file ({error}). Move it elsewhere and run again.") from error
    if found != tuple(columns) or any(None in row or None in row.values() for row in rows):
        raise DataError(
            f"{path}: columns {shown(', '.join(found))}, expected {', '.join(columns)} in every row. Move it "
            "elsewhere and run again."
        )
    return rows
