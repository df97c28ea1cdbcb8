"""Media files through libav: opened safely, their frames in time, every trouble a `DataError`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cmpie_lite.errors import DataError
from cmpie_lite.support.extras import need

PLAYLISTS: Final = ("hls", "concat", "dash")  # formats that would make the library open further files


@dataclass
class Damage:
    """Packets that could not be decoded, frames that could."""

    broken: int = 0
    decoded: int = 0


@contextmanager
def open_media(path: Path) -> Iterator[Any]:
    """Open a media file for reading; whatever goes wrong inside becomes a `DataError` naming the file.

    Raises:
        DataError: no such file, an empty one, a playlist, or one that cannot be decoded.
    """
    av = need("av", "extract")
    if not path.is_file():
        raise DataError(f"{path}: no such file. Give the path of a video file.")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty (0 bytes). Fetch it again.")
    try:
        options = {"protocol_whitelist": "file"}
        with av.open(str(path.resolve()), options=options) as container:
            if container.format.name.split(",")[0] in PLAYLISTS:
                raise DataError(f"{path}: a playlist ({container.format.name}), expected a video file.")
            yield container
    except DataError:
        raise
    except (av.FFmpegError, OSError, ValueError, ArithmeticError, LookupError, RuntimeError) as error:
        raise DataError(
            f"{path}: cannot be decoded as video ({str(error) or type(error).__name__}). "
            "Is it a video file, and whole? Try to play it."
        ) from error


def picture_stream(path: Path, container: Any) -> Any:
    """The first video track that is no cover picture.

    Raises:
        DataError: there is none.
    """
    import av

    cover = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams:
        raise DataError(f"{path}: no video track (a sound file?). Give a video file, mp4 for instance.")
    return streams[0]


def seek(container: Any, start: float) -> None:
    """Move near `start`; a second early, so that the decoders have settled by then."""
    if start > 2.0:
        container.seek(int((start - 1.0) * 1e6) + (container.start_time or 0))


def timed_frames(container: Any, stream: Any, damage: Damage) -> Iterator[tuple[float, float, Any]]:
    """Yield (seconds from the container's start, seconds it lasts, frame); count what cannot be decoded."""
    import av

    origin = (container.start_time or 0) / 1e6
    rate = float(getattr(stream, "average_rate", None) or 0) or 25.0
    end = 0.0  # of the frame before, for files without timestamps
    last = -math.inf
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            damage.broken += 1
            continue
        for frame in frames:
            damage.decoded += 1
            if stream.type == "audio":
                seconds = frame.samples / frame.sample_rate
            else:
                seconds = float((frame.duration or 0) * (frame.time_base or 0)) or 1 / rate
            time = end if frame.time is None else frame.time - origin
            if stream.type == "video" and time <= last:
                continue  # out of order after damage: a frame of the past is never shown
            last, end = time, time + seconds
            yield time, seconds, frame
