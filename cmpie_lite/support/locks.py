"""Locks of the system on files and folders: whoever holds one lives, whatever the clocks of machines say."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any


class LockError(OSError):
    """A system, or a disk, without locks on files."""


def hold(path: Path, *, wait: bool, make: bool = False) -> int | None:
    """A handle that has the lock on a file or folder; None where another one has it, or removed the file.

    The system lets go of a lock when its process ends, however it ends. Links are not followed.

    Args:
        path: the file or folder.
        wait: until the lock is free, however long that is.
        make: the file where it is missing; then nothing but a file will do.

    Raises:
        LockError: there are no locks here.
        OSError: it cannot be opened, or is a link.
    """
    locks = locking()
    folder = not make and path.is_dir()
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_RDONLY if folder else os.O_RDWR)
    try:
        handle = os.open(path, flags | os.O_CREAT * make, 0o666)
    except FileNotFoundError:
        if make:
            raise
        return None
    try:
        if make and not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EEXIST, "it is no file")
        locks.flock(handle, locks.LOCK_EX if wait else locks.LOCK_EX | locks.LOCK_NB)
        if os.path.samestat(os.fstat(handle), path.lstat()):
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        os.close(handle)
        if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise LockError(error.errno, f"this disk has no locks on files ({error.strerror})") from error
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
