"""`python -m data_fetch features`: the authors' archive of features, unpacked safely, every array checked."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

from tqdm import tqdm

from cmpie_lite.errors import DataError
from cmpie_lite.support.extras import need
from cmpie_lite.support.files import file_hash, whole_file
from data_fetch.fetch.archives import extract_features, unpacked_bytes
from data_fetch.layout import LAYOUT, SOURCE_FILE, array_fault, feature_files, read_origin
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
    source: Path | None = None,
    ids: Collection[str] = (),
    url: str = FEATURES_URL,
    pause: float = 5.0,
    progress: bool = True,
) -> FeatureReport:
    """Put LLP's features below `out` in the official layout, or check a folder that has them.

    Args:
        out: folder of `vggish`, `res152` and `r2plus1d_18`; the archive and the manifest lie beside them.
        source: an archive or folder that the reader has already; nothing is downloaded then, and a folder is
            checked where it is.
        ids: feature names that should be there; without them only videos with one array but not all count
            as missing something.
        url: where the archive is.
        pause: seconds before a second attempt, doubled each time.

    Raises:
        DataError: no space, no archive, an archive other than the one of the first use, or a hostile one; an
            `out` that holds features extracted from other videos.
    """
    bad: dict[tuple[str, str], str] = {}
    if source is not None and source.is_dir():
        out = next((p for p in (source, source / "feats") if any((p / k).is_dir() for k in LAYOUT)), source)
    else:
        if (other := read_origin(out / SOURCE_FILE)) is not None:
            raise DataError(f"{out} holds features of {other!r}, not LLP's own. Choose another --out.")
        archive = _download(url, out, pause, progress) if source is None else source
        if not archive.is_file():
            raise DataError(f"{archive}: no such archive or folder. Give the path of either with --from.")
        present = sum(path.stat().st_size for path in feature_files(out))
        require_space(out, unpacked_bytes(archive) - present, "unpacking the features")
        checksum = compare_checksum(archive, out / CHECKSUM)
        bad = extract_features(archive, out, progress).bad
        with whole_file(out / CHECKSUM) as temporary:
            temporary.write_text(json.dumps(checksum, indent=2) + "\n", encoding="utf-8")
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
    columns = ("id", "folder", "reason")
    write_rows(folder / MISSING, columns, [dict(zip(columns, row, strict=True)) for row in missing])
    incomplete = {name for name, _, _ in missing}
    return FeatureReport(folder, len(names) - len(incomplete), tuple(missing))


def compare_checksum(archive: Path, record: Path) -> dict[str, object]:
    """Size and sha256 of an archive, and when it was first used; `DataError` if they are not those on record.

    The authors publish no checksum: this finds a copy that changed or broke, not one that was wrong at first.
    """
    found: dict[str, object] = {"bytes": archive.stat().st_size, "sha256": file_hash(archive)}
    if record.is_file():
        try:
            before = json.loads(record.read_text(encoding="utf-8"))
            same = {key: before[key] for key in found} == found
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise DataError(f"{record}: not a record of ours ({error}). Remove it and run again.") from error
        if not same:
            raise DataError(
                f"{archive}: {found['bytes']} bytes, sha256 {str(found['sha256'])[:12]}...; at first use "
                f"({before.get('recorded')}) it was {before['bytes']} bytes, {before['sha256'][:12]}... "
                f"If the change is meant, remove {record} and the old arrays."
            )
        return dict(before)
    return found | {"recorded": datetime.now(UTC).isoformat(timespec="seconds")}


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
    return path


def _status(error: Exception) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)
