"""Packing the official feature layout: exact pooling, the files and labels of the store, the report."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cmpie_lite.data.annotation_files import Problem
from cmpie_lite.data.annotations import Annotations, SplitAnnotations, read_annotations
from cmpie_lite.data.llp_names import feature_name
from cmpie_lite.data.store import digest_of
from cmpie_lite.data.store_files import open_store
from cmpie_lite.errors import DataError
from data_fetch.__main__ import main
from data_fetch.extract.recipe import ExtractionRecipe
from data_fetch.extract.videos import extract_many
from data_fetch.layout import LAYOUT, features_folder, read_feature
from data_fetch.pack.split import pool_frames
from data_fetch.pack.store import PackReport, pack
from tests.making import SIZES, files_of, store_files
from tests.making_annotations import A, B, C, D, write
from tests.making_packs import all_ids, file_of, run, write_layout

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


@pytest.mark.parametrize(
    ("own", "inside", "found"),
    [
        (3, 0, ""),
        (3, 3, ""),
        (1, 1, ""),
        (0, 3, "feats"),
        (1, 3, "feats"),
        (0, 0, "feats"),
        (0, None, ""),
        (3, None, ""),
    ],
)
def test_one_rule_says_which_folder_is_read(tmp_path: Path, own: int, inside: int | None, found: str) -> None:
    """`inside` is None where there is no folder feats."""
    for kind in list(LAYOUT)[:own]:
        (tmp_path / kind).mkdir()
    if inside is not None:
        (tmp_path / "feats").mkdir()
    for kind in list(LAYOUT)[:inside] if inside else ():
        (tmp_path / "feats" / kind).mkdir()
    assert features_folder(tmp_path) == tmp_path / found


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


def test_features_named_like_clips_are_said_to_be(feats: Path, annotations: Annotations) -> None:
    for kind in LAYOUT:
        for video in annotations.val.ids:
            file_of(feats, video, kind).rename(feats / kind / f"{video}.npy")
    with pytest.raises(DataError, match=r"val__000000_0_10\.npy is named like a clip: rename such files"):
        run(feats, annotations, feats.parent / "store")


# --- killed, and a full disk --------------------------------------------------------------------------


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


def test_the_command_counts_what_it_read_around(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labels").mkdir()
    rows = [f"{C}\t9\t9\tDog", f"{C}\t0\t3\tDog", "Dog\t0\t3\tSpeech"]
    folder = write(
        tmp_path / "labels", {"AVVP_eval_audio.csv": rows, "AVVP_eval_visual.csv": [f"{D}\t9\t0\tDog"]}
    )
    feats = write_layout(tmp_path / "feats", [A, B, C, D])
    words = ["pack", str(feats), "--annotations", str(folder), "--out", str(tmp_path / "store")]
    assert main(words) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith(f"{folder}: read around 4 faults: ")
    counted = set(first.rpartition(": ")[2].split(", "))
    assert counted == {
        f"2 x {Problem.EMPTY_EVENT}",
        f"1 x {Problem.DUPLICATE_ROW}",
        f"1 x {Problem.NO_SPLIT}",
    }
    write(folder)
    assert main([*words[:-1], str(tmp_path / "again")]) == 0
    assert "faults" not in capsys.readouterr().out


NAMES = ["", " ", "<b>x</b>", "a\nb", "\x1b[31mred", "\u202eevil", "pipe|name", "x" * 201]


@pytest.mark.parametrize("source", NAMES)
def test_a_name_that_no_store_could_have_is_refused_before_anything_is_packed(
    tmp_path: Path, source: str
) -> None:
    """Or the old store would have made place for one that nothing opens."""
    with pytest.raises(DataError, match="source"):
        pack(write_layout(tmp_path, []), None, tmp_path / "out", source=source)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="source"):
        extract_many([], tmp_path / "out", ExtractionRecipe(), source=f"{source}<")
    assert not (tmp_path / "out").exists()
