"""What LLP calls things: its annotation files, their columns, the ids of its videos."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from cmpie_lite.errors import DataError
from cmpie_lite.support.text import shown

WEAK_FILES: Final = {"train": "AVVP_train.csv", "val": "AVVP_val_pd.csv", "test": "AVVP_test_pd.csv"}
AUDIO_FILES: Final = {"2024": "AVVP_eval_audio.csv", "2020": "AVVP_eval_audio.2020.csv"}
VISUAL_FILE: Final = "AVVP_eval_visual.csv"
FULL_FILE: Final = "AVVP_dataset_full.csv"  # all splits in one: not needed, but checked where it is there
WEAK_COLUMNS: Final = ("filename", "event_labels")
DENSE_COLUMNS: Final = ("filename", "onset", "offset", "event_labels")

# A YouTube id has 11 characters, `_` and `-` among them, so it cannot be found by splitting at `_`.
YOUTUBE_ID: Final = r"[A-Za-z0-9_-]{11}"
SECONDS: Final = r"[0-9]+(?:\.[0-9]+)?"
LONGEST: Final = 3600.0  # seconds from start to end
LATEST: Final = 1e6  # second of a video at which a stretch of it may begin: eleven days
VIDEO_ID: Final = re.compile(rf"({YOUTUBE_ID})(?:_({SECONDS})_({SECONDS}))?")


class Span(NamedTuple):
    """A video on YouTube, and the seconds of it that LLP annotates."""

    youtube_id: str
    start: float
    end: float


def feature_name(video_id: str) -> str:
    """The YouTube id of a video, by which its feature files are named: BjCEufrlXm4_20_30 -> BjCEufrlXm4.

    Raises:
        DataError: not an id of 11 characters, alone or followed by _start_end.
    """
    match = VIDEO_ID.fullmatch(video_id)
    if match is None:
        raise DataError(
            f"{shown(video_id)} is not the id of a video, expected the 11 characters of a YouTube id, then "
            "_start_end in seconds, as in 'BjCEufrlXm4_20_30'."
        )
    return match[1]


def span_of(video_id: str) -> Span:
    """Split an LLP id into the YouTube id and its ten seconds.

    Example:
        >>> span_of("BjCEufrlXm4_20_30")
        Span(youtube_id='BjCEufrlXm4', start=20.0, end=30.0)

    Raises:
        DataError: not of the form ID_start_end, or an end that is not after the start, or an hour later.
    """
    match = VIDEO_ID.fullmatch(video_id)
    if match is None or match[2] is None or not 0 < float(match[3]) - float(match[2]) <= LONGEST:
        raise DataError(
            f"{shown(video_id)} is not an LLP id, expected 11 characters, _start_end in seconds, end after "
            "start (an hour at most), as in 'BjCEufrlXm4_20_30'."
        )
    return Span(match[1], float(match[2]), float(match[3]))
