"""The members of a zip or tar archive, one after the other, and what to say of a file that is no archive."""

from __future__ import annotations

import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from cmpie_lite.errors import DataError, WriteError
from cmpie_lite.support.files import DISK_ERRORS
from data_fetch.sources import FEATURES_BYTES

MEMBER_BYTES: Final = 2**20  # the largest array, 80 x 2048 float32, has 655488 bytes with its header
ENCRYPTED: Final = 1  # among a zip member's flags
UNPACKED_ELSEWHERE: Final = {
    b"7z\xbc\xaf": "a 7z archive", b"Rar!": "a rar archive", b"\x28\xb5\x2f\xfd": "a zstd archive",
}  # fmt: skip
OTHERS: Final = UNPACKED_ELSEWHERE | {  # the first bytes of files that are no archive, or not all of one
    b"<": "a web page", b"\x93NUMPY": "a single array", b"PK": "a zip archive", b"\x1f\x8b": "a gzip file",
}  # fmt: skip
# feats.zip.001, feats.z01, feats.part2.rar, feats.tar.gz.aa
PART_NAME: Final = re.compile(r"\.((?:z|part)?\d{1,3}|a[a-z])(?:\.rar)?$")


@dataclass(frozen=True)
class Member:
    """One entry of an archive."""

    name: str
    kind: str  # "file", "folder" or what else it is
    size: int
    read: Callable[[], IO[bytes]]


@contextmanager
def open_archive(archive: Path) -> Iterator[Iterable[Member]]:
    """The members of a zip or tar archive; a library's troubles with it become a `DataError`."""
    if not archive.is_file():
        raise DataError(f"{archive}: no such file. Give an archive or folder of features.")
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as bundle:
                if any(info.flag_bits & ENCRYPTED for info in bundle.infolist()):
                    raise NotImplementedError("it is encrypted")
                yield [_zip_member(bundle, info) for info in bundle.infolist()]
        else:
            with tarfile.open(archive) as tape:
                yield (_tar_member(tape, info) for info in tape)
    except (DataError, WriteError):
        raise
    except OSError as error:
        if (
            isinstance(error, PermissionError) or error.errno in DISK_ERRORS
        ):  # the system's, not the content's
            raise DataError(
                f"{archive}: cannot be read ({error.strerror}). Mend that and run again."
            ) from error
        raise _damaged(archive, error) from error
    except NotImplementedError as error:
        raise DataError(
            f"{archive}: cannot be unpacked here ({error}). Unpack it yourself, and give the folder."
        ) from error
    except (
        *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
        *(ValueError, RuntimeError, LookupError, ArithmeticError),
    ) as error:
        raise _damaged(archive, error) from error


def _damaged(archive: Path, error: Exception) -> DataError:
    """What to say of a file that is no archive; of what may be a part of one, how to join the parts."""
    with archive.open("rb") as file:
        head = file.read(8)
    other = next((name for magic, name in OTHERS.items() if head.startswith(magic)), "")
    part = PART_NAME.search(archive.name)
    advice = "Did all of it come? Fetch it again, under another name."
    if part:
        advice = (
            f"It seems to be part {part[1]} of several: join them in their order "
            "(cat PART1 PART2 ... > WHOLE) and give the whole."
        )
    elif other in UNPACKED_ELSEWHERE.values():
        advice = "Unpack it with a program for such files, and give the folder."
    reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(":")
    if other and reason.startswith("file could not be opened"):
        reason = f"it begins as {other} does"
    return DataError(f"{archive}: not a whole zip or tar archive ({reason[:200]}). {advice}")


def _zip_member(bundle: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    mode = info.external_attr >> 16 & 0o170000
    kind = {0: "file", 0o100000: "file", 0o040000: "folder", 0o120000: "link"}.get(mode, "device")
    if info.is_dir():
        kind = "folder"
    return Member(info.filename, kind, info.file_size, lambda: bundle.open(info))


def _tar_member(tape: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    checks = {"file": info.isreg(), "folder": info.isdir(), "link": info.issym() or info.islnk()}
    kind = next((name for name, holds in checks.items() if holds), "device")

    def read() -> Any:
        return tape.extractfile(info)

    return Member(info.name, kind, info.size, read)


def unpacked_bytes(archive: Path) -> int:
    """About how many bytes an archive holds: what a zip's directory says, three times its size for others.

    Raises:
        DataError: a zip archive whose directory is damaged.
    """
    if archive.is_file() and zipfile.is_zipfile(archive):
        with open_archive(archive) as members:
            return sum(min(member.size, MEMBER_BYTES) for member in members)
    return min(3 * archive.stat().st_size, FEATURES_BYTES) if archive.is_file() else 0
