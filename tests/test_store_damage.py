"""Stores that are damaged, foreign or no stores: opening ends in a clear error."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from cmpie_lite.data import store as data
from cmpie_lite.data.store_files import open_store
from cmpie_lite.errors import DataError
from cmpie_lite.labels import CLASSES
from tests.making import (
    some_store,
    split_file,
    write_store,
)


def test_open_refuses_what_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No store in .*: there is no store.json"):
        open_store(tmp_path)
    with pytest.raises(DataError, match="No store in"):
        open_store(tmp_path / "nowhere")


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


BAD_MANIFESTS = {
    "format": ({"format": "cmpie_lite store 0"}, "format is 'cmpie_lite store 0', expected"),
    "classes": ({"classes": list(CLASSES[::-1])}, "other classes"),
    "source": ({"source": None}, "source is None, expected str"),
    "blank source": ({"source": ""}, "source = ''"),
    "splits": ({"splits": {}}, "splits has no test, train, val"),
    "list": ({"splits": []}, "not the manifest of a store"),
    "count": (
        {"splits": {n: {"count": "5", "bytes": 1, "sha256": ""} for n in data.SPLITS}},
        "count is '5', expected int",
    ),
    "creation": ({"creation": 3}, "creation is 3"),
}


@pytest.mark.parametrize("case", BAD_MANIFESTS)
def test_open_refuses_a_manifest(tmp_path: Path, case: str) -> None:
    write_store(tmp_path, some_store())
    changes, message = BAD_MANIFESTS[case]
    edit(tmp_path / "store.json", **changes)
    with pytest.raises(DataError, match=message):
        open_store(tmp_path)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b'{"format": 1'])
def test_open_refuses_a_broken_manifest(tmp_path: Path, text: bytes) -> None:
    write_store(tmp_path, some_store())
    (tmp_path / "store.json").write_bytes(text)
    with pytest.raises(DataError, match=r"store\.json is not the manifest of a store"):
        open_store(tmp_path)


def put(folder: Path, name: str, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None) -> None:
    """Replace a split's file by another one, and let the manifest agree on its size."""
    path = split_file(folder, name)
    save_file(tensors, path, metadata)
    manifest = json.loads((folder / "store.json").read_text())
    manifest["splits"][name]["bytes"] = path.stat().st_size
    (folder / "store.json").write_text(json.dumps(manifest))


def test_open_refuses_a_foreign_or_altered_file(tmp_path: Path) -> None:
    store = some_store()
    write_store(tmp_path, store)
    tensors = store.val.tensors()
    ours = {
        "format": data.FORMAT,
        "classes": json.dumps(CLASSES),
        "ids": json.dumps(store.val.ids),
    }
    put(tmp_path, "val", tensors, ours)
    open_store(tmp_path)  # the library's own order of tensors is as good
    cases: list[tuple[dict[str, torch.Tensor], dict[str, str] | None, str]] = [
        ({"weight": torch.zeros(3)}, None, "not of a store"),
        (tensors, {**ours, "format": "x"}, "not of a store"),
        (tensors, {**ours, "classes": "[]"}, "other classes"),
        (tensors, {**ours, "ids": "["}, "cannot be read"),
        (tensors, {**ours, "ids": "3"}, "cannot be read"),
        (tensors, {**ours, "ids": json.dumps(["a", "a", "b"])}, "'a' occurs 2 times"),
        (tensors, {**ours, "ids": json.dumps(["a", "b"])}, "has shape"),
        (tensors, {k: v for k, v in ours.items() if k != "ids"}, "cannot be read"),
        ({**tensors, "extra": torch.zeros(3)}, ours, r"holds \['audio'"),
        ({k: v for k, v in tensors.items() if k != "weak"}, ours, "expected"),
        ({**tensors, "audio": torch.zeros(3, 10, 64)}, ours, "audio has shape"),
        ({**tensors, "audio": tensors["audio"].half()}, ours, r"audio is torch\.float16"),
        (
            store.train.tensors(),
            {**ours, "ids": json.dumps(store.train.ids)},
            "has 5 videos, store.json says 3",
        ),
    ]
    for wrong, metadata, message in cases:
        put(tmp_path, "val", wrong, metadata)
        with pytest.raises(DataError, match=message):
            open_store(tmp_path)


def test_open_refuses_a_missing_or_truncated_file_and_labels_that_are_no_bools(tmp_path: Path) -> None:
    write_store(tmp_path, some_store())
    path = split_file(tmp_path, "test")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=f"has {len(whole) - 1} bytes, expected {len(whole)}"):
        open_store(tmp_path)
    path.write_bytes(whole[:-1] + b"\x02")
    with pytest.raises(DataError, match="dense_visual has bytes other than 0 and 1"):
        open_store(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"test-.*\.safetensors is missing"):
        open_store(tmp_path)


def test_only_verify_finds_a_flipped_bit(tmp_path: Path) -> None:
    write_store(tmp_path, some_store())
    path = split_file(tmp_path, "train")
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    open_store(tmp_path)
    with pytest.raises(DataError, match="has sha256"):
        open_store(tmp_path, verify=True)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("standing")
    write_store(folder, some_store())
    return folder


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(draw=st.data())
def test_damaged_headers_end_in_a_data_error_or_open(standing: Path, draw: st.DataObject) -> None:
    """Whatever bytes of a header or the manifest change: no other exception, and verify sees the former."""
    name = draw.draw(st.sampled_from([split_file(standing, "test").name, "store.json"]))
    path = standing / name
    whole = path.read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little") if name != "store.json" else len(whole)
    damaged = bytearray(whole)
    for _ in range(draw.draw(st.integers(1, 4))):
        damaged[draw.draw(st.integers(0, end - 1))] = draw.draw(st.integers(0, 255))
    try:
        path.write_bytes(damaged)
        with contextlib.suppress(DataError):
            open_store(standing)
        if name != "store.json" and damaged != whole:
            with pytest.raises(DataError, match="sha256"):
                open_store(standing, verify=True)
    finally:
        path.write_bytes(whole)
