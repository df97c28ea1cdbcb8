"""Feature arrays out of a zip or tar archive that nobody vouches for.

Nothing is extracted by the name that the archive gives: a member counts only if its path ends in
`vggish/ID.npy` (or `res152/...`, `r2plus1d_18/...`), and is written to that place below the output folder.
An archive with absolute paths, `..`, links or devices is refused, and so is one whose members are larger
than a feature array can be.
"""

from __future__ import annotations

import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from tqdm import tqdm

from cmpie_lite.data.llp_names import VIDEO_ID, feature_name
from cmpie_lite.errors import DataError, WriteError
from cmpie_lite.support.files import DISK_ERRORS, sweep, whole_file
from cmpie_lite.support.reading import as_utf8
from cmpie_lite.support.text import shown
from data_fetch.layout import LAYOUT, SOURCE_FILE, array_fault
from data_fetch.sources import FEATURES_BYTES

MEMBER_BYTES: Final = 2**20  # the largest array, 80 x 2048 float32, has 655488 bytes with its header
MAX_MEMBERS: Final = 100_000  # LLP has 3 x 11849
MAX_OTHER_BYTES: Final = 4 * FEATURES_BYTES  # of a member that is skipped
ENCRYPTED: Final = 1  # among a zip member's flags
UNPACKED_ELSEWHERE: Final = {
    b"7z\xbc\xaf": "a 7z archive", b"Rar!": "a rar archive", b"\x28\xb5\x2f\xfd": "a zstd archive",
}  # fmt: skip
OTHERS: Final = UNPACKED_ELSEWHERE | {  # the first bytes of files that are no archive, or not all of one
    b"<": "a web page", b"\x93NUMPY": "a single array", b"PK": "a zip archive", b"\x1f\x8b": "a gzip file",
}  # fmt: skip
ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# feats.zip.001, feats.z01, feats.part2.rar, feats.tar.gz.aa
PART_NAME: Final = re.compile(r"\.((?:z|part)?\d{1,3}|a[a-z])(?:\.rar)?$")


@dataclass(frozen=True)
class Member:
    """One entry of an archive."""

    name: str
    kind: str  # "file", "folder" or what else it is
    size: int
    read: Callable[[], IO[bytes]]


@dataclass(frozen=True)
class Extraction:
    """What came out: arrays written now, arrays that were there before, members left alone, bad arrays."""

    written: int
    kept: int
    ignored: int
    bad: dict[tuple[str, str], str]  # (folder, id) -> reason


def extract_features(archive: Path, out: Path, progress: bool = True) -> Extraction:
    """Write the feature arrays of an archive below `out`; arrays that are there already are not read again.

    Each array is checked (float32, shape of its kind, finite) before it takes its name; a bad one is not
    written but reported. An interrupted run goes on where it was.

    Members called `ID_start_end.npy` are written as `ID.npy`.

    Raises:
        DataError: not an archive, truncated, hostile, of other videos' features, or too large for the disk.
        WriteError: an array cannot be written.
    """
    written = kept = ignored = 0
    bad: dict[tuple[str, str], str] = {}
    seen: set[tuple[str, str]] = set()  # in this archive
    with _open(archive) as members:
        if isinstance(members, list):  # a zip archive lists its members: look at all before writing any
            for count, member in enumerate(members, start=1):
                _place(archive, member, count)
        bar = tqdm(members, desc="unpack", unit="file", disable=not progress)
        for count, member in enumerate(bar, start=1):
            place = _place(archive, member, count)
            if place is None:
                ignored += member.kind == "file"
                continue
            folder, name = place
            path, again = out / folder / f"{name}.npy", place in seen
            seen.add(place)
            if path.is_file():
                if again and path.read_bytes() != _content(member):
                    raise DataError(
                        f"{archive} holds two different arrays for {folder}/{name}.npy, the second "
                        f"{shown(member.name)}: which is meant? Unpack it yourself, and give the folder."
                    )
                kept += not again
                continue
            try:
                _write_checked(member, folder, path)
                written += 1
                bad.pop(place, None)
            except _BadArray as error:
                bad[place] = str(error)
    sweep(*(out / folder for folder in LAYOUT))
    if not (written or kept or bad):
        raise DataError(
            f"{archive}: no {', '.join(f'{k}/ID.npy' for k in LAYOUT)} in it. Is it the features?"
        )
    return Extraction(written, kept, ignored, bad)


class _BadArray(Exception):
    """An array that is not what its folder asks for; the message is the reason."""


def _content(member: Member) -> bytes:
    with member.read() as source:
        content = source.read(MEMBER_BYTES + 1)  # whatever its header says
    if len(content) > MEMBER_BYTES:
        raise DataError(f"{shown(member.name)}: more than {MEMBER_BYTES} bytes, refused.")
    return content


def _write_checked(member: Member, folder: str, path: Path) -> None:
    content = _content(member)
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
        reason = array_fault(temporary, folder)
        if reason:
            raise _BadArray(reason)


def _refuse_others(archive: Path, member: Member) -> None:
    """Refuse features of other videos, as `extract` makes them: below `out` they would count as LLP's own."""
    text = as_utf8(_content(member)).decode(errors="backslashreplace").strip()
    raise DataError(
        f"{archive} holds features of {shown(text)}, as its {SOURCE_FILE} says, not LLP's own. Unpack it "
        "yourself, and give the folder."
    )


def _place(archive: Path, member: Member, count: int) -> tuple[str, str] | None:
    """Folder and id of a feature array; None for other files; hostile members and foreign arrays raise."""
    parts = PurePosixPath(member.name.replace("\\", "/")).parts
    hostile = (
        ".." in parts
        or (parts and (parts[0] == "/" or parts[0].endswith(":")))
        or "\0" in member.name
        or member.kind not in ("file", "folder")
    )
    if hostile:
        raise DataError(
            f"{archive}: member {shown(member.name)} ({member.kind}) leads out of the folder or is no plain "
            "file. The archive is refused; whole arrays found before it were kept."
        )
    if count > MAX_MEMBERS or member.size > MAX_OTHER_BYTES:
        raise DataError(
            f"{archive}: more than {MAX_MEMBERS} members, or one of over {MAX_OTHER_BYTES} bytes. Refused."
        )
    if member.kind == "file" and parts[-1] == SOURCE_FILE:
        _refuse_others(archive, member)
    if member.kind == "folder" or len(parts) < 2 or parts[-2] not in LAYOUT or "__MACOSX" in parts:
        return None
    name = parts[-1].removesuffix(".npy")
    if name == parts[-1]:
        return None
    if VIDEO_ID.fullmatch(name):
        name = feature_name(name)
    if not ID.fullmatch(name):
        return None
    if member.size > MEMBER_BYTES:
        raise DataError(
            f"{archive}: member {shown(member.name)} unpacks to {member.size} bytes, expected at most "
            f"{MEMBER_BYTES}. Refused."
        )
    return parts[-2], name


@contextmanager
def _open(archive: Path) -> Iterator[Iterable[Member]]:
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
        with _open(archive) as members:
            return sum(min(member.size, MEMBER_BYTES) for member in members)
    return min(3 * archive.stat().st_size, FEATURES_BYTES) if archive.is_file() else 0
