"""Decoded frames as the networks want them: sound of one format, pictures upright and in RGB."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cmpie_lite.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS: Final = 2**26  # 8192 x 8192: more is no clip of ours but a damaged header


class Resampler:
    """Sound as mono of one format and rate, whatever format, channels or rate its track changes to midway."""

    def __init__(self, sample_format: str, rate: int) -> None:
        self.to: dict[str, Any] = {"format": sample_format, "layout": "mono", "rate": rate}
        self.kind: tuple[Any, ...] | None = None
        self.inner: Any = None

    def __call__(self, frame: Any | None) -> list[Any]:
        """What comes out for a frame; for None the rest."""
        import av

        kind = None if frame is None else (frame.format.name, frame.layout.name, frame.sample_rate)
        pieces: list[Any] = []
        if kind != self.kind:
            pieces += self.inner.resample(None) if self.inner else []
            self.kind, self.inner = kind, av.AudioResampler(**self.to) if kind else None
        return pieces + (self.inner.resample(frame) if self.inner else [])


def _progressive(frame: Any) -> Any:
    """A frame without the mark of interlacing, which libswscale would heed and ffmpeg does not."""
    import av

    if not frame.interlaced_frame:
        return frame
    try:
        plain = av.VideoFrame.from_ndarray(frame.to_ndarray(), format=frame.format.name)
    except ValueError:  # a format that PyAV has no array of
        return frame
    plain.colorspace, plain.color_range = frame.colorspace, frame.color_range
    return plain


def upright(path: Path, frame: Any, reformatter: Any) -> Image:
    """RGB image, mirrored and turned as the file's display matrix asks (to the nearest quarter turn).

    The matrix takes a source pixel (x, y) to (a x + c y, b x + d y). The reformatter is PyAV's, one for all
    frames of a file: one of each frame's own would take longer to set up than to use.

    Raises:
        DataError: a frame of more than 8192 x 8192 pixels.
    """
    from PIL.Image import Transpose

    if frame.width * frame.height > MAX_PIXELS:
        raise DataError(f"{path}: frames of {frame.width}x{frame.height} pixels, expected at most 8192x8192.")
    image = reformatter.reformat(_progressive(frame), format="rgb24").to_image()
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].astype(float)
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, a, d = image.transpose(Transpose.TRANSPOSE), c, b
    if a < 0:
        image = image.transpose(Transpose.FLIP_LEFT_RIGHT)
    return image.transpose(Transpose.FLIP_TOP_BOTTOM) if d < 0 else image
