"""Packing bad files: every one is a clear error, counted before anything is written."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmpie_lite.data.annotations import Annotations
from cmpie_lite.data.llp_names import feature_name
from cmpie_lite.data.store_files import open_store
from cmpie_lite.errors import DataError
from data_fetch.pack import split as pack_split
from tests.making import SIZES, files_of, make_annotations, store_files
from tests.making_packs import GOOD, all_ids, file_of, run, write_layout


def npy(values: np.ndarray, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, **options)
    return buffer.getvalue()


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    return buffer.getvalue()


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
