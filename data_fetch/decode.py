"""Ten seconds of a video file: 80 frames chosen by time, and a 16 kHz mono waveform.

LLP's authors cut frames with ffmpeg at 8 per second and wrote 16-bit 16 kHz wav files. ffmpeg's `fps` filter
rounds each timestamp to the nearest tick of 1/8 s and shows the latest frame, so frame k is the one on screen
just before (k + 1/2)/8 s; the same rule is applied here, which settles odd and variable frame rates. Unlike
the authors we do not pass the frames through JPEG.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cmpie_lite.errors import DataError
from cmpie_lite.labels import FRAMES_PER_SEGMENT, NUM_SEGMENTS, SEGMENT_SECONDS

if TYPE_CHECKING:
    from PIL.Image import Image

CLIP_SECONDS: Final = NUM_SEGMENTS * SEGMENT_SECONDS
FRAME_RATE: Final = FRAMES_PER_SEGMENT / SEGMENT_SECONDS
NUM_FRAMES: Final = NUM_SEGMENTS * FRAMES_PER_SEGMENT
SAMPLE_RATE: Final = 16_000
NUM_SAMPLES: Final = int(CLIP_SECONDS * SAMPLE_RATE)
MIN_SECONDS: Final = 1.0
MAX_PIXELS: Final = 2**26  # 8192 x 8192: more is no clip of ours but a damaged header
SLACK: Final = 0.5  # seconds by which a stream may fall short of what its header promises
PLAYLISTS: Final = ("hls", "concat", "dash")  # formats that would make the library open further files


@dataclass
class Damage:
    """Packets that could not be decoded, frames that could."""

    broken: int = 0
    decoded: int = 0


def frame_times(start: float = 0.0) -> list[float]:
    """Seconds at which the 80 frames are on screen: start + (k + 1/2)/8."""
    return [start + (k + 0.5) / FRAME_RATE for k in range(NUM_FRAMES)]


def read_frames(
    path: Path, start: float = 0.0, notes: list[str] | None = None
) -> Iterator[tuple[int, Image]]:
    """Yield (k, upright RGB image) for k = 0..79, holding two frames of the file in memory at a time.

    A video that ends early repeats its last frame, which is said in `notes`.

    Raises:
        DataError: not a video, no picture, less than one second from `start`, truncated or corrupt.
    """
    notes = [] if notes is None else notes
    wanted, k = frame_times(start), 0
    shown: Any = None  # the decoded frame on screen, and the image made of it once one is asked for
    image: Image | None = None
    with open_media(path) as container:
        stream = picture_stream(path, container)
        promised = _promised_end(container, stream)
        _seek(container, start)
        damage, end = Damage(), start
        for time, seconds, frame in _timed_frames(container, stream, damage):
            while shown is not None and k < NUM_FRAMES and wanted[k] < time - 1e-9:
                image = image or _upright(path, shown)
                yield k, image
                k += 1
            shown, image, end = frame, None, time + seconds
            if k == NUM_FRAMES:
                break
        if shown is None:
            raise DataError(f"{path}: no frame could be decoded. Is the file damaged? Try to play it.")
        _check_length(path, "video", start, end, promised, notes)
        _check_damage(path, "video", damage, notes)
        image = image or _upright(path, shown)
        for rest in range(k, NUM_FRAMES):
            yield rest, image


def read_waveform(path: Path, start: float = 0.0, notes: list[str] | None = None) -> np.ndarray | None:
    """Ten seconds of sound at 16 kHz: mean of the channels, 16 bits / 32768; None without an audio track.

    Samples are placed by their timestamps, so sound stays in step with the frames; gaps are silent.

    Returns:
        float32 (160000,) in [-1, 1), or None.

    Raises:
        DataError: not a media file, or an audio track that is truncated or corrupt.
    """
    import av

    notes = [] if notes is None else notes
    waveform = np.zeros(NUM_SAMPLES, np.float32)
    position, end, heard, damage = 0, start, False, Damage()
    with open_media(path) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        promised = _promised_end(container, stream)
        _seek(container, start)
        resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        for time, seconds, frame in _timed_frames(container, stream, damage):
            if time >= start + CLIP_SECONDS + 0.1:
                break
            if not heard or abs(position - (time - start) * SAMPLE_RATE) > 0.05 * SAMPLE_RATE:
                position = round((time - start) * SAMPLE_RATE)  # the first samples, or a gap in the track
            heard, end = True, time + seconds
            frame.pts = None
            for piece in resampler.resample(frame):
                position = _place(waveform, position, piece.to_ndarray()[0])
        for piece in resampler.resample(None) if heard else ():
            position = _place(waveform, position, piece.to_ndarray()[0])
    if not heard:
        return None
    _check_length(path, "audio", start, end, promised, notes)
    _check_damage(path, "audio", damage, notes)
    return waveform


def _place(waveform: np.ndarray, position: int, samples: np.ndarray) -> int:
    """Write 16-bit samples at a position that may lie outside; return the position after them."""
    after = position + len(samples)
    first, last = max(position, 0), min(after, len(waveform))
    if first < last:
        waveform[first:last] = samples[first - position : last - position] / np.float32(32768)
    return after


def _timed_frames(container: Any, stream: Any, damage: Damage) -> Iterator[tuple[float, float, Any]]:
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


def _upright(path: Path, frame: Any) -> Image:
    """RGB image, turned as the file's display matrix asks (to the nearest quarter turn)."""
    from PIL.Image import Transpose

    if frame.width * frame.height > MAX_PIXELS:
        raise DataError(f"{path}: frames of {frame.width}x{frame.height} pixels, expected at most 8192x8192.")
    image = frame.to_image()
    quarter_turns = round(getattr(frame, "rotation", 0) / 90) % 4  # counterclockwise
    kind = (None, Transpose.ROTATE_90, Transpose.ROTATE_180, Transpose.ROTATE_270)[quarter_turns]
    return image if kind is None else image.transpose(kind)


def _promised_end(container: Any, stream: Any) -> float:
    """Seconds at which the stream ends, as its header says; 0.0 where it does not say."""
    if stream.duration is None or stream.time_base is None:
        return 0.0
    first = float((stream.start_time or 0) * stream.time_base) - (container.start_time or 0) / 1e6
    return first + float(stream.duration * stream.time_base)


def _check_length(path: Path, kind: str, start: float, end: float, promised: float, notes: list[str]) -> None:
    """Refuse what is truncated or too short; note what is padded or left out."""
    if end < min(promised, start + CLIP_SECONDS) - SLACK:
        raise DataError(
            f"{path}: the {kind} track promises {promised:.2f} s, but only {max(end, 0):.2f} s could be "
            "decoded: the file is truncated or corrupt. Fetch it again."
        )
    if kind == "video" and end - start < MIN_SECONDS:
        raise DataError(
            f"{path}: {max(end - start, 0):.2f} s of video from {start:g} s on, expected at least "
            f"{MIN_SECONDS:g} s (ten are parsed). Choose a longer clip or an earlier --start."
        )
    if end < start + CLIP_SECONDS - 0.125:
        filler = "the last frame repeated" if kind == "video" else "silence"
        notes.append(f"{kind} ends {end - start:.2f} s after the start: filled up to 10 s with {filler}")
    elif kind == "video" and promised > start + CLIP_SECONDS + 0.125:
        notes.append(
            f"longer than 10 s ({promised:.2f} s): {start:g} s to {start + CLIP_SECONDS:g} s are used"
        )


def _check_damage(path: Path, kind: str, damage: Damage, notes: list[str]) -> None:
    """Refuse a track of which more than a tenth is damaged; note less."""
    if damage.broken > 0.1 * (damage.broken + damage.decoded):
        total = damage.broken + damage.decoded
        raise DataError(
            f"{path}: {damage.broken} of {total} {kind} packets are damaged, expected at most a tenth. "
            "Fetch it again."
        )
    if damage.broken:
        notes.append(f"{damage.broken} damaged {kind} packets were skipped")


def _seek(container: Any, start: float) -> None:
    """Move near `start`; a second early, so that the decoders have settled by then."""
    if start > 2.0:
        container.seek(int((start - 1.0) * 1e6) + (container.start_time or 0))


def picture_stream(path: Path, container: Any) -> Any:
    """The first video track that is no cover picture."""
    import av

    cover = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams:
        raise DataError(f"{path}: no video track (a sound file?). Give a video file, mp4 for instance.")
    return streams[0]


@contextmanager
def open_media(path: Path) -> Iterator[Any]:
    """Open a media file for reading; whatever goes wrong inside becomes a `DataError` naming the file."""
    import av

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
