"""Files that are whole or absent: written beside their place, on the disk before they take it."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from cmpie_lite.errors import CheckpointError, DataError

STALE_SECONDS: Final = 3600.0
SWEEP_SECONDS: Final = 600.0


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader, a kill or a full disk sees the old content or the new, nothing between.

    Raises:
        CheckpointError: if it cannot be written; the old file is then still there, and no partial one.
    """
    partial = path.with_name(f".{path.name}.{uuid4().hex}.part")  # process ids repeat between machines
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.glob(f".{path.name}.*.part"):  # of a process that was killed here
            with suppress(OSError):
                if time.time() - old.stat().st_mtime > STALE_SECONDS:
                    old.unlink()
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        advice = "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "mend that"
        here = next(p for p in (path.parent, *path.parent.parents) if p.exists())
        free = shutil.disk_usage(here).free
        raise CheckpointError(
            f"cannot write {path} ({len(content) / 1e6:.1f} MB, {free / 1e6:.1f} MB free): {error}. "
            f"What was saved before is untouched: {advice} and start the same run again."
        ) from error


def check_writable(folder: Path) -> None:
    """Raise `CheckpointError` now where a run could not save its first epoch."""
    replace_file(folder / ".writable", b"")
    (folder / ".writable").unlink(missing_ok=True)  # another process may do the same


LOCK: Final = ".lock"


def file_hash(path: Path) -> str:
    """The file's sha256, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep every other writer out of a folder, which is made where it is missing, until the block ends.

    The system holds the lock, and lets go of it when this process ends, however it ends.

    Raises:
        DataError: another writer is at work there.
        OSError: the folder cannot be made or written.
    """
    import fcntl  # Windows has none, but can read stores

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.path.samestat(os.fstat(file.fileno()), path.stat())
        except (BlockingIOError, FileNotFoundError):  # not found: the other one has just ended
            held = False
        if not held:
            raise DataError(
                f"{folder}: another process is writing a store there. Wait for its end, or choose another "
                "folder."
            )
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


DISK_ERRORS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EISDIR)


PART: Final = ".part"  # of temporary files, whose names also begin with a dot


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
            if time.time() - path.stat().st_mtime > SWEEP_SECONDS:
                path.unlink()
