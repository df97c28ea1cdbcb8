"""The feature store: exact round trips, memory-mapped reading, digests that see every bit."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cmpie_lite.data import store as data
from cmpie_lite.data import store_files as store_module
from cmpie_lite.data.store import (
    Split,
    digest_of,
    row_bytes,
    rows_within,
    split_bytes,
    split_header,
)
from cmpie_lite.data.store_files import open_store
from tests.making import (
    as_before,
    files_of,
    some_split,
    some_store,
    split_file,
    store_files,
    write_store,
)


def assert_same(one: Split, two: Split) -> None:
    assert one.ids == two.ids
    assert list(one.tensors()) == list(two.tensors())
    for name, tensor in one.tensors().items():
        assert torch.equal(tensor, two.tensors()[name]), name


def test_round_trip_is_exact_and_names_its_source(tmp_path: Path) -> None:
    store = some_store(creation={"seed": 3, "sizes": [5, 3, 2]})
    write_store(tmp_path, store)
    opened = open_store(tmp_path, verify=True)
    for name, split in store.splits.items():
        assert_same(split, opened.splits[name])
        assert len(opened.splits[name]) == len(split)
    assert opened.source == "made for a test"
    assert opened.creation == {"seed": 3, "sizes": [5, 3, 2]}
    assert set(files_of(tmp_path)) == store_files(tmp_path)


def test_the_safetensors_library_reads_our_files(tmp_path: Path) -> None:
    store = some_store()
    write_store(tmp_path, store)
    for name, split in store.splits.items():
        path = split_file(tmp_path, name)
        read = load_file(path)
        assert read.keys() == split.tensors().keys()
        assert all(torch.equal(read[key], tensor) for key, tensor in split.tensors().items())
        length = int.from_bytes(path.read_bytes()[:8], "little")
        assert length % 8 == 0  # so that the float32 tensors that follow are aligned in the mapping


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's list of mapped files")
def test_tensors_are_views_of_the_mapped_file_and_changing_them_leaves_it_alone(tmp_path: Path) -> None:
    write_store(tmp_path, some_store())
    before = files_of(tmp_path)
    split = open_store(tmp_path).train
    path = split_file(tmp_path, "train")
    mapped = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if str(path) in line]
    ranges = [tuple(int(end, 16) for end in line[0].split("-")) for line in mapped]
    for name, tensor in split.tensors().items():
        assert any(low <= tensor.data_ptr() < high for low, high in ranges), name
    split.audio.zero_()
    assert files_of(tmp_path) == before


def test_digest_is_that_of_sha256sum_and_needs_no_file(tmp_path: Path) -> None:
    store = some_store()
    write_store(tmp_path, store)
    lines = ""
    for name in ("train", "val", "test"):
        content = split_file(tmp_path, name).read_bytes()
        lines += f"{hashlib.sha256(content).hexdigest()}  {name}.safetensors\n"
    assert store.digest == digest_of(store.splits) == hashlib.sha256(lines.encode()).hexdigest()
    assert open_store(tmp_path).digest == store.digest
    assert json.loads((tmp_path / "store.json").read_text())["digest"] == store.digest
    recipe = next(line for line in str(store_module.__doc__).splitlines() if "sha256sum" in line)
    said = subprocess.run(recipe, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said.stdout.split()[0] == store.digest


def test_a_store_of_before_opens_and_gives_way_to_one_of_now(tmp_path: Path) -> None:
    write_store(tmp_path, some_store(seed=1))
    as_before(tmp_path)
    assert set(files_of(tmp_path)) == {"store.json", *(f"{name}.safetensors" for name in data.SPLITS)}
    assert open_store(tmp_path, verify=True).digest == some_store(seed=1).digest
    write_store(tmp_path, some_store(seed=2))
    assert open_store(tmp_path, verify=True).digest == some_store(seed=2).digest
    assert set(files_of(tmp_path)) == store_files(tmp_path)


def test_digest_sees_a_bit_an_id_and_a_label() -> None:
    store = some_store()
    audio = store.train.audio.clone()
    audio[4, 9, 127] += 1e-6
    weak = store.train.weak.clone()
    weak[0, 0] = ~weak[0, 0]
    changed = [
        replace(store.train, audio=audio),
        replace(store.train, weak=weak),
        replace(store.train, ids=(*store.train.ids[:-1], "other")),
    ]
    digests = {digest_of({**store.splits, "train": split}) for split in changed}
    assert len(digests | {store.digest}) == 4


def test_writing_is_deterministic_and_does_not_care_for_strides(tmp_path: Path) -> None:
    store = some_store()
    transposed = replace(store.val, audio=store.val.audio.transpose(1, 2).contiguous().transpose(1, 2))
    assert not transposed.audio.is_contiguous()
    write_store(tmp_path / "a", store)
    write_store(tmp_path / "b", replace(store, val=transposed))
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_chunks_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_store(tmp_path / "a", some_store())
    monkeypatch.setattr(data, "CHUNK", 2)
    write_store(tmp_path / "b", some_store())
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_a_split_and_a_store_move_to_a_device() -> None:
    split = some_split("s", 6)
    moved = split.to("meta")
    assert moved.ids == split.ids
    assert {t.device.type for t in moved.tensors().values()} == {"meta"}
    assert some_split("s", 2, dense=False).to("meta").dense_audio is None
    store = some_store()
    assert store.to("meta").test.weak.device.type == "meta"
    assert store.to("meta").digest == store.digest


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("cut", [0, 1, 5119, 5120, 5121, 15_360, 15_361, 100_000, 10**9])
def test_the_rest_of_a_splits_bytes_joins_the_whole_rows_that_are_there(dense: bool, cut: int) -> None:
    split = some_split("s", 3, dense=dense)
    whole, header = b"".join(split_bytes(split.ids, split.rows())), split_header(split.ids, dense)
    there = whole[: len(header) + cut]
    size, rows = rows_within(len(there) - len(header), 3, split.rows())
    assert 0 <= len(there) - len(header) - size < max(map(row_bytes, rows))
    rest = b"".join(split_bytes(split.ids, split.rows(), rows))
    assert there[: len(header) + size] + rest == whole
    assert sum(rows.values()) == (3 * len(rows) if len(there) == len(whole) else sum(rows.values()))
