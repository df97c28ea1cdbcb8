"""`python -m data_fetch videos`: raw clips by LLP id with yt-dlp, cut to their ten seconds, one at a time.

Many are gone from YouTube; every one that could not be had stands in the manifest with its reason. What is
known to be final (gone, refused) is not asked for again unless told to; all else (failed) is. A clip is named
by its whole LLP id, since two clips may be of one video.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from cmpie_lite.data.llp_names import Span, span_of
from cmpie_lite.errors import DataError
from cmpie_lite.support.extras import need
from cmpie_lite.support.files import part_folder, sweep, whole_file
from cmpie_lite.support.turns import one_at_a_time
from data_fetch.fetch.trim import TooShort, trim
from data_fetch.tables import merge_rows

MANIFEST: Final = "videos.csv"
COLUMNS: Final = ("id", "status", "reason")  # status: ok, gone, refused, failed
ATTEMPTS: Final = 3
LONGEST_SLEEP: Final = 86_400  # seconds: a day
FORMAT: Final = "18/best[height<=480][ext=mp4]/best[height<=480]/best"  # small, sound and picture in one file
# What yt-dlp's messages say where it is final. A plain "Video unavailable" is not: a session that has asked
# too often gets it too.
PASSING: Final = (
    r"try again|rate.?limit|too many requests|not a bot|captcha|temporar|timed? ?out|http error (429|5)"
)
GONE: Final = (
    r"private video|is private|(been|was) (removed|deleted)|no longer available|been terminated"
    r"|does not exist|closed their (youtube )?account"
)
REFUSED: Final = (
    r"confirm your age|age.restricted|inappropriate for some|in your (country|region|location)|geo.?restrict"
    r"|copyright grounds|members.only|join this channel|drm protect|requires payment|premium members"
)


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
    """Fetch the clips that `out` lacks, as `<LLP id>.mp4`, and return the manifest's rows for `ids`.

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
    if not 0 <= sleep <= LONGEST_SLEEP:
        raise DataError(f"sleep = {sleep}, expected seconds >= 0 and <= {LONGEST_SLEEP}.")
    spans = {video: span_of(video) for video in ids}
    need("av", "extract")  # now, or every video would seem to be at fault
    download = download or yt_dlp_downloader()
    with one_at_a_time(out):  # two would fetch every video twice
        return _fetch_all(spans, out, download, sleep, retry_gone, wait, progress)


def _fetch_all(
    spans: Mapping[str, Span],
    out: Path,
    download: Downloader,
    sleep: float,
    retry_gone: bool,
    wait: Callable[[float], None],
    progress: bool,
) -> list[dict[str, str]]:
    present = {video for video in spans if (out / f"{video}.mp4").is_file()}
    rows = {video: {"id": video, "status": "ok", "reason": ""} for video in present}
    known = merge_rows(out / MANIFEST, COLUMNS, rows)
    todo = [v for v in spans if v not in present and (retry_gone or not _settled(known.get(v)))]
    for number, video in enumerate(tqdm(todo, desc="videos", unit="video", disable=not progress)):
        if number:
            wait(sleep * random.uniform(0.5, 1.5))
        row = _fetch_one(video, spans[video], out, download, sleep, wait)
        known = merge_rows(out / MANIFEST, COLUMNS, {video: row})
    sweep(out)
    return [known[video] for video in spans]


def _settled(row: Mapping[str, str] | None) -> bool:
    """Whether a row of the manifest names a reason that is final; rows of older versions may not."""
    return row is not None and row["status"] in ("gone", "refused") and not _passing(row["reason"])


def _fetch_one(
    video: str,
    span: Span,
    out: Path,
    download: Downloader,
    sleep: float,
    wait: Callable[[float], None],
) -> dict[str, str]:
    """Download, cut, and put one clip in place; try failures again, waiting longer each time."""
    path = out / f"{video}.mp4"
    row = {"id": video, "status": "ok", "reason": ""}
    for attempt in range(1, ATTEMPTS + 1):
        with part_folder(out) as folder:
            try:
                whole = download(span.youtube_id, folder)
                with whole_file(path) as temporary:
                    trim(whole, temporary, span.start, span.end)
                return row
            except VideoError as error:
                status, reason = error.status, str(error)
            except DataError as error:  # it came, but is no video (a page, a part), or is too short
                status = "refused" if isinstance(error, TooShort) else "failed"
                reason = str(error).replace(str(folder), "")
        if status != "failed":
            break
        if attempt < ATTEMPTS:
            wait(sleep * 2**attempt)
    return row | {"status": status, "reason": " ".join(reason.split())[:300]}


def classify(message: str) -> str:
    """Whether an error message of yt-dlp means that a video is gone, refused to us, or failed for now."""
    text = message.lower()
    if _passing(message):
        return "failed"
    if re.search(REFUSED, text):
        return "refused"
    return "gone" if re.search(GONE, text) else "failed"


def _passing(message: str) -> bool:
    return re.search(PASSING, message.lower()) is not None


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
