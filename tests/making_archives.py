"""What tests of the features archive need: arrays, archives of them, and a run of `fetch_features`."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np

from data_fetch.fetch import features as module
from data_fetch.fetch.features import fetch_features
from data_fetch.layout import LAYOUT

IDS = ("aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc")


def array(folder: str, seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.random.default_rng(seed).random(LAYOUT[folder], np.float32))
    return buffer.getvalue()


def members(root: str = "feats") -> dict[str, bytes]:
    return {f"{root}/{kind}/{name}.npy": array(kind, i) for kind in LAYOUT for i, name in enumerate(IDS)}


def make_zip(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in content.items():
            bundle.writestr(name, data)
    return buffer.getvalue()


def make_tar(content: dict[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tape:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tape.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def fetch(out: Path, **options: object) -> module.FeatureReport:
    return fetch_features(out, progress=False, pause=0.0, **options)  # type: ignore[arg-type]
