"""Cut a stretch out of a video file, encoded anew so that it begins exactly where it should."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from cmpie_lite.errors import DataError
from cmpie_lite.support.extras import need
from data_fetch.extract.decode import mono_samples
from data_fetch.extract.frames import upright
from data_fetch.extract.media import Damage, open_media, picture_stream, played_frames

TICKS: Final = 90_000


class TooShort(DataError):
    """A whole video that ends before the seconds that are asked for."""


def trim(source: Path, target: Path, start: float, end: float) -> None:
    """Write seconds `start` to `end` of a video as mp4 (H.264, AAC), upright, its frames at their own times.

    Raises:
        TooShort: the video ends more than half a second before `end`.
        DataError: not a video.
    """
    av = need("av", "extract")
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    with open_media(source) as whole:
        rate = picture_stream(source, whole).average_rate or Fraction(25)
        hertz = whole.streams.audio[0].rate if whole.streams.audio else None
    rates = av.codec.Codec("aac", "w").audio_rates
    with av.open(str(target), "w", format="mp4") as clip:
        image: Any = clip.add_stream(codec, rate=rate, options={"crf": "18", "preset": "veryfast"})
        image.pix_fmt = "yuv420p"
        image.codec_context.time_base = Fraction(1, TICKS)
        voice: Any = None
        if hertz:
            nearest = min(rates, key=lambda rate: abs(rate - hertz))
            voice = clip.add_stream("aac", rate=nearest, layout="mono")
        last = _copy_pictures(source, clip, image, start, end)
        if voice is not None:
            _copy_sound(source, clip, voice, start, end)
    if last < end - 0.5:
        raise TooShort(f"{source}: ends at {last:.1f} s, expected {start:g} to {end:g} s of it.")


def _copy_pictures(source: Path, clip: Any, image: Any, start: float, end: float) -> float:
    """Encode what is on screen from `start` to `end`; returns the time of the last frame up to `end`."""
    import av
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()

    def encode(frame: Any, time: float) -> None:
        picture = upright(source, frame, reformatter)
        if not size:
            size.extend((max(picture.width // 2, 1) * 2, max(picture.height // 2, 1) * 2))
            image.width, image.height = size
        written = av.VideoFrame.from_image(picture).reformat(*size, "yuv420p")
        written.pts, written.time_base = round(max(time - start, 0.0) * TICKS), Fraction(1, TICKS)
        clip.mux(image.encode(written))

    size: list[int] = []
    last, shown = start, None  # the frame on screen when `start` comes
    with open_media(source) as whole:
        stream = picture_stream(source, whole)
        for time, _, frame in played_frames(whole, stream, Damage(), start):
            last = max(last, time)
            if time > start and shown is not None:
                encode(shown, start)
                shown = None
            if time >= end:
                break
            if time <= start:
                shown = frame
            else:
                encode(frame, time)
        if shown is not None:
            encode(shown, start)
    if size:
        clip.mux(image.encode(None))
    return last


def _copy_sound(source: Path, clip: Any, voice: Any, start: float, end: float) -> None:
    """Encode the sound from `start` to `end`, or to the end of the sound."""
    import av

    with open_media(source) as whole:
        found = mono_samples(whole, whole.streams.audio[0], Damage(), start, end - start, voice.rate)
    samples, last = found[0], start if found[1] is None else found[1]
    samples = samples[: max(round((last - start) * voice.rate), 0)]
    if len(samples):
        block = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        block.sample_rate, block.pts, block.time_base = voice.rate, 0, Fraction(1, voice.rate)
        clip.mux(voice.encode(block))
    clip.mux(voice.encode(None))
