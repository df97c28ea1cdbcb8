"""Files that are whole or absent: written beside their place, on the disk before they take it."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Final
from uuid import uuid4

from cmpie_lite.errors import DataError, WriteError

PART: Final = ".part"  # of temporary files, whose names also begin with a dot
STALE_SECONDS: Final = 3600.0  # a temporary file that has not changed for so long has no living writer
DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
DISK_ERRORS: Final = (*DISK_FULL, errno.EFBIG, errno.EIO, errno.EROFS, errno.EISDIR)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder; on success it becomes `path`, on failure it is removed.

    Its bytes are on the disk before it takes its place, so a reader, a kill or a full disk sees the old file
    or the new one, nothing between. The folder is made where it is missing.

    Example:
        >>> with whole_file(Path("a.txt")) as temporary:
        ...     _ = temporary.write_text("complete or not at all")

    Raises:
        WriteError: the folder cannot be written, or the disk is full; the old file is then still there.
    """
    temporary = path.with_name(f".{path.name}-{uuid4().hex}{PART}")  # process ids repeat between machines
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        try:
            yield temporary
        except OSError as error:
            if error.errno not in DISK_ERRORS:  # not of this file: the block does other things too
                raise
            raise cannot_write(path, error) from error
        try:
            with temporary.open("r+b") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Write a `whole_file` of this content, and remove what killed processes left beside it.

    Raises:
        WriteError: as `whole_file`.
    """
    _remove_stale(path.parent.glob(f".{escape(path.name)}-*{PART}"))
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def part_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder in `folder` for what other code writes by its own names; removed when the block ends.

    Raises:
        WriteError: it cannot be made.
    """
    path = folder / f".{uuid4().hex}{PART}"
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def sweep(*folders: Path) -> None:
    """Remove what killed processes left: temporary files and folders that have not changed for an hour."""
    _remove_stale(path for folder in folders for path in folder.glob(f".*{PART}"))


def _remove_stale(partials: Iterable[Path]) -> None:
    for path in partials:
        with suppress(OSError):
            changed = max(file.lstat().st_mtime for file in (path, *path.rglob("*")))
            if time.time() - changed <= STALE_SECONDS:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def check_writable(folder: Path) -> None:
    """Raise `WriteError` now where a run could not save its first epoch."""
    probe = folder / ".writable"
    replace_file(probe, b"")
    probe.unlink(missing_ok=True)  # two that begin the same run share it: the other may have removed it


def cannot_write(path: Path, error: OSError) -> WriteError:
    """What to say, and what to advise, where the system refuses to write a file."""
    here = next(p for p in (path.absolute().parent, *path.absolute().parents) if p.exists())
    free = shutil.disk_usage(here).free / 1e6
    advice = "Make room, and run again" if error.errno in DISK_FULL else "Choose another folder"
    return WriteError(
        f"{path}: cannot be written ({error.strerror}; {free:.1f} MB free). {advice}: what was saved before "
        "is untouched."
    )


LOCK: Final = ".lock"
TURN: Final = ".turn"


def file_hash(path: Path) -> str:
    """The file's sha256, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


@contextmanager
def taking_turns(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a block for this folder, which is made where it is missing.

    For what takes a moment, such as reading a file and writing it anew.

    Raises:
        WriteError: the folder cannot be made or written.
    """
    import fcntl  # Windows has none, but can read what was written

    path = folder / TURN
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = path.open("ab")
        except OSError as error:
            raise cannot_write(path, error) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                held = os.path.samestat(os.fstat(file.fileno()), path.stat())
            except FileNotFoundError:  # the one before has ended, and its file with it
                held = False
            if held:
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)
                return
