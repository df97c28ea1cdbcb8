"""Stores on the disk: three splits of tensors, written once as safetensors, read back memory-mapped.

A store is a folder of four files. `train.safetensors`, `val.safetensors` and `test.safetensors` hold the
tensors of `Split`; `store.json` names the source and lists counts, sizes and sha256 of the three. It is
written last: a folder without it is no store. One process writes to a folder at a time. The digest of a store
can be had without this package:

    sha256sum train.safetensors val.safetensors test.safetensors | sha256sum
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open

from cmpie_lite.data.store import (
    FEATURES,
    FORMAT,
    LABELS,
    SPLITS,
    FeatureStore,
    Split,
    check_finite,
    digest_of_hashes,
)
from cmpie_lite.errors import DataError
from cmpie_lite.labels import CLASSES
from cmpie_lite.support.files import file_hash, replace_file

MANIFEST: Final = "store.json"

# --- writing -----------------------------------------------------------------------------------------


def install(
    staging: Path, folder: Path, source: str, creation: Mapping[str, Any], counts: Mapping[str, int]
) -> str:
    """Make the split files that are finished in `staging` the store of `folder`; return its digest.

    Everything is on the disk before the old manifest goes; the new one comes last. To be called within
    `alone_in(folder)`.
    """
    files = {name: staging / f"{name}.safetensors" for name in SPLITS}
    hashes = {name: file_hash(path) for name, path in files.items()}
    manifest = {
        "format": FORMAT,
        "source": source,
        "digest": digest_of_hashes(hashes),
        "splits": {
            name: {"count": counts[name], "bytes": path.stat().st_size, "sha256": hashes[name]}
            for name, path in files.items()
        },
        "features": {name: list(shape) for name, shape in FEATURES.items()},
        "classes": list(CLASSES),
        "creation": dict(creation),
    }
    replace_file(staging / MANIFEST, json.dumps(manifest, indent=1, allow_nan=False).encode())
    (folder / MANIFEST).unlink(missing_ok=True)
    for path in (*files.values(), staging / MANIFEST):
        os.replace(path, folder / path.name)
    return str(manifest["digest"])


# --- reading -----------------------------------------------------------------------------------------


def open_store(folder: str | Path, *, verify: bool = False) -> FeatureStore:
    """Open a store memory-mapped: nothing is read until it is used, and the system may drop it again.

    Names, counts, shapes, dtypes and classes are always checked. `verify` reads everything once and checks
    the hashes and that all features are finite.

    Raises:
        DataError: there is no store, a file is missing, truncated, foreign or does not match the manifest.
    """
    folder = Path(folder)
    manifest = read_manifest(folder / MANIFEST)
    splits = {}
    for name in SPLITS:
        path, entry = folder / f"{name}.safetensors", manifest["splits"][name]
        if not path.is_file():
            raise DataError(f"{path} is missing although {MANIFEST} lists it. Make the store again.")
        if path.stat().st_size != entry["bytes"]:
            raise DataError(
                f"{path} has {path.stat().st_size} bytes, expected {entry['bytes']}. Make it again."
            )
        if verify and (found := file_hash(path)) != entry["sha256"]:
            raise DataError(f"{path} has sha256 {found}, expected {entry['sha256']}. Make the store again.")
        splits[name] = open_split(path)
        if len(splits[name]) != entry["count"]:
            raise DataError(f"{path} has {len(splits[name])} videos, {MANIFEST} says {entry['count']}.")
        if verify:
            check_finite(splits[name])
    digest = digest_of_hashes({name: manifest["splits"][name]["sha256"] for name in SPLITS})
    return FeatureStore(**splits, source=manifest["source"], digest=digest, creation=manifest["creation"])


def read_manifest(path: Path) -> dict[str, Any]:
    """Read and check store.json.

    Raises:
        DataError: there is no such file, or it is not the manifest of a store of this version.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise DataError(
                f"{path} has format {manifest['format']!r}, expected {FORMAT!r}. Make the store again."
            )
        if manifest["classes"] != list(CLASSES):
            raise DataError(f"{path} has other classes than cmpie_lite.labels.CLASSES. Make the store again.")
        for name in SPLITS:
            entry = manifest["splits"][name]
            kinds = [type(entry[key]) for key in ("count", "bytes", "sha256")]
            if kinds != [int, int, str]:
                raise DataError(f"{path}: entry of {name} is {entry!r}, expected count, bytes and sha256.")
        if not (isinstance(manifest["source"], str) and isinstance(manifest["creation"], dict)):
            raise DataError(f"{path}: source must be a string and creation an object. Make the store again.")
    except FileNotFoundError:
        raise DataError(
            f"No store in {path.parent}: there is no {path.name}. Make or pack one first."
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        reason = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path} is not the manifest of a store: {reason}. Make the store again.") from error
    return manifest


def open_split(path: Path) -> Split:
    """Open one split's file, memory-mapped. Raises DataError where it is not such a file."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        if metadata.get("format") != FORMAT:
            raise DataError(f"{path} is a safetensors file, but not of a store ({FORMAT!r}).")
        if json.loads(metadata["classes"]) != list(CLASSES):
            raise DataError(f"{path} has other classes than cmpie_lite.labels.CLASSES. Make the store again.")
        ids = tuple(json.loads(metadata["ids"]))
    except (SafetensorError, OSError, RuntimeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read as a split: {error}. Make the store again.") from error
    required, known = {*FEATURES, "weak"}, {*FEATURES, *LABELS}
    if not required <= tensors.keys() <= known:
        raise DataError(
            f"{path} holds {sorted(tensors)}, expected {sorted(required)}, at most {sorted(known)}."
        )
    try:
        split = Split(ids=ids, **tensors)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    for name in LABELS.keys() & tensors.keys():
        if int(tensors[name].view(torch.uint8).max()) > 1:
            raise DataError(f"{path}: {name} has bytes other than 0 and 1. Make the store again.")
    return split
