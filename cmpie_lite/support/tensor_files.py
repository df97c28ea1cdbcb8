"""safetensors, from bytes that are there or mapped: 8 bytes of header length, a JSON header, the raw tensors.

The library opens a file by its name, twice: once for the header, once for the tensors. Here both come from
one handle (`support.reading`). Writing is the library's.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypedDict

import safetensors.torch
import torch
from torch import Tensor

from cmpie_lite.errors import DataError
from cmpie_lite.support.files import replace_file
from cmpie_lite.support.reading import Buffer, map_bytes, read_bytes
from cmpie_lite.support.text import shown
from cmpie_lite.support.typed import conform, load_json

LARGEST_HEADER: Final = 16_000_000  # bytes: the ids of half a million videos
MOST_TENSORS: Final = 100_000
MOST_AXES: Final = 8
DTYPES: Final = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "BOOL": torch.bool,
}  # fmt: skip


class Entry(TypedDict):
    """What a header says of a tensor."""

    dtype: str
    shape: list[int]
    data_offsets: list[int]  # first byte, and that after the last, counted behind the header


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
    """Write named tensors and texts to one safetensors file, atomically.

    Raises:
        WriteError: as `replace_file`.
    """
    plain = {name: x.detach().cpu().contiguous() for name, x in tensors.items()}
    replace_file(path, safetensors.torch.save(plain, metadata=dict(header)))


def read_tensor_file(path: Path, largest: int) -> bytearray:
    """The content of a safetensors file; of one whose size is not what its header says, no more than that.

    Raises:
        FileNotFoundError, ReadError: as `read_bytes`.
        DataError: it is larger than `largest`, or no whole safetensors file.
    """
    tensors_in(map_bytes(path, largest))
    return read_bytes(path, largest)


def tensors_in(content: Buffer) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file, views of its content, and the texts of its header.

    Raises:
        DataError: it is no whole safetensors file.
    """
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > len(content) - 8:
        raise DataError("it is no whole safetensors file: it ends within its header")
    if length > LARGEST_HEADER:
        raise DataError(f"its header has {length} bytes, expected at most {LARGEST_HEADER}")
    header = header_of(bytes(content[8 : 8 + length]))
    texts = header.pop("__metadata__", {})
    if not isinstance(texts, dict) or not all(type(text) is str for text in texts.values()):
        raise DataError("its header holds something else than texts")
    if len(header) > MOST_TENSORS:
        raise DataError(f"it holds {len(header)} tensors, expected at most {MOST_TENSORS}")
    for name, entry in header.items():
        conform(entry, Entry, f"tensor {shown(name)}")
    tensors, end = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        tensors[name] = tensor_of(content, 8 + length, end, name, entry)
        end = entry["data_offsets"][1]
    if 8 + length + end != len(content):
        raise DataError(f"it has {len(content)} bytes, its header says {8 + length + end}")
    return tensors, texts


def header_of(content: bytes) -> dict[str, Any]:
    """A header's JSON, which is an object."""
    try:
        header = load_json(content.decode())
    except UnicodeDecodeError as error:
        raise DataError("its header is no text") from error
    if not isinstance(header, dict):
        raise DataError("its header is no JSON object")
    return header


def tensor_of(content: Buffer, start: int, end: int, name: str, entry: Entry) -> Tensor:
    """The view of one tensor's bytes, which begin `end` bytes behind `start`, where the one before ends."""
    kind, shape, offsets = DTYPES.get(entry["dtype"]), entry["shape"], entry["data_offsets"]
    if kind is None:
        raise DataError(f"tensor {shown(name)} is of {shown(entry['dtype'])}, expected {', '.join(DTYPES)}")
    if len(shape) > MOST_AXES or any(size < 0 for size in shape):
        raise DataError(f"tensor {shown(name)} has a shape that no tensor has")
    size = math.prod(shape)
    whole = offsets == [end, end + size * kind.itemsize] and start + offsets[1] <= len(content)
    if not whole or (start + end) % kind.itemsize:
        raise DataError(f"tensor {shown(name)} does not lie where its shape says: the file is cut or altered")
    if not size:
        return torch.empty(shape, dtype=kind)
    return torch.frombuffer(content, dtype=kind, count=size, offset=start + end).view(shape)


def digest(tensors: Mapping[str, Tensor], text: str) -> str:
    """sha256 over a text, then names and bytes of tensors on the CPU, in the order of the names."""
    sha = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        sha.update(name.encode())
        sha.update(tensors[name].contiguous().view(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def check_state(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise DataError unless tensors have the names, shapes and dtypes of others, and no NaN or infinity."""
    if odd := sorted(found.keys() ^ expected.keys()):
        raise DataError(f"{shown(odd[0])} is {'unknown' if odd[0] in found else 'missing'}")
    for name, x in expected.items():
        there = found[name]
        if (there.dtype, there.shape) != (x.dtype, x.shape):
            raise DataError(
                f"{name!r} is {there.dtype} {tuple(there.shape)}, expected {x.dtype} {tuple(x.shape)}"
            )
        if not there.isfinite().all():
            raise DataError(f"{name!r} holds a NaN or an infinity")
