"""Feature files in the authors' layout, read without trust: .npy, float32, of their folder's shape."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from cmpie_lite.data.llp_names import VIDEO_ID
from cmpie_lite.errors import DataError, ReadError
from cmpie_lite.labels import AUDIO_DIM, FRAMES_PER_SEGMENT, NUM_SEGMENTS, VISUAL_2D_DIM, VISUAL_3D_DIM
from cmpie_lite.support.files import replace_file
from cmpie_lite.support.reading import cannot_read, read_text
from cmpie_lite.support.text import shown
from cmpie_lite.support.turns import taking_turns

# The folders of the authors' feature files: the shape of one video's array; the tensor that it becomes.
LAYOUT: Final = {
    "vggish": (NUM_SEGMENTS, AUDIO_DIM),
    "res152": (NUM_SEGMENTS * FRAMES_PER_SEGMENT, VISUAL_2D_DIM),
    "r2plus1d_18": (NUM_SEGMENTS, VISUAL_3D_DIM),
}
TENSORS: Final = {"vggish": "audio", "res152": "visual_2d", "r2plus1d_18": "visual_3d"}  # in a store's order
LARGEST_ORIGIN: Final = 100_000  # bytes of the text that says so
SOURCE_FILE: Final = "source.txt"  # beside the folders: whose features they are where not LLP's own


def features_folder(folder: Path) -> Path:
    """Where the features are that a folder is given for: in it, or in its `feats` where that has more kinds.

    A `feats` without any is meant too where the folder has none itself: it is being filled.
    """
    feats = folder / "feats"
    own, inside = (sum((place / kind).is_dir() for kind in LAYOUT) for place in (folder, feats))
    return feats if feats.is_dir() and (not own or inside > own) else folder


def feature_files(folder: Path) -> Iterator[Path]:
    """The .npy files of the layout below `folder`, hidden ones left out.

    Raises:
        OSError: a folder of the layout cannot be read.
    """
    folders = (folder / kind for kind in LAYOUT if (folder / kind).is_dir())
    files = (path for inside in folders for path in inside.iterdir())  # glob would take it for empty
    return (path for path in files if path.suffix == ".npy" and not path.name.startswith("."))


def misnamed(folder: Path) -> Path | None:
    """A feature file below `folder` that is named like a clip, ID_start_end.npy; None where there is none."""
    names = (path for path in feature_files(folder) if (m := VIDEO_ID.fullmatch(path.stem)) and m[2])
    return min(names, default=None)


def check_feature(path: Path, kind: str) -> os.stat_result:
    """Check a feature file of `kind` (a folder of `LAYOUT`) without reading its values; return its status.

    Raises:
        DataError: missing, not a .npy file, truncated, wrong shape or dtype. The message is the reason only.
        ReadError: it is there and cannot be read.
    """
    with _opened(path, kind) as (file, _):
        return os.fstat(file.fileno())


def read_feature(path: Path, kind: str) -> np.ndarray:
    """Read a feature file of `kind`: float32 of the shape in `LAYOUT`, values as they are.

    Raises:
        DataError, ReadError: as `check_feature`.
    """
    shape = LAYOUT[kind]
    with _opened(path, kind) as (file, fortran):
        values = np.fromfile(file, np.float32, math.prod(shape))
    if values.size != math.prod(shape):
        raise DataError("became shorter while it was read")
    return values.reshape(shape[::-1]).T if fortran else values.reshape(shape)


def array_fault(path: Path, kind: str) -> str | None:
    """What is wrong with a feature file (missing, shape, dtype, truncated, not finite), or None."""
    try:
        values = read_feature(path, kind)
    except (DataError, ReadError) as error:
        return str(error)
    broken = int((~np.isfinite(values)).sum())
    return f"{broken} values are not finite" if broken else None


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[tuple[BinaryIO, bool]]:
    """The file, standing at its values, and whether they are in Fortran order."""
    try:
        if path.exists() and not path.is_file():
            raise DataError("not a file")
        with path.open("rb") as file:
            yield file, _read_header(file, LAYOUT[kind])
    except FileNotFoundError:
        raise DataError("missing") from None
    except OSError as error:
        raise cannot_read(path, error) from error


def _read_header(file: BinaryIO, expected: tuple[int, ...]) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # files of Python 2 are fine
            first = np.lib.format.read_magic(file) == (1, 0)
            read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
    except Exception as error:  # numpy's parser raises a dozen kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"not a .npy file ({reason[:100]})") from error
    if dtype.hasobject:
        raise DataError("a pickled object array, expected float32; pickles are never loaded")
    if dtype != np.float32:
        raise DataError(f"dtype {dtype.str}, expected float32; save it with .astype(numpy.float32)")
    if shape != expected:
        raise DataError(f"shape {shape}, expected {expected}")
    found, size = os.fstat(file.fileno()).st_size - file.tell(), 4 * math.prod(expected)
    if found != size:
        raise DataError(f"{found} bytes of values, expected {size}{' (truncated)' if found < size else ''}")
    return bool(fortran)


def read_origin(path: Path) -> str | None:
    """The text of such a file; None where there is none.

    Raises:
        DataError: the file is there but is no text. ReadError: it is there and cannot be read.
    """
    try:
        return read_text(path, LARGEST_ORIGIN).strip()
    except FileNotFoundError:
        return None
    except DataError as error:
        raise DataError(f"{path} cannot be read: {error}. Expected one line of text.") from error


def claim(path: Path, text: str, *, occupied: bool, also: Collection[str] = ()) -> None:
    """Say in `path` that the files beside it are `text`. Of two that claim an empty folder, one comes first.

    Args:
        path: the file that says so.
        text: what the files are, or will be.
        occupied: whether there are such files already; then `path` must be there, and say so.
        also: other texts that it may replace.

    Raises:
        DataError: the files are of another kind, or nothing says of which; the message names both.
        WriteError: the folder cannot be written.
    """
    with taking_turns(path.parent):
        before = read_origin(path)
        if before is None and occupied:
            raise DataError(
                f"{path.parent} holds files, but no {path.name} that says what they are: {text!r} would mix "
                "with them. Choose another --out."
            )
        if before not in (None, text, *also):
            yet = (
                ""
                if occupied
                else f" No such files are there yet: if none are on the way, {path.name} may go."
            )
            raise DataError(
                f"{path.parent} holds {shown(str(before))}, as {path.name} says, not {text!r}. Choose "
                f"another --out.{yet}"
            )
        if before != text:
            replace_file(path, f"{text}\n".encode())
