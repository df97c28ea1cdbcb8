"""Files that are whole or absent: written beside their place, on the disk before they take it."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from cmpie_lite.errors import DataError, WriteError

PART: Final = ".part"  # of temporary files, whose names also begin with a dot
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
    temporary, held = claim(path)
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
        if held is not None:
            os.close(held)


def claim(path: Path) -> tuple[Path, int | None]:
    """A new temporary file for `path`, and the handle whose lock says that its writer lives.

    Raises:
        WriteError: the folder cannot be made or written.
    """
    while True:
        temporary = path.with_name(f".{path.name}-{uuid4().hex}{PART}")  # process ids repeat between machines
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.touch(exist_ok=False)
        except OSError as error:
            raise cannot_write(path, error) from error
        try:
            held = hold(temporary, wait=True)
        except OSError:  # this system, or this disk, has no locks
            return temporary, None
        if held is not None:
            return temporary, held


def hold(path: Path, *, wait: bool) -> int | None:
    """A handle that has the lock on a file or folder; None where another one has it, or removed the file.

    The system lets go of a lock when its process ends, however it ends. So whoever holds it lives, whatever
    the clocks of two machines say.

    Raises:
        OSError: it cannot be opened, or the disk has no locks.
    """
    locks = locking()
    try:
        handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        locks.flock(handle, locks.LOCK_EX if wait else locks.LOCK_EX | locks.LOCK_NB)
        if os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(handle)
        raise
    os.close(handle)
    return None


def locking() -> Any:
    """The module of the system's locks.

    Raises:
        LockError: it has none.
    """
    try:
        import fcntl
    except ImportError as error:
        raise LockError(
            errno.ENOLCK, "this system has no locks on files: on Windows, run it in WSL (wsl --install)"
        ) from error
    return fcntl


class LockError(OSError):
    """A system without locks on files."""


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
    path, held = folder / f".{uuid4().hex}{PART}", None
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    with suppress(OSError):  # no locks here: then nobody sweeps either
        held = hold(path, wait=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if held is not None:
            os.close(held)


def sweep(*folders: Path) -> None:
    """Remove what killed processes left: temporary files and folders of which no living process has the lock.

    Where a disk has no locks, nothing is removed.
    """
    _remove_stale(path for folder in folders for path in folder.glob(f".*{PART}"))


def _remove_stale(partials: Iterable[Path]) -> None:
    for path in partials:
        with suppress(OSError):
            held = hold(path, wait=False)
            if held is None:
                continue
            try:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            finally:
                os.close(held)


def check_writable(folder: Path) -> None:
    """Raise `WriteError` now where a run could not save its first epoch; sweep the folder."""
    sweep(folder)
    probe = folder / ".writable"
    replace_file(probe, b"")
    probe.unlink(missing_ok=True)  # two that begin the same run share it: the other may have removed it


def check_place(path: Path) -> None:
    """Raise `WriteError` now where a file could not be put at the end of long work."""
    check_writable(path.parent)
    if path.is_dir():
        raise cannot_write(path, OSError(errno.EISDIR, os.strerror(errno.EISDIR)))


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
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    path.touch()
    held = hold(path, wait=False)
    if held is None:
        raise DataError(
            f"{folder}: another process is writing a store there. Wait for its end, or choose another folder."
        )
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(held)


@contextmanager
def taking_turns(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a block for this folder, which is made where it is missing.

    For what takes a moment, such as reading a file and writing it anew.

    Raises:
        WriteError: the folder cannot be made or written.
    """
    path, held = folder / TURN, None
    while held is None:  # None: the one before has ended, and its file with it
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.touch()
            held = hold(path, wait=True)
        except OSError as error:
            raise cannot_write(path, error) from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(held)
