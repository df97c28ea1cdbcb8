"""What extraction leaves in a folder: arrays in the official layout, and of which file each video's are.

    OUT/vggish/ID.npy, OUT/res152/ID.npy, OUT/r2plus1d_18/ID.npy
    OUT/made_of/ID.txt                  sha256 of the file that they are made of, then notes on it, if any

Two files may have one name, and so one id: what is done is known by its content.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np

from cmpie_lite.data.llp_names import VIDEO_ID, feature_name
from cmpie_lite.errors import DataError
from cmpie_lite.support.files import file_hash, replace_file
from cmpie_lite.support.reading import cannot_read
from cmpie_lite.support.text import file_stem
from cmpie_lite.support.turns import taking_turns
from data_fetch.extract.video import VideoFeatures
from data_fetch.layout import LAYOUT, check_feature, read_origin

MADE_OF: Final = "made_of"


def video_id(path: Path | str) -> str:
    """The id under which features are stored: a file's stem as `file_stem`, without LLP's `_start_end`.

    Example:
        >>> video_id("clips/BjCEufrlXm4_20_30.mp4")
        'BjCEufrlXm4'
    """
    stem = Path(path).stem
    if VIDEO_ID.fullmatch(stem):
        return feature_name(stem)
    return file_stem(path)


def content_of(path: Path) -> str:
    """The sha256 of a video file.

    Raises:
        DataError: there is no such file. ReadError: it cannot be read.
    """
    try:
        if not path.is_file():
            raise DataError(f"{path}: no such file. Give the path of a video file.")
        return file_hash(path)
    except OSError as error:
        raise cannot_read(path, error) from error


def feature_paths(out: Path, name: str) -> dict[str, Path]:
    """Paths of one video's arrays in the official layout: folder -> file."""
    return {folder: out / folder / f"{name}.npy" for folder in LAYOUT}


def is_done(out: Path, name: str) -> bool:
    """Whether all three arrays of a video are there, each with as many values as it must have.

    Raises:
        ReadError: one is there and cannot be read.
    """
    try:
        for folder, path in feature_paths(out, name).items():
            check_feature(path, folder)
    except DataError:
        return False
    return True


def made_of(out: Path, name: str) -> tuple[str | None, str]:
    """The sha256 of the file that a video's arrays are made of (None: nothing says it), and the notes on it.

    Raises:
        DataError: the file that says it is no text.
    """
    content, _, notes = (read_origin(out / MADE_OF / f"{name}.txt") or "").partition("\n")
    return content or None, notes


def check_maker(out: Path, name: str, path: Path, content: str) -> None:
    """Refuse a file where arrays of its name are there that are made of another one.

    Raises:
        DataError: they are of another file, or nothing says of which; the message names both.
    """
    before, _ = made_of(out, name)
    if before != content and any(array.exists() for array in feature_paths(out, name).values()):
        of = "nothing says of which file" if before is None else f"of a file with sha256 {before[:12]}..."
        raise DataError(
            f"{path}: {out} has arrays of {name} already, {of}; this one's sha256 is {content[:12]}... "
            "Choose another --out for it."
        )


def write_features(out: Path, name: str, features: VideoFeatures, path: Path, content: str) -> None:
    """Write one video's arrays in the official layout, each atomically, and of which file they are.

    Raises:
        DataError: an array of the wrong shape or with values that are not finite; arrays of another file.
        WriteError: a folder that cannot be written.
    """
    arrays = (features.audio, features.visual_2d, features.visual_3d)
    for (folder, shape), array in zip(LAYOUT.items(), arrays, strict=True):
        if array.shape != shape or not np.isfinite(array).all():
            raise DataError(f"{name}: {folder} came out as {array.shape} or not finite, expected {shape}.")
    with taking_turns(out / MADE_OF):
        check_maker(out, name, path, content)
        text = f"{content}\n{'; '.join(features.notes)}".strip()
        replace_file(out / MADE_OF / f"{name}.txt", f"{text}\n".encode())
        for place, array in zip(feature_paths(out, name).values(), arrays, strict=True):
            file = io.BytesIO()  # numpy's own writing to a file does not say that a disk is full
            np.save(file, array.astype(np.float32, copy=False))
            replace_file(place, file.getvalue())
