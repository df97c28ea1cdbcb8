"""`python -m data_fetch annotations`: LLP's label files at pinned commits, each checked by its sha256."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from cmpie_lite.errors import DataError
from cmpie_lite.support.extras import need
from cmpie_lite.support.files import file_hash
from data_fetch.sources import ANNOTATION_FILES, AUDIO_2020, AUDIO_2024, RAW_HOST

VERSIONS: Final = ("2020", "2024", "both")
ATTEMPTS: Final = 3


def fetch_annotations(
    out: Path, version: str = "both", base_url: str = RAW_HOST, pause: float = 1.0
) -> list[Path]:
    """Download the annotation files that `out` lacks and return the paths of all.

    A file that is there with the right checksum is not asked for again; one with a wrong checksum is
    replaced. Both versions share every file but the dense audio labels.

    Args:
        out: folder of the csv files.
        version: "2020" (as every paper used), "2024" (three rows corrected) or "both".
        base_url: address of the repository's raw files.
        pause: seconds before a second attempt, doubled before a third.

    Raises:
        DataError: an unknown version; a file that cannot be had or whose sha256 differs, after 3 attempts.
    """
    if version not in VERSIONS:
        raise DataError(f"version = {version!r}, expected one of {', '.join(VERSIONS)}.")
    skipped = {"2020": AUDIO_2024, "2024": AUDIO_2020}.get(version)
    names = [name for name in ANNOTATION_FILES if name != skipped]
    return [_fetch(out / name, *ANNOTATION_FILES[name], base_url.rstrip("/"), pause) for name in names]


def _fetch(path: Path, remote: str, expected: str, base_url: str, pause: float) -> Path:
    if path.is_file() and file_hash(path) == expected:
        return path
    pooch, requests = need("pooch", "fetch"), need("requests", "fetch")
    url = f"{base_url}/{remote}"
    downloader = pooch.HTTPDownloader(timeout=30)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            pooch.retrieve(url, f"sha256:{expected}", path.name, path.parent, downloader=downloader)
            return path
        except (requests.RequestException, ValueError, OSError) as error:
            reason = _reason(error)
            if attempt == ATTEMPTS or isinstance(error, PermissionError | NotADirectoryError):
                raise DataError(
                    f"{url}: {reason}. Tried {attempt} times; run the command again later, or put the file "
                    f"into {path.parent} yourself (sha256 {expected})."
                ) from error
            time.sleep(pause * 2 ** (attempt - 1))
    raise AssertionError("unreachable")


def _reason(error: Exception) -> str:
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the host answered {error.response.status_code}"
    if isinstance(error, requests.RequestException):
        return f"the connection failed ({type(error).__name__})"
    if isinstance(error, OSError):
        return f"the folder cannot be written ({error.strerror})"
    return "the file that came has another sha256 than the pinned one"
