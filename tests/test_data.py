"""The feature store: exact round trips, memory-mapped reading, clear errors, nothing half written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from cmpie_lite.data import store as data
from cmpie_lite.data import store_files as store_module
from cmpie_lite.data.store import (
    Split,
    check_finite,
    check_trainable,
    digest_of,
    row_bytes,
    rows_within,
    split_bytes,
    split_header,
)
from cmpie_lite.data.store_files import open_store
from cmpie_lite.errors import DataError
from cmpie_lite.labels import CLASSES
from cmpie_lite.support.files import alone_in
from tests.making import (
    ROOT,
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


# --- what is written is what is read ------------------------------------------------------------------


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


# --- what is refused ----------------------------------------------------------------------------------

BAD_SPLITS = {
    "shape": ({"audio": torch.zeros(2, 10, 127)}, r"audio has shape \(2, 10, 127\), expected \(2, 10, 128\)"),
    "not pooled": ({"visual_2d": torch.zeros(2, 80, 2048)}, r"visual_2d has shape \(2, 80, 2048\)"),
    "count": ({"visual_3d": torch.zeros(3, 10, 512)}, r"visual_3d has shape \(3, 10, 512\)"),
    "dtype": ({"audio": torch.zeros(2, 10, 128, dtype=torch.float64)}, r"audio is torch.float64, expected"),
    "float labels": ({"weak": torch.zeros(2, 25)}, r"weak is torch.float32, expected a tensor of torch.bool"),
    "numpy": ({"weak": np.zeros((2, 25), dtype=bool)}, r"weak is ndarray"),
    "class before time": (
        {"dense_audio": torch.zeros(2, 25, 10, dtype=torch.bool)},
        r"dense_audio has shape",
    ),
    "one modality": ({"dense_audio": None}, r"one modality only"),
    "twice": ({"ids": ("a", "a")}, r"'a' occurs 2 times"),
    "list": ({"ids": ["a", "b"]}, r"expected a tuple"),
    "empty id": ({"ids": ("a", "")}, r"non-empty"),
    "no video": ({"ids": ()}, r"without a video"),
}


@pytest.mark.parametrize("case", BAD_SPLITS)
def test_split_refuses(case: str) -> None:
    changes, message = BAD_SPLITS[case]
    with pytest.raises(DataError, match=message):
        replace(some_split("s", 2), **changes)


def test_store_refuses_a_video_in_two_splits_and_no_source() -> None:
    store = some_store()
    with pytest.raises(DataError, match=r"'train_0_0' is in train and in val"):
        replace(store, val=store.train)
    with pytest.raises(DataError, match="source = ' '"):
        replace(store, source=" ")


@pytest.mark.parametrize(
    "source", ["<img src=x onerror=alert(1)>", "a\nb", "a\x1b[31m", "[a](b)", "`a`", "a" * 201, "\ud800"]
)
def test_a_store_refuses_a_source_that_is_more_than_a_name(source: str) -> None:
    with pytest.raises(DataError, match="source") as caught:
        replace(some_store(), source=source)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "bad",
    ["<b>", "a/b", "../etc", "..", ".", "a\nb", "a\x00", " a", "a" * 201, "a:b", "\ud800", "a" * 50_000],
)
def test_a_split_refuses_an_id_that_is_more_than_a_name(bad: str) -> None:
    with pytest.raises(DataError, match="expected 1 to 200 letters") as caught:
        replace(some_split("s", 2), ids=("a", bad))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("good", ["-3M-k4nIYIM_30_40", "a", "_b", "\u00e9t\u00e9 1.5", "a" * 200])
def test_a_split_takes_ids_as_people_have_them(good: str) -> None:
    assert replace(some_split("s", 2), ids=("x", good)).ids == ("x", good)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["audio", "visual_2d", "visual_3d"])
def test_non_finite_features_are_named(name: str, value: float) -> None:
    store = some_store()
    getattr(store.val, name)[1, 7, 3] = value
    with pytest.raises(DataError, match=f"{name} of video 'val_0_1' is not finite"):
        check_finite(store.val)


def test_training_needs_every_class() -> None:
    split = some_split("s", 3)
    every = replace(split, weak=torch.ones_like(split.weak))
    check_trainable(every)
    without = every.weak.clone()
    without[:, [3, 24]] = False
    with pytest.raises(
        DataError, match=f"2 of 25 classes have no training example: {CLASSES[3]}, {CLASSES[24]}"
    ):
        check_trainable(replace(split, weak=without))
    with pytest.raises(DataError, match="None of the 3 training videos has a weak label"):
        check_trainable(replace(split, weak=torch.zeros_like(split.weak)))
    every.audio[2, 0, 0] = float("nan")
    with pytest.raises(DataError, match="not finite"):
        check_trainable(every)


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


# --- nothing half written -----------------------------------------------------------------------------


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_failure_between_two_renames_leaves_the_old_store_and_the_next_write_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    write_store(tmp_path, some_store(seed=1))
    calls, really = 0, os.replace

    def stop(source: Path, target: Path) -> None:
        nonlocal calls
        calls += Path(target).parent == tmp_path  # out of the staging folder
        if calls == nth:
            raise KeyboardInterrupt
        really(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            write_store(tmp_path, some_store(seed=2))
    assert open_store(tmp_path, verify=True).digest == some_store(seed=1).digest
    write_store(tmp_path, some_store(seed=2))
    assert open_store(tmp_path, verify=True).digest == some_store(seed=2).digest
    assert set(files_of(tmp_path)) == store_files(tmp_path)


HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "ab")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_writer_is_refused_until_the_first_ends_or_dies(tmp_path: Path) -> None:
    write_store(tmp_path, some_store(seed=1))
    before = files_of(tmp_path)
    (tmp_path / ".staging").mkdir()
    command = [sys.executable, "-c", HOLDER, str(tmp_path / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DataError, match=r"another process is writing a store there.*another folder"):
            write_store(tmp_path, some_store(seed=2))
        assert {name: data for name, data in files_of(tmp_path).items() if name != ".lock"} == before
        assert (tmp_path / ".staging").is_dir(), "it is the first one's"
        holder.kill()
    write_store(tmp_path, some_store(seed=2))
    assert open_store(tmp_path, verify=True).digest == some_store(seed=2).digest
    assert set(files_of(tmp_path)) == store_files(tmp_path)


def test_a_lock_that_went_while_it_was_taken_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ends between the second's opening of the lock's file and its lock: a third could hold it."""
    monkeypatch.setattr("fcntl.flock", lambda *_: (tmp_path / ".lock").unlink())
    with pytest.raises(DataError, match="another process"), alone_in(tmp_path):
        pass


CHILD = """
import os, random, resource, signal, sys, time
from pathlib import Path
import torch
from cmpie_lite.data.store_files import open_store
from tests.making import files_of, some_store, write_store

torch.set_num_threads(1)  # or a forked process waits for threads that it does not have
folder, one, two, wait = sys.argv[1], some_store(seed=1), some_store(seed=2), random.Random(0)
write_store(folder, one)
before = files_of(Path(folder))
if os.fork() == 0:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    try:
        write_store(folder, two)
    except OSError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
print("untouched" if files_of(Path(folder)) == before else "changed", flush=True)
for _ in range(8):
    if (writer := os.fork()) == 0:
        for _ in range(1000):
            write_store(folder, two)
            write_store(folder, one)
    time.sleep(wait.uniform(0.01, 0.15))
    os.kill(writer, signal.SIGKILL)
    os.wait()
    print(open_store(folder, verify=True).digest, flush=True)
"""


def test_real_processes_stopped_or_killed_leave_one_whole_store(tmp_path: Path) -> None:
    """One is stopped by a limit on the size of files, eight are killed at random moments."""
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    limit, untouched, *found = done.stdout.splitlines()
    assert "File too large" in limit, done.stderr
    assert untouched == "untouched"
    assert len(found) == 8, done.stderr
    assert set(found) <= {some_store(seed=1).digest, some_store(seed=2).digest}
    write_store(tmp_path, some_store(seed=1))
    assert set(files_of(tmp_path)) == store_files(tmp_path)
