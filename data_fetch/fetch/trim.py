"""Cut a stretch out of a video file, encoded anew so that it begins exactly where it should."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from cmpie_lite.errors import DataError
from cmpie_lite.support.extras import need
from data_fetch.extract.media import open_media, picture_stream, seek


class TooShort(DataError):
    """A whole video that ends before the seconds that are asked for."""


def trim(source: Path, target: Path, start: float, end: float) -> None:
    """Write seconds `start` to `end` of a video as mp4 (H.264, AAC), its frames at their own times.

    Raises:
        TooShort: the video ends more than half a second before `end`.
        DataError: not a video.
    """
    av = need("av", "extract")
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    last = {"video": start, "audio": start}
    with open_media(source) as whole, av.open(str(target), "w", format="mp4") as clip:
        picture = picture_stream(source, whole)
        sound = whole.streams.audio[0] if whole.streams.audio else None
        rate = picture.average_rate or Fraction(25)
        image: Any = clip.add_stream(codec, rate=rate, options={"crf": "18", "preset": "veryfast"})
        image.width, image.height = picture.width // 2 * 2, picture.height // 2 * 2
        image.pix_fmt = "yuv420p"
        image.codec_context.time_base = Fraction(1, 90_000)
        voice: Any = clip.add_stream("aac", rate=sound.rate, layout="mono") if sound else None
        resampler = av.AudioResampler("fltp", "mono", sound.rate) if sound else None
        origin = (whole.start_time or 0) / 1e6
        seek(whole, start)
        for packet in whole.demux([s for s in (picture, sound) if s is not None]):
            if min(last.values() if sound else [last["video"]]) >= end:
                break
            for frame in packet.decode():
                if frame.time is None:
                    continue
                time = frame.time - origin
                kind = packet.stream.type
                if kind == "video" and start <= time < end:
                    frame = frame.reformat(image.width, image.height, "yuv420p")
                    frame.pts, frame.time_base = round((time - start) * 90_000), Fraction(1, 90_000)
                    frame.pict_type = 0
                    clip.mux(image.encode(frame))
                elif kind == "audio" and resampler and start <= time < end:
                    frame.pts = round((time - start) * frame.sample_rate)
                    frame.time_base = Fraction(1, frame.sample_rate)
                    for piece in resampler.resample(frame):
                        clip.mux(voice.encode(piece))
                last[kind] = max(last[kind], time)
        clip.mux(image.encode(None))
        if voice is not None:
            clip.mux(voice.encode(None))
    if last["video"] < end - 0.5:
        raise TooShort(f"{source}: ends at {last['video']:.1f} s, expected {start:g} to {end:g} s of it.")
