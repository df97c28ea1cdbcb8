"""Stores on the disk: three splits of tensors, written once as safetensors, read back memory-mapped.

A store is a folder of four files. Three hold the tensors of a `Split` each; `store.json` names the source and
lists files, counts, sizes and sha256 of the three. A split's file is called by its content, such as
`train-0123456789abcdef.safetensors` (16 digits of its sha256), so what a name holds never changes: a store is
replaced by putting new files beside the old ones, then `store.json`, in one step, and whoever has opened the
old one keeps it. A folder without `store.json` is no store. Stores of before have `train.safetensors` and so
on. One process writes to a folder at a time. The digest of a store can be had without this package:

    sha256sum train-*.safetensors val-*.safetensors test-*.safetensors | sed 's/-[0-9a-f]*\\././' | sha256sum
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypedDict, cast

import torch

from cmpie_lite.data.store import (
    FEATURES,
    FORMAT,
    LABELS,
    SPLITS,
    FeatureStore,
    Split,
    digest_of_hashes,
)
from cmpie_lite.data.trainable import check_finite
from cmpie_lite.errors import DataError, ReadError
from cmpie_lite.labels import CLASSES
from cmpie_lite.support.files import file_hash, replace_file
from cmpie_lite.support.reading import Buffer, look, map_bytes, read_text
from cmpie_lite.support.tensor_files import tensors_in
from cmpie_lite.support.text import shown, user_path
from cmpie_lite.support.typed import conform, load_json

MANIFEST: Final = "store.json"
LARGEST_MANIFEST: Final = 1_000_000  # bytes
LARGEST_FILE: Final = 2**46  # bytes, which are mapped and not read
SPLIT_FILE: Final = re.compile(rf"({'|'.join(SPLITS)})-[0-9a-f]{{16}}\.safetensors")


class _Sometimes(TypedDict, total=False):
    file: str  # in the store's folder; in stores of before "<split>.safetensors"


class Entry(_Sometimes):
    """What a manifest says of a split."""

    count: int  # videos
    bytes: int
    sha256: str


class Splits(TypedDict):
    """The entries of the three splits."""

    train: Entry
    val: Entry
    test: Entry


class Manifest(TypedDict):
    """What store.json says."""

    format: str
    source: str
    digest: str
    splits: Splits
    features: dict[str, list[int]]
    classes: list[str]
    creation: dict[str, Any]


# --- writing -----------------------------------------------------------------------------------------


def install(
    staging: Path, folder: Path, source: str, creation: Mapping[str, Any], counts: Mapping[str, int]
) -> str:
    """Make the split files that are finished in `staging` the store of `folder`; return its digest.

    Everything is in its place before the new manifest takes that of the old one, in one step; the old files
    go last. To be called within `alone_in(folder)`.
    """
    files = {name: staging / f"{name}.safetensors" for name in SPLITS}
    hashes = {name: file_hash(path) for name, path in files.items()}
    manifest = {
        "format": FORMAT,
        "source": source,
        "digest": digest_of_hashes(hashes),
        "splits": {
            name: {
                "file": file_name(name, hashes[name]),
                "count": counts[name],
                "bytes": path.stat().st_size,
                "sha256": hashes[name],
            }
            for name, path in files.items()
        },
        "features": {name: list(shape) for name, shape in FEATURES.items()},
        "classes": list(CLASSES),
        "creation": dict(creation),
    }
    replace_file(staging / MANIFEST, json.dumps(manifest, indent=1, allow_nan=False).encode())
    for name, path in files.items():
        os.replace(path, folder / file_name(name, hashes[name]))
    before = listed(folder)
    os.replace(staging / MANIFEST, folder / MANIFEST)
    kept = {file_name(name, sha256) for name, sha256 in hashes.items()}
    for path in folder.glob("*.safetensors"):
        if path.name not in kept and (path.name in before or SPLIT_FILE.fullmatch(path.name)):
            path.unlink()
    return str(manifest["digest"])


def listed(folder: Path) -> set[str]:
    """The names of the files of the store in a folder; none where there is no store."""
    with suppress(DataError, ReadError):
        splits = read_manifest(folder / MANIFEST)["splits"].items()
        return {str(entry.get("file", f"{name}.safetensors")) for name, entry in cast(Any, splits)}
    return set()


def file_name(split: str, sha256: str) -> str:
    """What the file of a split with this content is called."""
    return f"{split}-{sha256[:16]}.safetensors"


# --- reading -----------------------------------------------------------------------------------------


def open_store(folder: str | Path, *, verify: bool = False) -> FeatureStore:
    """Open a store memory-mapped: nothing is read until it is used, and the system may drop it again.

    Names, counts, shapes, dtypes and classes are always checked. `verify` reads everything once and checks
    the hashes and that all features are finite. Beside a writer it is the old store or the new one.

    Raises:
        DataError: there is no store, a file is missing, truncated, foreign or does not match the manifest.
        ReadError: a file is there and cannot be read.
    """
    folder = user_path(folder)
    return look(folder / MANIFEST, lambda path: _open(folder, read_manifest(path), verify))


def _open(folder: Path, manifest: Manifest, verify: bool) -> FeatureStore:
    splits = {}
    for name in SPLITS:
        entry = cast(dict[str, Entry], manifest["splits"])[name]
        path = folder / entry.get("file", f"{name}.safetensors")
        try:
            content = map_bytes(path, LARGEST_FILE)
        except FileNotFoundError:
            raise DataError(
                f"{path} is missing although {MANIFEST} lists it. Make the store again."
            ) from None
        if len(content) != entry["bytes"]:
            raise DataError(f"{path} has {len(content)} bytes, expected {entry['bytes']}. Make it again.")
        if verify and (found := hashlib.sha256(content).hexdigest()) != entry["sha256"]:
            raise DataError(f"{path} has sha256 {found}, expected {entry['sha256']}. Make the store again.")
        splits[name] = split_in(content, path)
        if len(splits[name]) != entry["count"]:
            raise DataError(f"{path} has {len(splits[name])} videos, {MANIFEST} says {entry['count']}.")
        if verify:
            check_finite(splits[name])
    return FeatureStore(
        **splits, source=manifest["source"], digest=manifest["digest"], creation=manifest["creation"]
    )


def read_manifest(path: Path) -> Manifest:
    """Read and check store.json.

    Raises:
        DataError: there is no such file, or it is not the manifest of a store of this version.
        ReadError: it is there and cannot be read.
    """
    try:
        manifest = load_json(read_text(path, LARGEST_MANIFEST))
        if isinstance(manifest, dict) and manifest.get("format") != FORMAT:
            raise DataError(f"its format is {shown(manifest.get('format'))}, expected {FORMAT!r}")
        conform(manifest, Manifest, "the manifest")
        if manifest["classes"] != list(CLASSES):
            raise DataError("it has other classes than cmpie_lite.labels.CLASSES")
        for name, entry in manifest["splits"].items():
            if entry.get("file") not in (None, file_name(name, entry["sha256"])):
                raise DataError(f"the file of {name} is {shown(entry['file'])}, not called by its sha256")
            if not re.fullmatch("[0-9a-f]{64}", entry["sha256"]):
                raise DataError(f"the sha256 of {name} is {shown(entry['sha256'])}, expected 64 digits")
        hashes = {name: entry["sha256"] for name, entry in manifest["splits"].items()}
        if manifest["digest"] != digest_of_hashes(hashes):
            raise DataError("its digest is not that of its files")
    except FileNotFoundError:
        raise DataError(
            f"No store in {path.parent}: there is no {path.name}. Make or pack one first."
        ) from None
    except DataError as error:
        raise DataError(f"{path} is not the manifest of a store: {error}. Make the store again.") from error
    return cast(Manifest, manifest)


def split_in(content: Buffer, path: Path) -> Split:
    """The split that a file's content holds, without copying it. Raises DataError where it holds none."""
    required, known = {*FEATURES, "weak"}, {*FEATURES, *LABELS}
    try:
        tensors, texts = tensors_in(content)
        if texts.get("format") != FORMAT:
            raise DataError(f"it is a safetensors file, but not of a store ({FORMAT!r})")
        if load_json(texts.get("classes", "")) != list(CLASSES):
            raise DataError("it has other classes than cmpie_lite.labels.CLASSES")
        ids = load_json(texts.get("ids", ""))
        conform(ids, list[str], "ids")
        if not required <= tensors.keys() <= known:
            found = shown(sorted(tensors))
            raise DataError(f"it holds {found}, expected {sorted(required)}, at most {sorted(known)}")
        split = Split(ids=tuple(ids), **tensors)
        for name in LABELS.keys() & tensors.keys():
            if int(tensors[name].view(torch.uint8).max()) > 1:
                raise DataError(f"{name} has bytes other than 0 and 1")
    except DataError as error:
        raise DataError(f"{path} cannot be read as a split: {error}. Make the store again.") from error
    return split
