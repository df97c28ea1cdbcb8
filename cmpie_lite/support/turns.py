"""One process after the other at work in a folder, or several that know of each other."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os.path import lexists
from pathlib import Path

from cmpie_lite.errors import DataError
from cmpie_lite.support.files import LOCK, PART, TURN, WORK, cannot_write, part_folder
from cmpie_lite.support.locks import LockError, hold
from cmpie_lite.support.text import printable


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep every other writer out of a folder, which is made where it is missing, until the block ends.

    Raises:
        DataError: another writer is at work there.
        WriteError: the folder cannot be made or written. LockError: there are no locks here.
    """
    with _released(folder / LOCK, take(folder / LOCK, wait=False)) as held:
        if held is None:
            raise DataError(
                f"{folder}: another process is writing a store there. Wait for its end, or choose another "
                "folder."
            )
        yield


@contextmanager
def taking_turns(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a block for this folder, which is made where it is missing.

    For what takes a moment, such as reading a file and writing it anew.

    Raises:
        WriteError: the folder cannot be made or written. LockError: there are no locks here.
    """
    while (held := take(folder / TURN, wait=True)) is None:  # the one before has ended, and its file with it
        pass
    with _released(folder / TURN, held):
        yield


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other process is at such work for this folder, and say so; for work that is long.

    Whoever waited finds what the other has done. Where the disk has no locks, nobody waits.

    Raises:
        WriteError: the folder cannot be made or written.
    """
    held = None
    with suppress(LockError):
        if (held := take(folder / WORK, wait=False)) is None:
            line = f"{folder}: another process is at work there: waiting for its end, to go on from there."
            print(printable(line), file=sys.stderr)
        while held is None:
            held = take(folder / WORK, wait=True)
    with _released(folder / WORK, held):
        yield


@contextmanager
def beside_others(folder: Path) -> Iterator[None]:
    """Be at work for a folder, as `at_work` then says, where others may be so too.

    Raises:
        WriteError: the folder cannot be made or written.
    """
    with part_folder(folder):
        yield


def at_work(folder: Path) -> bool:
    """Whether a process is at work for this folder, alone or `beside_others`; False where that is unknown."""
    return any(map(_is_held, (folder / WORK, *folder.glob(f".*{PART}"))))


def _is_held(path: Path) -> bool:
    try:
        held = hold(path, wait=False)
    except OSError:
        return False
    if held is None:
        return lexists(path)
    os.close(held)
    return False


def take(path: Path, *, wait: bool) -> int | None:
    """As `hold`, of a file that is made where it is missing; what cannot be is said as of any file.

    Raises:
        WriteError: the file cannot be made or written. LockError: there are no locks here.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return hold(path, wait=wait, make=True)
    except LockError:
        raise
    except OSError as error:
        raise cannot_write(path, error) from error


@contextmanager
def _released(path: Path, held: int | None) -> Iterator[int | None]:
    """Let go of a lock when the block ends, and of its file."""
    try:
        yield held
    finally:
        if held is not None:
            with suppress(OSError):
                path.unlink()
            os.close(held)
