"""Colours as a file means them: its matrix, range and depth; and what is said of light that no screen has."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from data_fetch.extract.decode import read_frames
from data_fetch.fetch.trim import trim

BT709, BT601, BT2020 = (0.2126, 0.0722), (0.299, 0.114), (0.2627, 0.0593)  # luma's share of red, of blue
CODES = {BT709: 1, BT601: 6, BT2020: 9}  # of matrices in H.273
COLOURS = np.array(
    [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255), (0, 0, 0),
     (255, 255, 255), (128, 128, 128), (200, 80, 40)]
)  # fmt: skip
SIZE = 32


def components(colour: np.ndarray, matrix: tuple[float, float], *, full: bool, bits: int) -> list[int]:
    """Y, Cb and Cr of a colour, as H.273 writes them."""
    red, green, blue = colour / 255
    of_red, of_blue = matrix
    y = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    chroma = [(blue - y) / (2 - 2 * of_blue), (red - y) / (2 - 2 * of_red)]
    scale, largest = 2 ** (bits - 8), 2**bits - 1
    if full:
        return [round(y * largest), *(round(min(c * largest + 128 * scale, largest)) for c in chroma)]
    return [round(scale * (16 + 219 * y)), *(round(scale * (128 + 224 * c)) for c in chroma)]


def write_colours(
    path: Path, matrix: tuple[float, float], *, full: bool = False, bits: int = 8, curve: int = 2
) -> Path:
    """Each colour for a second, in a file that names matrix, range and transfer curve."""
    kind = np.uint8 if bits == 8 else np.uint16
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=8, options={"qp": "0", "preset": "ultrafast"})
        video.width = video.height = SIZE
        video.pix_fmt = "yuv420p" if bits == 8 else "yuv420p10le"
        context = video.codec_context
        context.colorspace, context.color_range, context.color_trc = CODES[matrix], 1 + full, curve
        for i in range(8 * len(COLOURS)):
            y, cb, cr = components(COLOURS[i // 8], matrix, full=full, bits=bits)
            planes = [
                np.full(n, value, kind) for n, value in ((SIZE**2, y), (SIZE**2 // 4, cb), (SIZE**2 // 4, cr))
            ]
            flat = np.concatenate(planes).reshape(SIZE * 3 // 2, SIZE)
            frame = av.VideoFrame.from_ndarray(flat, format=video.pix_fmt)
            frame.colorspace, frame.color_range = CODES[matrix], 1 + full
            frame.pts, frame.time_base = i, Fraction(1, 8)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [BT601, BT709, BT2020])
def test_colours_are_those_that_the_file_names(
    tmp_path: Path, matrix: tuple[float, float], full: bool, bits: int
) -> None:
    notes: list[str] = []
    path = write_colours(tmp_path / "colours.mp4", matrix, full=full, bits=bits)
    found = [np.asarray(image)[SIZE // 2, SIZE // 2] for _, image in read_frames(path, 0.0, notes)][4::8]
    assert np.abs(np.array(found, int) - COLOURS).max() <= 3
    assert notes == []


def test_clips_that_are_cut_keep_their_colours(tmp_path: Path) -> None:
    path = write_colours(tmp_path / "colours.mp4", BT709, full=True)
    trim(path, tmp_path / "cut.mp4", 0.0, 10.0)
    images = [image for _, image in read_frames(tmp_path / "cut.mp4")][4::8]
    found = [np.asarray(image)[SIZE // 2, SIZE // 2] for image in images]
    assert (
        np.abs(np.array(found, int) - COLOURS).max() <= 8
    )  # what x264 loses; of another matrix, 30 and more


@pytest.mark.parametrize(("curve", "name"), [(16, "PQ"), (18, "HLG")])
def test_light_that_no_screen_has_is_said(tmp_path: Path, curve: int, name: str) -> None:
    notes: list[str] = []
    path = write_colours(tmp_path / "hdr.mp4", BT2020, bits=10, curve=curve)
    found = [np.asarray(image)[SIZE // 2, SIZE // 2] for _, image in read_frames(path, 0.0, notes)][4::8]
    assert np.abs(np.array(found, int) - COLOURS).max() <= 3  # as ffmpeg has it: the numbers, not the light
    assert notes == [f"HDR ({name}): taken as ordinary video, without tone mapping: pale pictures"]
