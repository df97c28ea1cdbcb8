"""Packing the official feature layout: exact pooling, restarts, every bad file a clear error."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cmpie_lite.data.annotations import Annotations, SplitAnnotations, read_annotations
from cmpie_lite.data.llp_names import feature_name
from cmpie_lite.data.store import digest_of
from cmpie_lite.data.store_files import open_store
from cmpie_lite.errors import DataError
from data_fetch.layout import LAYOUT, read_feature
from data_fetch.pack import split as pack_split
from data_fetch.pack.split import pool_frames
from data_fetch.pack.store import PackReport, pack
from tests.making import ROOT, SIZES, files_of, make_annotations, store_files


def all_ids(annotations: Annotations) -> list[str]:
    return [video for name in SIZES for video in getattr(annotations, name).ids]


def write_layout(folder: Path, ids: Sequence[str]) -> Path:
    """Write simulated features of these videos in the authors' layout."""
    for kind, shape in LAYOUT.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for video in ids:
            rng = np.random.default_rng([*video.encode(), *kind.encode()])
            values = np.maximum(rng.standard_normal(shape, dtype=np.float32), 0)
            np.save(folder / kind / f"{feature_name(video)}.npy", values)
    return folder


def run(feats: Path, annotations: Annotations, out: Path, **options: str) -> PackReport:
    return pack(feats, annotations, out, progress=False, **options)  # type: ignore[arg-type]


def file_of(feats: Path, video: str, kind: str) -> Path:
    return feats / kind / f"{feature_name(video)}.npy"


@pytest.fixture(scope="module")
def annotations() -> Annotations:
    return make_annotations()


@pytest.fixture
def feats(tmp_path: Path, annotations: Annotations) -> Path:
    return write_layout(tmp_path / "feats", all_ids(annotations))


# --- what is packed -----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, derandomize=True)
@given(arrays(np.float32, (16, 3), elements=st.floats(-1e6, 1e6, width=32)))
def test_pooling_is_the_exact_mean_of_each_8_frames(frames: np.ndarray) -> None:
    pooled = pool_frames(frames)
    assert pooled.dtype == np.float32
    assert pooled.shape == (2, 3)
    for segment in range(2):
        for d in range(3):
            exact = math.fsum(float(frames[8 * segment + k, d]) for k in range(8)) / 8
            assert pooled[segment, d] == np.float32(exact)


def test_pooling_does_not_overflow() -> None:
    largest = np.finfo(np.float32).max
    assert (pool_frames(np.full((80, 2), largest, np.float32)) == largest).all()


@pytest.mark.parametrize("parent", [False, True])
def test_store_holds_the_files_and_the_labels(feats: Path, annotations: Annotations, parent: bool) -> None:
    out = feats.parent / "store"
    report = run(feats.parent if parent else feats, annotations, out)
    store = open_store(out, verify=True)
    for name, split in store.splits.items():
        labels: SplitAnnotations = getattr(annotations, name)
        assert split.ids == labels.ids
        assert np.array_equal(split.weak.numpy(), labels.weak)
        for known, packed in (
            (labels.dense_audio, split.dense_audio),
            (labels.dense_visual, split.dense_visual),
        ):
            assert (known is None) == (packed is None)
            assert known is None or packed is None or np.array_equal(packed.numpy(), known)
        for i, video in enumerate(split.ids):
            frames = np.load(file_of(feats, video, "res152"))
            by_hand = np.stack([frames[8 * t : 8 * t + 8].astype(np.float64).sum(0) / 8 for t in range(10)])
            assert np.array_equal(split.visual_2d[i].numpy(), by_hand.astype(np.float32))
            assert np.array_equal(split.audio[i].numpy(), np.load(file_of(feats, video, "vggish")))
            assert np.array_equal(split.visual_3d[i].numpy(), np.load(file_of(feats, video, "r2plus1d_18")))
    assert report == PackReport(out, "LLP", store.digest, SIZES, (), (), ())
    assert store.source == "LLP"
    assert store.digest == digest_of(store.splits)
    assert store.creation == {"annotations": "2024", "left_out": 0}
    assert set(files_of(out)) == store_files(out)


def test_features_that_say_what_they_are_are_not_called_llp(feats: Path, annotations: Annotations) -> None:
    (feats / "source.txt").write_text("LLP ids with simulated features\n")
    assert run(feats, annotations, feats.parent / "a").source == "LLP ids with simulated features"
    assert open_store(feats.parent / "a").source == "LLP ids with simulated features"
    assert run(feats, annotations, feats.parent / "b", source="named").source == "named"
    (feats / "source.txt").write_text("\n")
    with pytest.raises(DataError, match="source = ''"):
        run(feats, annotations, feats.parent / "c")


def test_fortran_order_and_python_2_headers_are_read(tmp_path: Path) -> None:
    values = np.arange(1280, dtype=np.float32).reshape(10, 128)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(values))
    assert b"'fortran_order': True" in (tmp_path / "fortran.npy").read_bytes()
    assert np.array_equal(read_feature(tmp_path / "fortran.npy", "vggish"), values)
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (10L, 128L), }".ljust(117) + b"\n"
    (tmp_path / "old.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + values.tobytes()
    )
    assert np.array_equal(read_feature(tmp_path / "old.npy", "vggish"), values)


def test_report_warns_of_negative_vggish_values_and_shared_files(
    feats: Path, annotations: Annotations
) -> None:
    first, *_, last = annotations.train.ids
    for video in (last, first):
        path = file_of(feats, video, "vggish")
        values = np.load(path)
        values[3, 5] = -1e-6
        np.save(path, values)
    twin = f"{feature_name(annotations.val.ids[0])}_100_110"
    ids = (*annotations.test.ids[:1], twin)
    test = SplitAnnotations(
        ids, *(getattr(annotations.test, k) for k in ("weak", "dense_audio", "dense_visual"))
    )
    both = Annotations(annotations.train, annotations.val, test, "2024", ())
    report = run(feats, both, feats.parent / "store")
    assert report.negative_audio == (first, last)
    assert report.shared == ((annotations.val.ids[0], twin),)
    assert "2 videos have negative VGGish values" in str(report)
    assert f"{annotations.val.ids[0]} and {twin}" in str(report)
    store = open_store(feats.parent / "store")
    assert torch.equal(store.val.visual_2d[0], store.test.visual_2d[1])


# --- bad files ----------------------------------------------------------------------------------------


def npy(values: np.ndarray, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, **options)
    return buffer.getvalue()


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    return buffer.getvalue()


GOOD = np.ones((10, 128), np.float32)
BAD_FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not a .npy file"),
    "text": (b"<html>Quota exceeded</html>", "not a .npy file"),
    "npz": (npz(), "not a .npy file"),
    "truncated header": (npy(GOOD)[:60], "not a .npy file"),
    "truncated": (npy(GOOD)[:-1], r"5119 bytes of values, expected 5120 \(truncated\)"),
    "trailing": (npy(GOOD) + b"x", "5121 bytes of values, expected 5120$"),
    "shape": (npy(GOOD[:9]), r"shape \(9, 128\), expected \(10, 128\)"),
    "transposed": (npy(GOOD.T), r"shape \(128, 10\), expected"),
    "float64": (npy(GOOD.astype(np.float64)), "dtype <f8, expected float32"),
    "float16": (npy(GOOD.astype(np.float16)), "dtype <f2, expected float32"),
    "big-endian": (npy(GOOD.astype(">f4")), "dtype >f4, expected float32"),
    "pickle": (npy(np.array([{}], dtype=object), allow_pickle=True), "pickled object array"),
    "nan": (npy(np.where(np.arange(128) == 5, np.nan, GOOD).astype(np.float32)), "not finite"),
    "inf": (npy(np.where(np.arange(128) == 5, -np.inf, GOOD).astype(np.float32)), "not finite"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_named_with_its_reason(feats: Path, annotations: Annotations, case: str) -> None:
    content, reason = BAD_FILES[case]
    video, out = annotations.val.ids[1], feats.parent / "store"
    file_of(feats, video, "vggish").write_bytes(content)
    with pytest.raises(DataError, match="1 feature files of 1 videos cannot be used") as caught:
        run(feats, annotations, out)
    assert "--skip-missing (on_missing='skip')" in str(caught.value)
    assert re.search(rf"(?m)vggish/{feature_name(video)}\.npy: .*{reason}", str(caught.value))
    assert not out.exists() or files_of(out) == {}

    report = run(feats, annotations, out, on_missing="skip")
    assert [(row.id, row.file) for row in report.bad] == [(video, f"vggish/{feature_name(video)}.npy")]
    assert report.counts == {**SIZES, "val": 2}
    with (out / "missing.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["id", "file", "reason"], list(report.bad[0])]
    assert open_store(out, verify=True).val.ids == (annotations.val.ids[0], annotations.val.ids[2])
    assert "1 videos left out for 1 bad files" in str(report)


def test_non_finite_frames_are_found_after_pooling(feats: Path, annotations: Annotations) -> None:
    """An infinity and its opposite in one segment pool to NaN; all are found in one go, in every split."""
    ids = all_ids(annotations)
    for video in (ids[1], ids[-1]):
        path = file_of(feats, video, "res152")
        frames = np.load(path)
        frames[8:10, 3] = np.inf, -np.inf
        np.save(path, frames)
    out = feats.parent / "store"
    with pytest.raises(DataError, match="2 feature files of 2 videos cannot be used"):
        run(feats, annotations, out)
    assert files_of(out) == {}
    report = run(feats, annotations, out, on_missing="skip")
    assert [row.id for row in report.bad] == [ids[1], ids[-1]]
    store = open_store(out, verify=True)
    assert np.array_equal(store.train.weak.numpy(), np.delete(annotations.train.weak, 1, axis=0))
    for i, video in enumerate(store.train.ids):
        assert np.array_equal(store.train.audio[i].numpy(), np.load(file_of(feats, video, "vggish")))


def test_all_bad_files_are_counted_before_anything_is_written(feats: Path, annotations: Annotations) -> None:
    for video in all_ids(annotations):
        file_of(feats, video, "r2plus1d_18").unlink()
        file_of(feats, video, "res152").write_bytes(b"")
    out = feats.parent / "store"
    with pytest.raises(DataError, match=r"(?s)20 feature files of 10 videos .* \.\.\.\n"):
        run(feats, annotations, out)
    assert not out.exists()
    with pytest.raises(
        DataError, match="No video of train has features that can be used; first reason: res152"
    ):
        run(feats, annotations, out, on_missing="skip")
    assert files_of(out) == {}


def test_a_bad_set_does_not_touch_the_old_store(feats: Path, annotations: Annotations) -> None:
    out = feats.parent / "store"
    run(feats, annotations, out)
    before = files_of(out)
    file_of(feats, annotations.train.ids[0], "vggish").write_bytes(BAD_FILES["nan"][0])
    with pytest.raises(DataError, match="not finite"):
        run(feats, annotations, out)
    assert files_of(out) == before
    run(feats, annotations, out, on_missing="skip")
    assert len(open_store(out).train) == SIZES["train"] - 1
    np.save(file_of(feats, annotations.train.ids[0], "vggish"), GOOD)
    run(feats, annotations, out)
    assert set(files_of(out)) == store_files(out)  # missing.csv went with the store that it described


def test_what_is_not_the_layout_is_refused(tmp_path: Path, annotations: Annotations) -> None:
    (tmp_path / "vggish").mkdir()
    with pytest.raises(DataError, match="has no folders vggish, res152, r2plus1d_18"):
        run(tmp_path, annotations, tmp_path / "out")
    write_layout(tmp_path, all_ids(annotations))
    with pytest.raises(DataError, match="on_missing = 'ignore', expected 'error' or 'skip'"):
        run(tmp_path, annotations, tmp_path / "out", on_missing="ignore")
    path = file_of(tmp_path, annotations.train.ids[0], "vggish")
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="not a file"):
        run(tmp_path, annotations, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def damage(draw: st.DrawFn) -> bytes:
    """A damaged feature file: of random bytes, cut, lengthened, its header altered, of another kind."""
    good = npy(GOOD)
    start = len(good) - GOOD.nbytes
    kind = draw(st.sampled_from(["random", "cut", "longer", "header", "dtype", "shape", "value", "dict"]))
    if kind == "random":
        return draw(st.sampled_from([b"", good[:6], good[:10]])) + draw(st.binary(max_size=300))
    if kind == "cut":
        return good[: draw(st.integers(0, len(good) - 1))]
    if kind == "longer":
        return good + draw(st.binary(min_size=1, max_size=50))
    if kind == "header":
        damaged = bytearray(good)
        for _ in range(draw(st.integers(1, 3))):
            damaged[draw(st.integers(0, start - 1))] = draw(st.integers(0, 255))
        return bytes(damaged)
    if kind == "dtype":
        return npy(GOOD.astype(draw(st.sampled_from("bBhHiIlLqQefdgFDGSU"))))
    if kind == "shape":
        return npy(np.ones(draw(st.lists(st.integers(0, 12), max_size=4)), np.float32))
    if kind == "value":
        values = GOOD.copy()
        values[draw(st.integers(0, 9)), draw(st.integers(0, 127))] = draw(
            st.sampled_from([np.nan, np.inf, -np.inf])
        )
        return npy(values)
    text = repr(
        draw(st.dictionaries(st.text(max_size=9), st.one_of(st.integers(), st.text(max_size=9)), max_size=4))
    )
    header = draw(st.sampled_from([text, "(" * 3000, "{" * 500, "'\\d'", "1if 1else 2", text[:-1]])).encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + GOOD.tobytes()


def test_fuzzed_feature_files(tmp_path: Path) -> None:
    """A damaged file is a DataError that leaves nothing, or harmless: then the store is that of the good."""
    annotations = make_annotations(dict.fromkeys(SIZES, 1))
    feats, out = write_layout(tmp_path / "feats", all_ids(annotations)), tmp_path / "out"
    path = file_of(feats, annotations.train.ids[0], "vggish")
    np.save(path, GOOD)
    good = run(feats, annotations, out).digest
    files = {name: out / name for name in store_files(out)}
    refused = 0

    @settings(max_examples=200, deadline=None, derandomize=True)
    @given(st.composite(damage)())
    def attempt(content: bytes) -> None:
        nonlocal refused
        for file in files.values():
            file.unlink(missing_ok=True)
        path.write_bytes(content)
        try:
            digest = run(feats, annotations, out).digest
        except DataError as error:
            refused += 1
            named = f"vggish/{path.name}" in str(error)
            digest = good if named and files_of(out) == {} else "something is left, or the file is not named"
        assert digest == good

    attempt()
    assert refused >= 150


def test_features_named_like_clips_are_said_to_be(feats: Path, annotations: Annotations) -> None:
    for kind in LAYOUT:
        for video in annotations.val.ids:
            file_of(feats, video, kind).rename(feats / kind / f"{video}.npy")
    with pytest.raises(DataError, match=r"val__000000_0_10\.npy is named like a clip: rename such files"):
        run(feats, annotations, feats.parent / "store")


@pytest.mark.parametrize("name", ["train.part", "train.safetensors"])
def test_unfinished_work_is_not_written_through_a_link(
    feats: Path, annotations: Annotations, name: str
) -> None:
    """Of a run that was killed: its state is there, and one of its files leads elsewhere."""
    out, other = feats.parent / "store", feats.parent / "precious.bin"
    staging = out / ".packing"
    staging.mkdir(parents=True)
    job = pack_split.plan("train", annotations.train, feats)
    (staging / "train.json").write_text(json.dumps({"stamp": job.stamp, "not_finite": []}))
    other.write_bytes(b"precious")
    (staging / name).symlink_to(other)
    digest = run(feats, annotations, out).digest
    assert other.read_bytes() == b"precious"
    assert open_store(out, verify=True).digest == digest
    assert not any(path.is_symlink() for path in out.iterdir())
    elsewhere = feats.parent / "elsewhere"
    elsewhere.mkdir()
    staging.symlink_to(elsewhere)
    with pytest.raises(DataError, match=r"\.packing is a link to another place"):
        run(feats, annotations, out)


# --- killed, and a full disk --------------------------------------------------------------------------


class Stop(BaseException):
    """What a kill would be, without the process."""


def counting(monkeypatch: pytest.MonkeyPatch, stop_at: int | None) -> Callable[[], int]:
    """Count the feature files that are read; stop at one of them."""
    calls, really = 0, read_feature

    def read(path: Path, kind: str) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == stop_at:
            raise Stop
        return really(path, kind)

    monkeypatch.setattr(pack_split, "read_feature", read)
    return lambda: calls


@pytest.mark.parametrize("stop_at", [1, 2, 6, 11, 15, 16, 25, 30])
def test_no_file_is_read_twice(
    feats: Path, annotations: Annotations, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    run(feats, annotations, feats.parent / "whole")
    out, files = feats.parent / "store", 3 * sum(SIZES.values())
    with monkeypatch.context() as patch:
        counting(patch, stop_at)
        with pytest.raises(Stop):
            run(feats, annotations, out)
    count = counting(monkeypatch, None)
    run(feats, annotations, out)
    assert count() == files - (stop_at - 1)
    assert files_of(out) == files_of(feats.parent / "whole")


def test_a_file_changed_in_between_is_packed_anew(
    feats: Path, annotations: Annotations, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = feats.parent / "store"
    with monkeypatch.context() as patch:
        counting(patch, 3 * SIZES["train"] + 3)
        with pytest.raises(Stop):
            run(feats, annotations, out)
    path = file_of(feats, annotations.train.ids[0], "vggish")
    np.save(path, GOOD)
    os.utime(path, ns=(1, 1))
    count = counting(monkeypatch, None)
    run(feats, annotations, out)
    assert count() == 3 * sum(SIZES.values()) - 2  # val goes on, train begins again
    assert np.array_equal(open_store(out, verify=True).train.audio[0].numpy(), GOOD)


def test_other_labels_are_packed_anew(
    feats: Path, annotations: Annotations, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = feats.parent / "store"
    with monkeypatch.context() as patch:
        counting(patch, 3 * SIZES["train"] + 3)
        with pytest.raises(Stop):
            run(feats, annotations, out)
    train = SplitAnnotations(annotations.train.ids, ~annotations.train.weak)
    run(feats, Annotations(train, annotations.val, annotations.test, "2024", ()), out)
    assert np.array_equal(open_store(out, verify=True).train.weak.numpy(), train.weak)


def test_a_second_pack_at_the_same_time_is_refused(
    feats: Path, annotations: Annotations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the first reads its last file two others come, one with other labels, one without features."""
    out, calls, really = feats.parent / "store", 0, read_feature
    train = annotations.train
    relabelled = SplitAnnotations(train.ids, ~train.weak)
    absent = SplitAnnotations(("absent_____", *train.ids[1:]), train.weak)
    others = ((relabelled, "another process is writing a store there"), (absent, "cannot be used"))

    def read(path: Path, kind: str) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 3 * sum(SIZES.values()):
            for split, message in others:
                with pytest.raises(DataError, match=message):
                    run(feats, Annotations(split, annotations.val, annotations.test, "2024", ()), out)
        return really(path, kind)

    with monkeypatch.context() as patch:
        patch.setattr(pack_split, "read_feature", read)
        run(feats, annotations, out)
    assert calls == 3 * sum(SIZES.values())
    run(feats, annotations, feats.parent / "alone")
    assert files_of(out) == files_of(feats.parent / "alone")


@pytest.mark.parametrize("cut", [0, 3, 100, 20_000, 200_000, -1])
def test_rows_cut_anywhere_go_on(
    feats: Path, annotations: Annotations, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    """A kill can leave an unfinished file of any length."""
    run(feats, annotations, feats.parent / "whole")
    out = feats.parent / "store"
    with monkeypatch.context() as patch:
        counting(patch, 3 * SIZES["train"])
        with pytest.raises(Stop):
            run(feats, annotations, out)
    part = out / ".packing" / "train.part"
    part.write_bytes(part.read_bytes()[:cut])
    run(feats, annotations, out)
    assert files_of(out) == files_of(feats.parent / "whole")


@pytest.mark.parametrize(
    ("nth", "left"),  # each split's stamp goes to the disk, then its file
    [(3, ("val", "test")), (4, ("test",))],
)
def test_full_disk_keeps_the_old_store_and_what_is_packed(
    feats: Path, annotations: Annotations, monkeypatch: pytest.MonkeyPatch, nth: int, left: tuple[str, ...]
) -> None:
    run(feats, annotations, feats.parent / "whole")
    out = feats.parent / "store"
    run(feats, make_annotations({"train": 1, "val": 1, "test": 1}), out)
    before, really, calls = files_of(out), os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        really(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DataError, match=r"Cannot pack to .*No space left .* free space and run again"):
            run(feats, annotations, out)
    assert {name: content for name, content in files_of(out).items() if "/" not in name} == before
    count = counting(monkeypatch, None)
    run(feats, annotations, out)
    assert count() == 3 * sum(SIZES[name] for name in left)
    assert files_of(out) == files_of(feats.parent / "whole")


def test_disk_space_is_looked_at_before(
    feats: Path, annotations: Annotations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1_000_000})())
    with pytest.raises(DataError, match=r"the store needs 0\.0 GB"):
        run(feats, annotations, feats.parent / "store")
    assert not (feats.parent / "store").exists()


CHILD = """
import os, resource, signal, sys
from pathlib import Path
import torch
from cmpie_lite.errors import DataError
from data_fetch.pack import split as pack_split
from data_fetch.pack.store import pack
from tests.making import make_annotations

torch.set_num_threads(1)  # or a forked process waits for threads that it does not have
feats, out = map(Path, sys.argv[1:3])
really, calls = pack_split.read_feature, 0

def read(path, kind):
    global calls
    calls += 1
    if calls == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return really(path, kind)

pack_split.read_feature = read
for kill_at in map(int, sys.argv[3:]):
    if (child := os.fork()) == 0:
        if kill_at < 0:
            resource.setrlimit(resource.RLIMIT_FSIZE, (-kill_at, -kill_at))
        try:
            pack(feats, make_annotations(), out, progress=False)
        except DataError as error:
            print(error, flush=True)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_killed_again_and_again_the_store_is_the_same(feats: Path, annotations: Annotations) -> None:
    """Real processes: killed after 1, 5, 9, 2 files, stopped by a limit on file size, killed, left alone."""
    run(feats, annotations, feats.parent / "whole")
    out = feats.parent / "store"
    kills = ["2", "6", "10", "3", "-200000", "4", "0"]
    command = [sys.executable, "-c", CHILD, str(feats), str(out), *kills]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    lines = done.stdout.splitlines()
    assert [line for line in lines if len(line) < 4] == ["-9", "-9", "-9", "-9", "0", "-9", "0"], done.stderr
    assert any("Cannot pack" in line and "File too large" in line for line in lines)
    assert files_of(out) == files_of(feats.parent / "whole")


@pytest.mark.shared
def test_real_annotations(shared: Path, tmp_path: Path) -> None:
    """The first videos of each split of LLP, with simulated features: ids and labels arrive unchanged."""
    read = read_annotations(shared / "llp")

    def first(split: SplitAnnotations, count: int) -> SplitAnnotations:
        dense = (split.dense_audio, split.dense_visual)
        return SplitAnnotations(
            split.ids[:count], split.weak[:count], *(rows if rows is None else rows[:count] for rows in dense)
        )

    few = Annotations(
        *(first(getattr(read, name), n) for name, n in SIZES.items()), read.version, read.faults
    )
    feats = write_layout(tmp_path / "feats", all_ids(few))
    run(feats, few, tmp_path / "store", source="LLP ids with simulated features")
    store = open_store(tmp_path / "store", verify=True)
    assert store.train.ids == few.train.ids
    assert np.array_equal(store.test.dense_visual, few.test.dense_visual)
    assert np.array_equal(store.val.weak, few.val.weak)
    names = [feature_name(video) for video in all_ids(read)]
    assert len(set(names)) == len(names)  # LLP itself has no two videos of one id
