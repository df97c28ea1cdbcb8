"""Ten seconds of a video file: 80 frames chosen by time, and a 16 kHz mono waveform.

LLP's authors cut frames with ffmpeg at 8 per second and wrote 16-bit 16 kHz wav files. ffmpeg's `fps` filter
rounds each timestamp to the nearest tick of 1/8 s and shows the latest frame, so frame k is the one on screen
just before (k + 1/2)/8 s; the same rule is applied here, which settles odd and variable frame rates. Unlike
the authors we do not pass the frames through JPEG.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cmpie_lite.errors import DataError
from cmpie_lite.labels import FRAMES_PER_SEGMENT, NUM_SEGMENTS, SEGMENT_SECONDS
from data_fetch.extract.frames import Resampler, upright
from data_fetch.extract.media import (
    Damage,
    clock_may_jump,
    open_media,
    picture_stream,
    playable,
    played_frames,
)

if TYPE_CHECKING:
    from PIL.Image import Image

CLIP_SECONDS: Final = NUM_SEGMENTS * SEGMENT_SECONDS
FRAME_RATE: Final = FRAMES_PER_SEGMENT / SEGMENT_SECONDS
NUM_FRAMES: Final = NUM_SEGMENTS * FRAMES_PER_SEGMENT
SAMPLE_RATE: Final = 16_000
NUM_SAMPLES: Final = int(CLIP_SECONDS * SAMPLE_RATE)
MIN_SECONDS: Final = 1.0
HDR: Final = {16: "PQ", 18: "HLG"}  # transfer characteristics of more light than a screen's (H.273)
SLACK: Final = 0.5  # seconds by which a stream may fall short of what its header promises


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
        from av.video.reformatter import VideoReformatter

        stream, reformatter = picture_stream(path, container), VideoReformatter()
        _note_others(container, stream, notes)
        damage, end = Damage(), start
        for time, seconds, frame in played_frames(container, stream, damage, start):
            while shown is not None and k < NUM_FRAMES and wanted[k] <= time + 1e-9:
                image = image or upright(path, shown, reformatter)
                yield k, image
                k += 1
            if shown is None and (curve := HDR.get(frame.color_trc)):
                notes.append(f"HDR ({curve}): taken as ordinary video, without tone mapping: pale pictures")
            shown, image, end = frame, None, time + seconds
            if k == NUM_FRAMES:
                break
        if shown is None:
            raise DataError(f"{path}: no frame could be decoded. Is the file damaged? Try to play it.")
        _check_length(path, container, stream, start, end, notes)
        _check_damage(path, "video", damage, notes)
        image = image or upright(path, shown, reformatter)
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
    notes = [] if notes is None else notes
    damage = Damage()
    with open_media(path) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        _note_others(container, stream, notes)
        samples, end = mono_samples(container, stream, damage, start, CLIP_SECONDS, SAMPLE_RATE)
        _check_damage(path, "audio", damage, notes)
        if end is None and _promised_end(path, container, stream, start) == 0.0:
            return None  # a track without a single sample
        _check_length(path, container, stream, start, start if end is None else end, notes)
    return samples / np.float32(32_768)


def mono_samples(
    container: Any, stream: Any, damage: Damage, start: float, seconds: float, rate: int
) -> tuple[np.ndarray, float | None]:
    """So many seconds of sound from `start` on: int16, the mean of the channels, placed by timestamps.

    Returns:
        (seconds * rate,) samples, silent where there is no sound; when what was heard ends, None for nothing.
    """
    sound = np.zeros(round(seconds * rate), np.int16)
    position, end, to_mono = 0, None, Resampler("s16", rate)  # of floats, the mean would be a louder sum
    for time, lasts, frame in played_frames(container, stream, damage, start):
        if time >= start + seconds + 0.1:
            break
        if end is None or abs(position - (time - start) * rate) > 0.05 * rate:
            for piece in to_mono(None):  # what was heard before a gap stays before it
                position = _place(sound, position, piece.to_ndarray()[0])
            position = round((time - start) * rate)  # the first samples, or those after a gap
        end = time + lasts
        frame.pts = None
        for piece in to_mono(frame):
            position = _place(sound, position, piece.to_ndarray()[0])
    for piece in to_mono(None):
        position = _place(sound, position, piece.to_ndarray()[0])
    return sound, end


def _note_others(container: Any, stream: Any, notes: list[str]) -> None:
    """Say that there are more tracks of a kind than the one that is read."""
    tracks = playable(container, stream.type)
    if len(tracks) > 1:
        notes.append(f"{len(tracks)} {stream.type} tracks: the first is used")


def _place(sound: np.ndarray, position: int, samples: np.ndarray) -> int:
    """Write samples at a position that may lie outside; return the position after them."""
    after = position + len(samples)
    first, last = max(position, 0), min(after, len(sound))
    if first < last:
        sound[first:last] = samples[first - position : last - position]
    return after


def _promised_end(path: Path, container: Any, stream: Any, end: float) -> float:
    """Seconds at which the stream should end, as far as headers say; 0.0 where they do not.

    Matroska says how long the file is, and of each track at best in a tag. Without it a track that ended at
    `end` falls short only if no packet of any track, a subtitle's included, lasts until there. It counts both
    from zero, though the clock of a file may begin later. Formats whose clock may jump say nothing: their
    length is guessed from the last timestamps.
    """
    origin = (container.start_time or 0) / 1e6
    if stream.duration is not None and stream.time_base is not None:
        first = float((stream.start_time or 0) * stream.time_base) - origin
        return first + float(stream.duration * stream.time_base)
    before = max(origin, 0.0)
    if tagged := _tagged_seconds(stream):
        return tagged - before
    whole = (container.duration or 0) / 1e6 - before
    if end >= whole - SLACK:
        return 0.0
    with open_media(path) as again:
        ends = (float((p.pts + (p.duration or 0)) * p.time_base) for p in again.demux() if p.pts is not None)
        return whole if max(ends, default=0.0) - origin < whole - SLACK else 0.0


def _tagged_seconds(stream: Any) -> float:
    """Seconds at which Matroska's own tag says that a track ends, such as 00:00:08.000000000; else 0.0."""
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", ""))
    hours, minutes, seconds = found.groups() if found else (0, 0, 0)
    return 3600 * float(hours) + 60 * float(minutes) + float(seconds)


def _check_length(
    path: Path, container: Any, stream: Any, start: float, end: float, notes: list[str]
) -> None:
    """Refuse what is truncated or too short; note what is padded or left out."""
    kind, promised = stream.type, _promised_end(path, container, stream, end)
    if end < min(promised, start + CLIP_SECONDS) - SLACK and not clock_may_jump(container):
        raise DataError(
            f"{path}: the {kind} track should last {promised:.2f} s, but only {max(end, 0):.2f} s could be "
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
