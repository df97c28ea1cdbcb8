"""Files that are whole or absent: written beside their place, on the disk before they take it."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from os.path import exists, isdir, isfile, islink, lexists  # these say no where they may not look
from pathlib import Path
from typing import Final
from uuid import uuid4

from cmpie_lite.errors import WriteError
from cmpie_lite.support.locks import hold

PART: Final = ".part"  # of temporary files, whose names also begin with a dot
LOCK, TURN, WORK = ".lock", f".turn{PART}", f".work{PART}"  # what is locked, in the folder that it is for
OURS: Final = re.compile(rf"\.(turn|work|(.*-)?[0-9a-f]{{32}}){PART}")  # other programs have such files too
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
    for path in filter(lambda path: OURS.fullmatch(path.name), partials):
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


def check_writable(folder: Path, *names: str) -> None:
    """Raise `WriteError` now where long work could not save its files of these names; sweep the folder."""
    sweep(folder)
    probe = folder / ".writable"
    replace_file(probe, b"")
    probe.unlink(missing_ok=True)  # two that begin the same run share it: the other may have removed it
    for path in (folder / name for name in names):
        if obstacle(path):
            raise cannot_write(path, FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)))


def cannot_write(path: Path, error: OSError) -> WriteError:
    """What to say, and what to advise, where the system refuses to write a file."""
    if stands := obstacle(path):
        return WriteError(f"{path}: cannot be written: {stands}. Move it, or choose another folder.")
    here = next(p for p in path.absolute().parents if exists(p))
    free = shutil.disk_usage(here).free / 1e6
    advice = "Make room, and run again" if error.errno in DISK_FULL else "Choose another folder"
    return WriteError(
        f"{path}: cannot be written ({error.strerror}; {free:.1f} MB free). {advice}: what was saved before "
        "is untouched."
    )


def obstacle(path: Path) -> str:
    """What stands in the place of a file, or of a folder above it; empty where nothing does."""
    if path.name in (LOCK, TURN, WORK) and islink(path):
        return "it is a link, expected a file of ours"
    if exists(path) and not isfile(path):
        return f"it is a {'folder' if isdir(path) else 'pipe or a device'}, expected a file"
    above = next(p for p in path.absolute().parents if lexists(p))
    if isdir(above):
        return ""
    return f"{above} is a {'file or a pipe' if exists(above) else 'link to nothing'}, expected a folder"


def file_hash(path: Path) -> str:
    """The file's sha256, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
