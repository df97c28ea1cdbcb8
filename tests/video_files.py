"""Video files made to order for tests: any codec, size, timestamps and sound, numbered frames."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from data_fetch.extract.decode import NUM_FRAMES, read_frames

TICKS = 90_000


def numbered(number: int, size: int = 32) -> np.ndarray:
    """A frame whose upper half tells number // 16 and whose lower half number % 16, in sixteen greys."""
    frame = np.empty((size, size, 3), np.uint8)
    frame[: size // 2], frame[size // 2 :] = number // 16 * 16 + 8, number % 16 * 16 + 8
    return frame


def number_of(image: Any) -> int:
    """The number that a frame made by `numbered` carries, whatever its size now is."""
    grey = np.asarray(image).astype(float).mean(axis=(1, 2))
    quarter = len(grey) // 4
    return int(grey[quarter] // 16) * 16 + int(grey[3 * quarter] // 16)


def shown(path: Path, start: float = 0.0, notes: list[str] | None = None) -> list[int]:
    """The numbers of the 80 frames that the reader chooses."""
    pairs = list(read_frames(path, start, notes))
    assert [k for k, _ in pairs] == list(range(NUM_FRAMES))
    return [number_of(image) for _, image in pairs]


def by_hand(times: list[float], start: float = 0.0) -> list[int]:
    """For k = 0..79 the last frame that has appeared before start + (k + 1/2)/8 seconds."""
    wanted = [start + k / 8 + 1 / 16 for k in range(80)]
    return [max([i for i, t in enumerate(times) if t < w - 1e-6], default=0) for w in wanted]


def write_video(
    path: Path,
    frames: Sequence[np.ndarray],
    times: Sequence[float] | float,
    *,
    sound: np.ndarray | None = None,
    rate: int = 16_000,
    codec: str = "libx264",
    sound_codec: str = "flac",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    sound_start: float = 0.0,
) -> Path:
    """Write frames at given times (or at a given rate) and int16 sound (channels, samples)."""
    times = [i / times for i in range(len(frames))] if isinstance(times, int | float) else times
    step = min(np.diff(times)) if len(times) > 1 else 0.04
    lossless = {"qp": "0", "preset": "ultrafast"} if codec == "libx264" else {}
    counted = codec == "mpeg4" or path.suffix == ".avi"  # one frame per tick, no times of their own
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        video: Any = container.add_stream(codec, rate=Fraction(1 / step).limit_denominator(1001))
        video.options = options or lossless
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = {"libx264": "yuv444p", "mpeg4": "yuv420p", "libvpx-vp9": "yuv420p"}.get(codec, "bgr0")
        video.codec_context.thread_count = 1
        if not counted:
            video.codec_context.time_base = Fraction(1, TICKS)
        audio: Any = None
        if sound is not None:
            layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(sound)]
            audio = container.add_stream(sound_codec, rate=rate, layout=layout)
        for frame, time in zip(frames, times, strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            if not counted:
                picture.pts, picture.time_base = round(time * TICKS), Fraction(1, TICKS)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            interleaved = np.ascontiguousarray(sound.T).reshape(1, -1)
            block = av.AudioFrame.from_ndarray(interleaved, format="s16", layout=layout)
            block.sample_rate, block.time_base = rate, Fraction(1, rate)
            block.pts = round(sound_start * rate)
            if sound_codec == "aac":
                block = av.AudioResampler("fltp", layout, rate).resample(block)[0]
            container.mux(audio.encode(block))
            container.mux(audio.encode(None))
    return path


def tone(seconds: float, hertz: float = 440.0, rate: int = 16_000, channels: int = 1) -> np.ndarray:
    """int16 sound of one tone at half of full scale, (channels, samples)."""
    t = np.arange(round(seconds * rate)) / rate
    wave = (16_384 * np.sin(2 * np.pi * hertz * t)).astype(np.int16)
    return np.repeat(wave[None], channels, axis=0)


def with_matrix(source: Path, target: Path, turn: tuple[int, int, int, int]) -> Path:
    """Copy an mp4 whose video track's display matrix (a, b, c, d) takes (x, y) to (a x + c y, b x + d y)."""
    data = bytearray(source.read_bytes())
    a, b, c, d = turn
    matrix = (a, b, 0, c, d, 0, 0, 0, 0x4000)  # 16.16 fixed point; the last is 2.30
    fixed = b"".join((value * 65_536).to_bytes(4, "big", signed=True) for value in matrix)
    place = data.index(b"tkhd") + 4 + 4 + 20 + 16  # version and flags, times and ids, reserved to volume
    data[place : place + 36] = fixed
    target.write_bytes(data)
    return target


def joined(sources: Sequence[Path], target: Path, *, apart: bool = False) -> Path:
    """Copy files of the same tracks to one, at the times they have: into the first's tracks, or `apart`."""
    with ExitStack() as stack:
        parts = [stack.enter_context(av.open(str(source))) for source in sources]
        container = stack.enter_context(av.open(str(target), "w"))
        tracks: list[Any] = []
        for part in parts if apart else parts[:1]:
            tracks += [container.add_stream_from_template(stream) for stream in part.streams]
        packets = []
        for k, part in enumerate(parts):
            first = len(part.streams) * k if apart else 0
            packets += [
                (p.dts * p.time_base, first + p.stream.index, p) for p in part.demux() if p.dts is not None
            ]
        for _, track, packet in sorted(packets, key=lambda entry: entry[:2]):
            packet.stream = tracks[track]
            container.mux(packet)
    return target


def with_subtitle(source: Path, target: Path, first: int, last: int) -> Path:
    """Copy a file's tracks to Matroska, with a subtitle that is shown from second `first` to `last`."""
    words = target.with_suffix(".srt")
    words.write_text(f"1\n00:00:{first:02},000 --> 00:00:{last:02},000\nwords\n")
    with av.open(str(source)) as whole, av.open(str(words)) as text, av.open(str(target), "w") as container:
        streams = [*whole.streams, *text.streams]
        tracks = {id(stream): container.add_stream_from_template(stream) for stream in streams}
        packets = [p for part in (text, whole) for p in part.demux() if p.dts is not None]
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            packet.stream = tracks[id(packet.stream)]
            container.mux(packet)
    return target
