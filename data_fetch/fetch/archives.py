"""Feature arrays out of a zip or tar archive that nobody vouches for.

Nothing is extracted by the name that the archive gives: a member counts only if its path ends in
`vggish/ID.npy` (or `res152/...`, `r2plus1d_18/...`), and is written to that place below the output folder.
An archive with absolute paths, `..`, links or devices is refused, and so is one whose members are larger
than a feature array can be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from tqdm import tqdm

from cmpie_lite.data.llp_names import VIDEO_ID, feature_name
from cmpie_lite.errors import DataError
from cmpie_lite.support.files import sweep, whole_file
from cmpie_lite.support.reading import as_utf8
from cmpie_lite.support.text import shown
from data_fetch.fetch.archive_members import MEMBER_BYTES, Member, open_archive
from data_fetch.layout import LAYOUT, SOURCE_FILE, array_fault
from data_fetch.sources import FEATURES_BYTES

MAX_MEMBERS: Final = 100_000  # LLP has 3 x 11849
MAX_OTHER_BYTES: Final = 4 * FEATURES_BYTES  # of a member that is skipped
ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


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
    with open_archive(archive) as members:
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
