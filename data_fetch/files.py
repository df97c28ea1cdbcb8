"""Files that are either whole or absent: atomic writes, csv manifests, disk space."""

from __future__ import annotations

import csv
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from cmpie_lite.errors import DataError

DISK_ERRORS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EISDIR)
PART: Final = ".part"  # of temporary files, whose names also begin with a dot
STALE_SECONDS: Final = 600.0


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder; rename it to `path` on success, remove it on failure.

    Example:
        >>> with whole_file(Path("a.txt")) as temporary:
        ...     _ = temporary.write_text("complete or not at all")

    Raises:
        DataError: the folder cannot be written, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", suffix=PART, dir=path.parent)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}). Choose another folder.") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o644)  # mkstemp's files are private
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        raise DataError(f"{path}: writing failed ({error.strerror}). Make room, and run again.") from error
    finally:
        temporary.unlink(missing_ok=True)


def sweep(*folders: Path) -> None:
    """Remove temporary files that killed processes left: those that have not changed for ten minutes."""
    for path in (path for folder in folders for path in folder.glob(f".*{PART}")):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                path.unlink()


def require_space(folder: Path, needed: int, what: str) -> None:
    """Raise `DataError` where the disk of `folder` has fewer than `needed` bytes free."""
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise DataError(
            f"{folder}: {what} needs {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free. "
            "Free some space, or choose another disk with --out."
        )


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Write a csv file with a header, atomically."""
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a csv file of `write_rows`; an absent file is an empty one.

    Raises:
        DataError: the file is not such a csv file.
    """
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
            found = tuple(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable csv file ({error}). Remove it and run again.") from error
    if found != tuple(columns) or any(None in row or None in row.values() for row in rows):
        raise DataError(
            f"{path}: columns {list(found)}, expected {list(columns)} in every row. Remove it and run again."
        )
    return rows
