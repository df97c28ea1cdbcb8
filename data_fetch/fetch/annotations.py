"""`python -m data_fetch annotations`: LLP's label files at pinned commits, each checked by its sha256."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from cmpie_lite.errors import DataError
from cmpie_lite.support.extras import need
from cmpie_lite.support.files import file_hash, part_folder, replace_file, sweep
from cmpie_lite.support.reading import LARGEST_TEXT
from cmpie_lite.support.text import printable
from data_fetch.sources import ANNOTATION_FILES, AUDIO_2020, AUDIO_2024, RAW_HOST

VERSIONS: Final = ("2020", "2024", "both")
ATTEMPTS: Final = 3


def fetch_annotations(out: Path, version: str = "both", base_url: str = RAW_HOST) -> list[Path]:
    """Download the annotation files that `out` lacks and return the paths of all.

    A file that is there with the right checksum is not asked for again; one with another is put aside, which
    is said: it may have been corrected by hand. Both versions share every file but the dense audio labels.

    Args:
        out: folder of the csv files.
        version: "2020" (as every paper used), "2024" (three rows corrected) or "both".
        base_url: address of the repository's raw files.

    Raises:
        DataError: an unknown version; a file that cannot be had or whose sha256 differs, after 3 attempts.
        WriteError: the folder cannot be written.
    """
    if version not in VERSIONS:
        raise DataError(f"version = {version!r}, expected one of {', '.join(VERSIONS)}.")
    skipped = {"2020": AUDIO_2024, "2024": AUDIO_2020}.get(version)
    names = [name for name in ANNOTATION_FILES if name != skipped]
    pooch, requests = need("pooch", "fetch"), need("requests", "fetch")
    paths = [out / name for name in names]
    todo = [path for path in paths if not _is_whole(path)]
    with part_folder(out) as folder:
        files = pooch.create(
            path=folder,
            base_url="",
            registry={name: f"sha256:{sha256}" for name, (_, sha256) in ANNOTATION_FILES.items()},
            urls={name: f"{base_url.rstrip('/')}/{remote}" for name, (remote, _) in ANNOTATION_FILES.items()},
            retry_if_failed=ATTEMPTS - 1,
        )
        for path in todo:
            try:
                fetched = files.fetch(path.name, downloader=pooch.HTTPDownloader(timeout=30))
            except (requests.RequestException, ValueError, OSError) as error:
                raise DataError(
                    f"{files.get_url(path.name)}: {_reason(error)}. Run the command again later, or put the "
                    f"file into {out} yourself (sha256 {ANNOTATION_FILES[path.name][1]})."
                ) from error
            _keep(path)
            replace_file(path, Path(fetched).read_bytes())
    sweep(out)
    return paths


def _keep(path: Path) -> None:
    """Put a file aside that is not the published one: NAME, a dot, the first digits of its sha256."""
    if path.is_file():
        aside = path.with_name(f"{path.name}.{file_hash(path)[:8]}")
        print(printable(f"{path} is not the published file: it is kept as {aside.name}"), file=sys.stderr)
        os.replace(path, aside)


def _is_whole(path: Path) -> bool:
    """Whether a file is there, with the pinned checksum."""
    if not path.is_file() or path.stat().st_size > LARGEST_TEXT:
        return False
    return file_hash(path) == ANNOTATION_FILES[path.name][1]


def _reason(error: Exception) -> str:
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the host answered {error.response.status_code}"
    if isinstance(error, requests.RequestException):
        return f"the connection failed ({type(error).__name__})"
    if isinstance(error, OSError):
        return f"the folder cannot be written ({error.strerror})"
    return "the file that came has another sha256 than the pinned one"
