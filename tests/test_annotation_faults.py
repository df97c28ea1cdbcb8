"""The annotation reader: hand-written files for every fault, harmless ones and those that stop it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cmpie_lite.data.annotation_files import Problem
from cmpie_lite.data.annotations import read_annotations
from cmpie_lite.errors import DataError
from tests.making_annotations import CAT, CLEAN, DENSE, DOG, SPEECH, WEAK, A, B, C, D, faults_of, write

HARMLESS = [  # faults that the published files have: reported, and what they leave is as before
    ("AVVP_eval_audio.csv", f"{C}\t9\t9\tDog", Problem.EMPTY_EVENT),
    ("AVVP_eval_audio.csv", f"{C}\t9\t0\tDog", Problem.EMPTY_EVENT),
    ("AVVP_eval_audio.csv", f"{C}\t10\t10\tDog", Problem.EMPTY_EVENT),
    ("AVVP_eval_audio.csv", f"{C}\t0\t3\tDog", Problem.DUPLICATE_ROW),
    ("AVVP_eval_audio.csv", "7X3oSVoA_90_100\t0\t3\tDog", Problem.NO_SPLIT),
    ("AVVP_eval_audio.csv", f"{C}`\t0\t3\tDog", Problem.NO_SPLIT),
    ("AVVP_eval_audio.csv", "Dog\t0\t3\tSpeech", Problem.NO_SPLIT),
    ("AVVP_eval_audio.csv", f"{A}\t0\t3\tDog", Problem.TRAIN_DENSE),
    ("AVVP_eval_audio.csv", f"{C}\t0\t3\tDog,Dog", Problem.REPEATED_LABEL),
    ("AVVP_dataset_full.csv", "eeeeeeeeeee_0_10\tDog", Problem.NO_SPLIT),
]


@pytest.mark.parametrize(("file", "row", "problem"), HARMLESS)
def test_harmless_faults_are_reported_and_read_around(
    tmp_path: Path, file: str, row: str, problem: Problem
) -> None:
    read = read_annotations(write(tmp_path, {file: [row]}))
    line = len(CLEAN[file]) + 1
    assert faults_of(read) == [(file, line, problem)]
    assert read.faults[0].text == row
    assert str(read.faults[0]).startswith(f"{file}:{line}: {problem}")
    assert np.flatnonzero(read.val.dense_audio[0, :, DOG]).tolist() == [0, 1, 2, 5]
    assert read.test.dense_audio.sum() == 10


FATAL = [  # structural faults: an error that names file and line; or, not strict, reported and left out
    ("AVVP_eval_audio.csv", f"{C}\t0\t3", Problem.MALFORMED, "3 tab-separated fields, expected 4"),
    ("AVVP_eval_audio.csv", f"{C}\t0\t3\tDog\tCat", Problem.MALFORMED, "5 tab-separated fields"),
    ("AVVP_eval_audio.csv", f"{C},0,3,Dog", Problem.MALFORMED, "1 tab-separated fields"),
    ("AVVP_eval_audio.csv", f"{C}\tzero\t3\tDog", Problem.MALFORMED, "must be numbers, in seconds"),
    ("AVVP_eval_audio.csv", f"{C}\t0\tnan\tDog", Problem.MALFORMED, "must be numbers"),
    ("AVVP_eval_audio.csv", f"{C}\t\t3\tDog", Problem.MALFORMED, "must be numbers"),
    ("AVVP_eval_audio.csv", f"{C}\t0\t11\tDog", Problem.BAD_TIME, r"offset 11\.0 s lies outside the video"),
    ("AVVP_eval_audio.csv", f"{C}\t-1\t3\tDog", Problem.BAD_TIME, r"onset -1\.0 s lies outside the video"),
    ("AVVP_eval_audio.csv", f"{C}\t0.5\t3\tDog", Problem.BAD_TIME, "inside a segment"),
    ("AVVP_eval_visual.csv", f"{D}\t0\t3\tdog", Problem.UNKNOWN_LABEL, "Did you mean 'Dog'"),
    ("AVVP_eval_visual.csv", f"{D}\t0\t3\t", Problem.UNKNOWN_LABEL, "unknown label ''"),
    ("AVVP_train.csv", "eeeeeeeeeee_0_10\tViolin", Problem.UNKNOWN_LABEL, "Did you mean 'Violin_fiddle'"),
    ("AVVP_train.csv", "eeeeeeeeeee_0_10", Problem.MALFORMED, "1 tab-separated fields, expected 2"),
    ("AVVP_train.csv", "short_0_10\tDog", Problem.MALFORMED, "'short_0_10' is not the id of a video"),
    ("AVVP_train.csv", "\tDog", Problem.MALFORMED, "'' is not the id of a video"),
    ("AVVP_train.csv", f"{A}\tSpeech", Problem.DUPLICATE_ID, "first in line 2"),
    ("AVVP_train.csv", f"{D}\tSpeech", Problem.TWO_SPLITS, r"also in AVVP_test_pd\.csv:2"),
    ("AVVP_val_pd.csv", f"{D}\tSpeech", Problem.TWO_SPLITS, r"also in AVVP_test_pd\.csv:2"),
]


@pytest.mark.parametrize(("file", "row", "problem", "message"), FATAL)
def test_structural_faults_stop_the_reading(
    tmp_path: Path, file: str, row: str, problem: Problem, message: str
) -> None:
    write(tmp_path, {file: [row]})
    line = len(CLEAN[file]) + 1
    with pytest.raises(DataError, match=rf"(?s)1 faulty rows in .*{file}:{line}: {problem} .*{message}"):
        read_annotations(tmp_path)
    read = read_annotations(tmp_path, strict=False)
    assert faults_of(read) == [(file, line, problem)]
    assert (read.train.ids, read.val.ids, read.test.ids) == ((A, B), (C,), (D,))
    assert [set(np.flatnonzero(labels)) for labels in read.train.weak] == [{CAT, DOG}, {SPEECH}]
    assert read.val.dense_audio.sum() == 4
    assert read.test.dense_visual.sum() == 2


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    write(tmp_path)
    with (tmp_path / "AVVP_train.csv").open("ab") as file:
        file.write(b"eeeeeeeeeee_0_10\tDog\xff\n")
    message = r"AVVP_train\.csv:4: malformed row \(not utf-8: save it as UTF-8 .*\): .*Dog.*xff"
    with pytest.raises(DataError, match=message):
        read_annotations(tmp_path)
    assert faults_of(read_annotations(tmp_path, strict=False)) == [("AVVP_train.csv", 4, Problem.MALFORMED)]


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_files_as_spreadsheets_save_them(tmp_path: Path, coding: str) -> None:
    """Their "Unicode text" is UTF-16 with a mark, and labels with a comma stand in quotes."""
    before = read_annotations(write(tmp_path))
    for path in tmp_path.iterdir():
        rows = [line.split("\t") for line in path.read_text().splitlines()]
        text = "".join(
            "\t".join(f'"{field}"' if "," in field else field for field in row) + "\r\n" for row in rows
        )
        path.write_bytes((("\ufeff" if coding == "utf-16-be" else "") + text).encode(coding))
    after = read_annotations(tmp_path)
    assert after.faults == ()
    assert after.train.ids == before.train.ids
    np.testing.assert_array_equal(after.train.weak, before.train.weak)
    np.testing.assert_array_equal(after.test.dense_audio, before.test.dense_audio)


@pytest.mark.parametrize("content", ["", "id\tlabels\n", "filename,event_labels\n"])
def test_another_header(tmp_path: Path, content: str) -> None:
    (write(tmp_path) / "AVVP_train.csv").write_text(content)
    with pytest.raises(
        DataError, match=r"AVVP_train\.csv:1: .*expected the header filename<tab>event_labels"
    ):
        read_annotations(tmp_path)


def test_many_faults_make_one_short_error(tmp_path: Path) -> None:
    write(tmp_path, {"AVVP_train.csv": ["x"] * 30})
    with pytest.raises(DataError, match="30 faulty rows") as caught:
        read_annotations(tmp_path)
    assert str(caught.value).count("AVVP_train.csv:") == 5


def test_weak_labels_that_differ_from_the_dense_ones(tmp_path: Path) -> None:
    read = read_annotations(write(tmp_path, {"AVVP_eval_visual.csv": [f"{C}\t0\t1\tCat"]}))
    assert faults_of(read) == [("AVVP_val_pd.csv", 2, Problem.WEAK_DENSE)]
    assert read.faults[0].detail == "only dense: Cat"
    (tmp_path / "AVVP_eval_visual.csv").write_text(f"{DENSE}\n{D}\t4\t4\tDog\n{D}\t0\t1\tSpeech\n")
    read = read_annotations(tmp_path)  # an empty event is no event, but it does name its class
    assert faults_of(read) == [("AVVP_eval_visual.csv", 2, Problem.EMPTY_EVENT)]
    (tmp_path / "AVVP_eval_visual.csv").write_text(f"{DENSE}\n{C}\t4\t5\tDog\n")
    read = read_annotations(tmp_path)
    assert faults_of(read) == [("AVVP_test_pd.csv", 2, Problem.WEAK_DENSE)]
    assert read.faults[0].detail == "only weak: Dog"


@pytest.mark.parametrize("file", ["AVVP_eval_audio.csv", "AVVP_eval_visual.csv"])
@pytest.mark.parametrize(
    "rows",
    [[], [f"{C} \t0\t3\tDog", f"{D} \t0\t3\tDog"], [f"{C}\t3\t0\tDog", f"{D}\t10\t0\tDog"]],
)
def test_a_dense_file_that_would_leave_no_event(tmp_path: Path, file: str, rows: list[str]) -> None:
    """Only its header; a space after each id; onset and offset exchanged: no row alone stops the reading."""
    (write(tmp_path) / file).write_text("\n".join([DENSE, *rows]) + "\n")
    with pytest.raises(DataError, match=rf"{file} has events of 0 of the 2 val and test videos"):
        read_annotations(tmp_path)
    assert len(read_annotations(tmp_path, strict=False).test.ids) == 1


def test_a_split_without_a_video(tmp_path: Path) -> None:
    (write(tmp_path) / "AVVP_val_pd.csv").write_text(f"{WEAK}\n")
    with pytest.raises(DataError, match=r"AVVP_val_pd\.csv names no video, expected the val split"):
        read_annotations(tmp_path)


def test_repeated_weak_label(tmp_path: Path) -> None:
    (write(tmp_path) / "AVVP_test_pd.csv").write_text(f"{WEAK}\n{D}\tDog,Speech,Dog\n")
    read = read_annotations(tmp_path)
    assert faults_of(read) == [("AVVP_test_pd.csv", 2, Problem.REPEATED_LABEL)]
    assert set(np.flatnonzero(read.test.weak[0])) == {DOG, SPEECH}


def test_the_file_of_all_splits_is_checked_where_it_is_there(tmp_path: Path) -> None:
    full = write(tmp_path) / "AVVP_dataset_full.csv"
    full.write_text("\n".join([WEAK, f"{A}\tCat,Dog", f"{B}\tDog", f"{C}\tDog"]))
    read = read_annotations(tmp_path)
    assert faults_of(read) == [
        ("AVVP_train.csv", 3, Problem.FULL_DIFFERS),
        ("AVVP_test_pd.csv", 2, Problem.FULL_DIFFERS),
    ]
    assert [fault.detail for fault in read.faults] == ["other labels in its line 3", "no such id there"]
    full.unlink()
    assert read_annotations(tmp_path).faults == ()


def test_missing_files_are_named_with_a_way_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lacks AVVP_train\.csv, .*python -m data_fetch annotations"):
        read_annotations(tmp_path / "nowhere")
    (write(tmp_path) / "AVVP_eval_audio.2020.csv").unlink()
    assert read_annotations(tmp_path).faults == ()
    with pytest.raises(DataError, match=r"lacks AVVP_eval_audio\.2020\.csv\. Expected: AVVP_train\.csv"):
        read_annotations(tmp_path, version="2020")
    with pytest.raises(DataError, match=r"version = '2021', expected one of '2024', '2020'"):
        read_annotations(tmp_path, version="2021")
