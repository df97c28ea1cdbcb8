"""Feature files in the authors' layout, read without trust: .npy, float32, of their folder's shape."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cmpie_lite.errors import DataError
from data_fetch.sources import LAYOUT


def feature_files(folder: Path) -> Iterator[Path]:
    """The .npy files of the layout below `folder`, hidden ones left out."""
    return (path for kind in LAYOUT for path in (folder / kind).glob("[!.]*.npy"))


def check_feature(path: Path, kind: str) -> os.stat_result:
    """Check a feature file of `kind` (a folder of `LAYOUT`) without reading its values; return its status.

    Raises:
        DataError: missing, not a .npy file, truncated, wrong shape or dtype. The message is the reason only.
    """
    with _opened(path, kind) as (file, _):
        return os.fstat(file.fileno())


def read_feature(path: Path, kind: str) -> np.ndarray:
    """Read a feature file of `kind`: float32 of the shape in `LAYOUT`, values as they are.

    Raises:
        DataError: as `check_feature`.
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
    except DataError as error:
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
        raise DataError(f"cannot be read ({error.strerror or error})") from error


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
