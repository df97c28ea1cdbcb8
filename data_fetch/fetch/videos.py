"""`python -m data_fetch videos`: raw clips by LLP id with yt-dlp, cut to their ten seconds, one at a time.

Many are gone from YouTube; every one that could not be had stands in the manifest with its reason. Gone and
refused videos are not asked for again unless told to, failed ones (network, rate limits) are.
"""

from __future__ import annotations

import random
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from cmpie_lite.data.llp_names import Span, span_of
from cmpie_lite.errors import DataError
from cmpie_lite.support.extras import need
from cmpie_lite.support.files import sweep, whole_file
from data_fetch.fetch.trim import trim
from data_fetch.tables import read_rows, write_rows

MANIFEST: Final = "videos.csv"
COLUMNS: Final = ("id", "status", "reason")  # status: ok, gone, refused, failed
ATTEMPTS: Final = 3
FORMAT: Final = "18/best[height<=480][ext=mp4]/best[height<=480]/best"  # small, sound and picture in one file
GONE: Final = ("video unavailable", "not available", "no longer", "private", "removed", "terminated")
REFUSED: Final = ("sign in", "age", "country", "copyright", "members-only", "not a bot", "drm", "restricted")


class VideoError(Exception):
    """A video that could not be had; `status` is gone, refused or failed."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


Downloader = Callable[[str, Path], Path]  # (youtube id, folder) -> the file, or VideoError


def fetch_videos(
    ids: Sequence[str],
    out: Path,
    *,
    download: Downloader | None = None,
    sleep: float = 5.0,
    retry_gone: bool = False,
    wait: Callable[[float], None] = time.sleep,
    progress: bool = True,
) -> list[dict[str, str]]:
    """Fetch the clips that `out` lacks, as `<11-char id>.mp4`, and return the manifest's rows for `ids`.

    Args:
        ids: LLP ids, such as "BjCEufrlXm4_20_30".
        out: folder of the clips and of `videos.csv`.
        download: gets one whole video; yt-dlp by default.
        sleep: seconds (>= 0) between two videos, give or take a half; doubled after each failure of a video.
        retry_gone: ask again for videos that were gone or refused before.
        wait: sleeps.

    Raises:
        DataError: a malformed id, yt-dlp or PyAV not installed.
        WriteError: a folder that cannot be written.
    """
    if not 0 <= sleep < float("inf"):
        raise DataError(f"sleep = {sleep}, expected seconds >= 0.")
    spans = {video: span_of(video) for video in ids}
    need("av", "extract")  # now, or every video would seem to be at fault
    download = download or yt_dlp_downloader()
    known = {row["id"]: row for row in read_rows(out / MANIFEST, COLUMNS)}
    present = {v for v, span in spans.items() if (out / f"{span.youtube_id}.mp4").is_file()}
    known |= {video: {"id": video, "status": "ok", "reason": ""} for video in present}
    settled = () if retry_gone else ("gone", "refused")
    todo = [v for v in spans if v not in present and known.get(v, {}).get("status") not in settled]
    write_rows(out / MANIFEST, COLUMNS, [known[name] for name in sorted(known)])
    for number, video in enumerate(tqdm(todo, desc="videos", unit="video", disable=not progress)):
        if number:
            wait(sleep * random.uniform(0.5, 1.5))
        known[video] = _fetch_one(video, spans[video], out, download, sleep, wait)
        write_rows(out / MANIFEST, COLUMNS, [known[name] for name in sorted(known)])
    sweep(out)
    return [known[video] for video in spans]


def _fetch_one(
    video: str,
    span: Span,
    out: Path,
    download: Downloader,
    sleep: float,
    wait: Callable[[float], None],
) -> dict[str, str]:
    """Download, cut, and put one clip in place; try failures again, waiting longer each time."""
    path = out / f"{span.youtube_id}.mp4"
    row = {"id": video, "status": "ok", "reason": ""}
    for attempt in range(1, ATTEMPTS + 1):
        with tempfile.TemporaryDirectory(prefix="llp-video-") as folder:
            try:
                whole = download(span.youtube_id, Path(folder))
                with whole_file(path) as temporary:
                    trim(whole, temporary, span.start, span.end)
                return row
            except VideoError as error:
                status, reason = error.status, str(error)
            except DataError as error:  # it came, but is no video, or ends before the annotated seconds
                status, reason = "refused", str(error).replace(folder, "")
        if status != "failed":
            break
        if attempt < ATTEMPTS:
            wait(sleep * 2**attempt)
    return row | {"status": status, "reason": " ".join(reason.split())[:300]}


def classify(message: str) -> str:
    """Whether an error message of yt-dlp means that a video is gone, refused to us, or failed for now."""
    text = message.lower()
    if any(re.search(rf"\b{re.escape(word)}\b", text) for word in REFUSED):
        return "refused"
    return "gone" if any(word in text for word in GONE) else "failed"


def yt_dlp_downloader() -> Downloader:
    """A downloader of whole videos, small and quiet, on yt-dlp.

    Raises:
        DataError: yt-dlp is not installed.
    """
    yt_dlp = need("yt_dlp", "videos")

    def download(youtube_id: str, folder: Path) -> Path:
        options: dict[str, Any] = {
            "format": FORMAT,
            "outtmpl": str(folder / "video.%(ext)s"),
            "quiet": True,
            "no_warnings": True,
            "noprogress": True,
            "noplaylist": True,
            "retries": 3,
            "socket_timeout": 30,
        }
        try:
            with yt_dlp.YoutubeDL(options) as client:
                client.download([f"https://www.youtube.com/watch?v={youtube_id}"])
        except (yt_dlp.utils.YoutubeDLError, OSError) as error:
            raise VideoError(classify(str(error)), str(error)) from error
        files = [path for path in folder.iterdir() if path.stem == "video"]
        if not files:
            raise VideoError("failed", "yt-dlp reported success but left no file")
        return files[0]

    return download
