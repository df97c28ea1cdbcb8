"""Files read through one open handle: what is read is one file, whoever puts another in its place meanwhile.

Opened twice by its name, as some libraries do, a file that is replaced in between gives the head of one and
the body of the other. And a file that looks damaged is looked at again where it has changed since: it may
have been on its way here.
"""

from __future__ import annotations

import codecs
import mmap
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeGuard, TypeVar

from cmpie_lite.errors import DataError, ReadError
from cmpie_lite.support.files import DISK_FULL
from cmpie_lite.support.text import clipped

LOOKS: Final = 5  # at a file that changes while it is looked at
LARGEST_TEXT: Final = 100_000_000  # bytes: all of LLP's labels are 2 MB
SAVE_AS: Final = "save it as UTF-8 in the program that wrote it"
Content = TypeVar("Content")
Buffer = bytearray | mmap.mmap


@contextmanager
def opened(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """The descriptor and status of a file, for the time of the block. A pipe is no file, and not waited for.

    Raises:
        FileNotFoundError: it is not there.
        ReadError: it is no file, or the system refuses.
    """
    handle = -1
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ReadError(f"{path} is a folder, a pipe or a device, expected a file. Give another path.")
        yield handle, status
    except FileNotFoundError:
        raise
    except OSError as error:
        raise cannot_read(path, error) from error
    finally:
        if handle >= 0:
            os.close(handle)


def read_bytes(path: Path, largest: int) -> bytearray:
    """A file's whole content, of at most `largest` bytes.

    Raises:
        FileNotFoundError, ReadError: as `opened`.
        DataError: it is larger.
    """
    with opened(path) as (handle, status):
        check_size(path, status.st_size, largest)
        content = bytearray()
        with open(handle, "rb", closefd=False) as file:
            while chunk := file.read(min(largest + 1 - len(content), max(status.st_size, 1 << 16))):
                content += chunk
                check_size(path, len(content), largest)
        return content


def read_text(path: Path, largest: int = LARGEST_TEXT) -> str:
    """A text file's whole content, UTF-8 or marked as UTF-16, of at most `largest` bytes.

    Raises:
        FileNotFoundError, ReadError, DataError: as `read_bytes`.
        DataError: it is no such text.
    """
    try:
        return as_utf8(read_bytes(path, largest)).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"it is no text of UTF-8 ({error}); {SAVE_AS}") from error


def as_utf8(content: bytes | bytearray) -> bytes:
    """A text's bytes without the mark of its coding; UTF-16, a spreadsheet's "Unicode text", as UTF-8."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        with suppress(UnicodeError):  # no UTF-16 after all, and no UTF-8 either
            return content.decode("utf-16").encode()
    return bytes(content).removeprefix(codecs.BOM_UTF8)


def map_bytes(path: Path, largest: int) -> Buffer:
    """As `read_bytes`, mapped: read when it is used. What is written into it stays in this process."""
    with opened(path) as (handle, status):
        check_size(path, status.st_size, largest)
        if not status.st_size:
            return bytearray()
        return mmap.mmap(handle, status.st_size, access=mmap.ACCESS_COPY)


def look(path: Path, read: Callable[[Path], Content]) -> Content:
    """What `read` makes of a file; a fault of its content counts once the file no longer changes.

    Raises:
        Whatever `read` does.
    """
    for _ in range(LOOKS):
        before = state_of(path)
        try:
            return read(path)
        except (DataError, FileNotFoundError):
            if before == state_of(path):
                raise
    return read(path)


def state_of(path: Path) -> tuple[int, ...]:
    """What differs once a file was replaced or written to; empty where it is not there."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def check_size(path: Path, size: int, largest: int) -> None:
    """Raise DataError for a file that is larger than its kind can be."""
    if size > largest:
        raise DataError(f"{path} has more than {largest} bytes, expected at most that: it is another file")


def of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is full: Python's, or PyTorch's, which is not loaded here."""
    of_a_gpu, on_a_cpu = type(error).__name__ == "OutOfMemoryError", "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or of_a_gpu or on_a_cpu


def of_disk(error: BaseException) -> TypeGuard[OSError]:
    """Whether an error says that a disk is full, or what of it one may use."""
    return isinstance(error, OSError) and error.errno in DISK_FULL


def without_temporary_folder(error: BaseException) -> TypeGuard[FileNotFoundError]:
    """Whether an error is Python's, which has tried every folder for temporary files that it knows of."""
    return isinstance(error, FileNotFoundError) and "No usable temporary dir" in str(error.strerror)


def told(error: BaseException) -> str:
    """An error in words; of one that the system has raised, the file and what it says of it."""
    if without_temporary_folder(error):
        what = f"{error.strerror}: each of them is missing, full or closed to you"
        return f"{what}. Let TMPDIR name a folder that can be written, as in export TMPDIR=~, and run again."
    if of_memory(error):
        why = clipped((str(error).splitlines() or ["no more to be had"])[0], 200)
        return (
            f"memory is full ({why}). Make room, or batches, models or data smaller, and run again: what was "
            "saved before is untouched."
        )
    if of_disk(error):
        which = f"{error.filename}: " if error.filename else ""
        return f"{which}{error.strerror}. Make room, and run again: what was saved before is untouched."
    if not isinstance(error, OSError) or error.filename is None:
        return str(error)
    what = f"{error.filename} cannot be read or written ({error.strerror})"
    return f"{what}; nothing is known of its content. Mend the access to it, and run again."


def cannot_read(path: Path, error: OSError) -> ReadError:
    """What to say where the system does not give a file's content."""
    return ReadError(
        f"{path} cannot be read ({error.strerror}); nothing is known of its content. Mend the access to it, "
        "and run again."
    )
