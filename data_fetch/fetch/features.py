"""`python -m data_fetch features`: the authors' archive of features, unpacked safely, every array checked."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final, TypedDict

from tqdm import tqdm

from cmpie_lite.errors import DataError
from cmpie_lite.support.extras import need
from cmpie_lite.support.files import check_writable, file_hash, replace_file
from cmpie_lite.support.reading import read_text
from cmpie_lite.support.text import clipped, shown
from cmpie_lite.support.turns import one_at_a_time
from cmpie_lite.support.typed import conform, load_json
from data_fetch.fetch.archive_members import unpacked_bytes
from data_fetch.fetch.archives import extract_features
from data_fetch.layout import (
    LAYOUT,
    SOURCE_FILE,
    array_fault,
    feature_files,
    features_folder,
    misnamed,
    read_origin,
)
from data_fetch.sources import FEATURES_BYTES, FEATURES_URL
from data_fetch.tables import require_space, write_rows

ARCHIVE: Final = "llp_features.archive"
CHECKSUM: Final = "archive.sha256.json"
MISSING: Final = "missing.csv"
ATTEMPTS: Final = 4


@dataclass(frozen=True)
class FeatureReport:
    """The layout's folder, how many videos have all three arrays, what is missing: (id, folder, reason)."""

    folder: Path
    complete: int
    missing: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        text = f"{self.folder}: {self.complete} videos have all three arrays"
        if self.missing:
            videos = len({name for name, _, _ in self.missing})
            text += (
                f"; {len(self.missing)} arrays of {videos} videos are missing, see {self.folder / MISSING}"
            )
        return text


def fetch_features(
    out: Path,
    *,
    sources: Sequence[Path] = (),
    ids: Collection[str] = (),
    url: str = FEATURES_URL,
    pause: float = 5.0,
    progress: bool = True,
) -> FeatureReport:
    """Put LLP's features below `out` in the official layout, or check a folder that has them.

    Args:
        out: folder of `vggish`, `res152` and `r2plus1d_18`; the archive and the manifest lie beside them.
        sources: archives that the reader has already (several, where the features came in several), or one
            folder; nothing is downloaded then, and a folder is checked where it is.
        ids: feature names that should be there; without them only videos with one array but not all count
            as missing something.
        url: where the archive is.
        pause: seconds before a second attempt, doubled each time.

    Raises:
        DataError: no space, no archive, an archive that has changed since its first use, or a hostile one; an
            `out` that holds features extracted from other videos.
        WriteError: `out` cannot be written.
    """
    if len(sources) == 1 and sources[0].is_dir():
        return _check(features_folder(sources[0]), ids, {}, progress)
    if (other := read_origin(out / SOURCE_FILE)) is not None:
        raise DataError(f"{out} holds features of {shown(other)}, not LLP's own. Choose another --out.")
    if absent := [path for path in sources if not path.is_file()]:
        raise DataError(f"{absent[0]}: no such archive. Give archives, or one folder, with --from.")
    archives = list(sources)
    needed = sum(map(unpacked_bytes, archives))  # what is none is refused before anything is done
    bad: dict[tuple[str, str], str] = {}
    with one_at_a_time(out):  # two would go on with one half of a download, and write one record
        check_writable(out, CHECKSUM, MISSING)
        if not archives:
            archives = [_download(url, out, pause, progress)]
            needed = unpacked_bytes(archives[0])
        present = sum(path.stat().st_size for path in feature_files(out))
        require_space(out, needed - present, "unpacking the features")
        for archive in archives:
            checksums = compare_checksum(archive, out / CHECKSUM)
            bad |= extract_features(archive, out, progress).bad
            replace_file(out / CHECKSUM, (json.dumps(checksums, indent=2) + "\n").encode())
        return _check(out, ids, bad, progress)


def _check(
    folder: Path, ids: Collection[str], bad: dict[tuple[str, str], str], progress: bool
) -> FeatureReport:
    """Check every array of the layout and write the manifest of what is missing, with reasons."""
    found = {path.stem for path in feature_files(folder)} | {name for _, name in bad}
    if not found:
        raise DataError(f"{folder}: no {', '.join(LAYOUT)} folders with .npy files. Is it the right folder?")
    missing: list[tuple[str, str, str]] = []
    names = sorted(found | set(ids))
    for name in tqdm(names, desc="check", unit="video", disable=not progress):
        for kind in LAYOUT:
            reason = bad.get((kind, name)) or array_fault(folder / kind / f"{name}.npy", kind)
            if reason:
                missing.append((name, kind, reason))
    if missing and (example := misnamed(folder)):
        raise DataError(
            f"{example}: features are named by the video's 11 characters alone, as in BjCEufrlXm4.npy. "
            "Rename the files of all three folders."
        )
    columns = ("id", "folder", "reason")
    write_rows(folder / MISSING, columns, [dict(zip(columns, row, strict=True)) for row in missing])
    incomplete = {name for name, _, _ in missing}
    return FeatureReport(folder, len(names) - len(incomplete), tuple(missing))


class FirstUse(TypedDict):
    """What an archive was when it was first used."""

    bytes: int
    sha256: str
    recorded: str  # when that was, ISO 8601


def known_archives(record: Path) -> dict[str, FirstUse]:
    """What a record says of archives, by their names; nothing where it is not there yet.

    Raises:
        DataError: it is no such record. ReadError: it is there and cannot be read.
    """
    try:
        known = load_json(read_text(record))
        if not isinstance(known, dict):
            raise DataError("it holds no names")
        for first in known.values():
            conform(first, FirstUse, "an archive")
    except FileNotFoundError:
        return {}
    except DataError as error:
        raise DataError(
            f"{record}: not a record of ours ({clipped(str(error))}). Move it elsewhere and run again."
        ) from error
    return known


def compare_checksum(archive: Path, record: Path) -> dict[str, FirstUse]:
    """What `record` says of all archives by name (bytes, sha256, when first used), with this one added.

    The authors publish no checksum: this finds a copy that changed or broke, not one that was wrong at first.

    Raises:
        DataError: the archive is not what it was at its first use, or the record cannot be read.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        found = FirstUse(bytes=archive.stat().st_size, sha256=file_hash(archive), recorded=now)
    except OSError as error:
        raise DataError(f"{error.filename or archive}: cannot be read ({error.strerror}).") from error
    known = known_archives(record)
    first = known.get(archive.name, found)
    if found != first | {"recorded": now}:
        raise DataError(
            f"{archive}: {found['bytes']} bytes, sha256 {found['sha256'][:12]}...; at first use "
            f"({first['recorded']}) it was {first['bytes']} bytes, {first['sha256'][:12]}... If the change "
            "is meant, choose another --out. A further part of the features needs a name of its own."
        )
    return known | {archive.name: first}


def _download(url: str, out: Path, pause: float, progress: bool) -> Path:
    """The archive, downloaded; a broken download goes on where it was, in this run or the next."""
    path = out / ARCHIVE
    if path.is_file():
        return path
    gdown, requests, errors = (need(name, "fetch") for name in ("gdown", "requests", "gdown.exceptions"))
    broken = (errors.FileURLRetrievalError, errors.DownloadError, requests.RequestException, OSError)
    parts = sum(part.stat().st_size for part in out.glob(f"{ARCHIVE}*.part"))
    require_space(out, 2 * FEATURES_BYTES - parts, "the archive and its arrays")
    out.mkdir(parents=True, exist_ok=True)
    for attempt in count(1):
        try:
            gdown.download(url=url, output=str(path), quiet=not progress, resume=True, use_cookies=False)
            break
        except broken as error:
            final = isinstance(error, errors.FileURLRetrievalError) or _status(error) in (401, 403, 404, 410)
            if final or attempt == ATTEMPTS:
                reason = " ".join(str(error).split())[:200] or type(error).__name__
                raise DataError(
                    f"{url}: {reason}. What has come is kept: run again later to go on. Or fetch the archive "
                    "with a browser and give it with --from FILE."
                ) from error
            time.sleep(pause * 2 ** (attempt - 1))
    for part in out.glob(f"{ARCHIVE}?*.part"):  # of attempts that were killed and not gone on with
        part.unlink(missing_ok=True)
    return path


def _status(error: Exception) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)
