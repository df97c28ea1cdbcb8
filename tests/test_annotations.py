"""The annotation reader: hand-written files for every fault, and the known counts of the published ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cmpie_lite.data.annotation_files import Problem
from cmpie_lite.data.annotations import Annotations, fault_table, read_annotations
from cmpie_lite.data.llp_names import Span, feature_name, span_of
from cmpie_lite.errors import DataError
from cmpie_lite.labels import CLASS_INDEX

WEAK = "filename\tevent_labels"
DENSE = "filename\tonset\toffset\tevent_labels"
CAT, DOG, SPEECH = CLASS_INDEX["Cat"], CLASS_INDEX["Dog"], CLASS_INDEX["Speech"]
A, B, C, D = "aaaaaaaaaa-_0_10", "_bbbbbbbbbb_1.5_11.5", "cccc_cccccc_20_30", "ddddddddddd_30_40"

CLEAN = {
    "AVVP_train.csv": [WEAK, f"{A}\tDog,Cat", f"{B}\tSpeech"],
    "AVVP_val_pd.csv": [WEAK, f"{C}\tDog"],
    "AVVP_test_pd.csv": [WEAK, f"{D}\tSpeech,Dog"],
    "AVVP_eval_audio.csv": [DENSE, f"{C}\t0\t3\tDog", f"{C}\t5\t6\tDog", f"{D}\t0\t10\tSpeech"],
    "AVVP_eval_audio.2020.csv": [DENSE, f"{C}\t1\t4\tDog", f"{D}\t0\t10\tSpeech"],
    "AVVP_eval_visual.csv": [DENSE, f"{D}\t2\t4\tDog"],
    "AVVP_dataset_full.csv": [WEAK, f"{A}\tCat,Dog", f"{B}\tSpeech", f"{C}\tDog", f"{D}\tSpeech,Dog"],
}


def write(folder: Path, changes: dict[str, list[str]] | None = None) -> Path:
    """Write the clean files, with extra rows appended to some; in the full file, those of the splits."""
    for name, rows in CLEAN.items():
        (folder / name).write_text("\n".join(rows + (changes or {}).get(name, [])) + "\n")
    return folder


def faults_of(annotations: Annotations) -> list[tuple[str, int, Problem]]:
    return [(fault.file, fault.line, fault.problem) for fault in annotations.faults]


def test_clean_files(tmp_path: Path) -> None:
    read = read_annotations(write(tmp_path))
    assert read.faults == ()
    assert (read.train.ids, read.val.ids, read.test.ids) == ((A, B), (C,), (D,))
    assert [set(np.flatnonzero(row)) for row in read.train.weak] == [{CAT, DOG}, {SPEECH}]
    assert read.train.dense_audio is None
    assert read.train.dense_visual is None
    assert np.flatnonzero(read.val.dense_audio[0, :, DOG]).tolist() == [0, 1, 2, 5]
    assert read.val.dense_audio.sum() == 4
    assert not read.val.dense_visual.any()
    assert np.flatnonzero(read.test.dense_visual[0, :, DOG]).tolist() == [2, 3]
    assert read.test.dense_audio.shape == (1, 10, 25)
    assert read.test.dense_audio.dtype == read.train.weak.dtype == bool
    old = read_annotations(tmp_path, version="2020")
    assert np.flatnonzero(old.val.dense_audio[0, :, DOG]).tolist() == [1, 2, 3]
    assert (old.version, read.version) == ("2020", "2024")


def test_line_ends_and_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    write(tmp_path)
    for name, rows in CLEAN.items():
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*rows, "", ""]).encode())
    assert read_annotations(tmp_path).faults == ()


def test_old_spreadsheets_end_their_lines_otherwise(tmp_path: Path) -> None:
    write(tmp_path)
    for name, rows in CLEAN.items():
        (tmp_path / name).write_bytes("\r".join([*rows, ""]).encode())
    read = read_annotations(tmp_path)
    assert read.faults == ()
    assert (read.train.ids, read.val.ids, read.test.ids) == ((A, B), (C,), (D,))


@pytest.mark.parametrize(
    "row",
    [
        "x" * 1_000_000,
        f"{A}\t{'Dog' * 300_000}",
        f"{A}\t" + "\t" * 500_000,
        "é" * 500_000 + "\tDog",
        f"eeeeeeeeeee_0_10\t{','.join(['Dog'] * 200_000)},Dgo",
    ],
)
def test_a_line_of_a_megabyte_makes_a_short_error(tmp_path: Path, row: str) -> None:
    write(tmp_path, {"AVVP_train.csv": [row]})
    with pytest.raises(DataError, match=r"AVVP_train\.csv:4: ") as caught:
        read_annotations(tmp_path)
    assert len(str(caught.value)) < 2000


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
    with pytest.raises(DataError, match=r"AVVP_train\.csv:4: malformed row \(not utf-8\): .*Dog.*xff"):
        read_annotations(tmp_path)
    assert faults_of(read_annotations(tmp_path, strict=False)) == [("AVVP_train.csv", 4, Problem.MALFORMED)]


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


def test_feature_names_are_the_first_eleven_characters() -> None:
    assert feature_name("BjCEufrlXm4_20_30") == feature_name("BjCEufrlXm4") == "BjCEufrlXm4"
    assert [feature_name(video) for video in (A, B, C)] == ["aaaaaaaaaa-", "_bbbbbbbbbb", "cccc_cccccc"]
    for wrong in ("", "short", "7X3oSVoA_90_100", "BjCEufrlXm4_20", "../../etc/pa_0_10", f"{C}`", f"{C}\n"):
        with pytest.raises(DataError, match="is not the id of a video, expected the 11 characters"):
            feature_name(wrong)


def test_spans_and_feature_names_agree() -> None:
    assert span_of("AP0061o0Nvk_101.8_111.8") == Span("AP0061o0Nvk", 101.8, 111.8)
    assert span_of("-_-_-_-_-_-_0_10").youtube_id == feature_name("-_-_-_-_-_-") == "-_-_-_-_-_-"
    for wrong in ("abc_0_10", "BjCEufrlXm4_30_20", "BjCEufrlXm4_20_20", "BjCEufrlXm4", "../../../etc_0_10"):
        with pytest.raises(DataError, match=r"is not an LLP id, expected 11 characters, _start_end"):
            span_of(wrong)
    for wrong in ("BjCEufrlXm4_20..3_30", "BjCEufrlXm4_._.", "BjCEufrlXm4_\N{ARABIC-INDIC DIGIT ONE}_30"):
        with pytest.raises(DataError, match="is not the id of a video"):
            feature_name(wrong)
        with pytest.raises(DataError, match="is not an LLP id"):
            span_of(wrong)


def test_the_table_counts_what_was_read_and_what_is_wrong(tmp_path: Path) -> None:
    rows = ["7X3oSVoA_90_100\t0\t3\tDog", "7X3oSVoA_90_100\t5\t6\tDog"]
    table = fault_table(read_annotations(write(tmp_path, {"AVVP_eval_audio.csv": rows})))
    counts = {(where, what): count for where, what, count in table.itertuples(index=False)}
    assert counts["train", "videos"] == 2
    assert counts["train", "weak labels"] == 3
    assert counts["train", "classes without a video"] == 22
    assert counts["val", "videos without visual event"] == 1
    assert counts["test", "videos without audio event"] == 0
    assert counts["AVVP_eval_audio.csv", "id in no split"] == 2
    assert counts["all files", "distinct ids in no split"] == 1


# --- the published files ---


@pytest.mark.shared
@pytest.mark.parametrize("version", ["2024", "2020"])
def test_the_known_counts_of_the_published_files(shared: Path, version: str) -> None:
    read = read_annotations(shared / "llp", version=version)
    assert [len(split.ids) for split in (read.train, read.val, read.test)] == [10000, 649, 1200]
    assert len({*read.train.ids, *read.val.ids, *read.test.ids}) == 11849
    for video in (*read.train.ids, *read.val.ids, *read.test.ids):
        assert video.startswith(feature_name(video) + "_")

    problems = Counter(fault.problem for fault in read.faults)
    strangers = {fault.text.split("\t")[0] for fault in read.faults if fault.problem == Problem.NO_SPLIT}
    assert "19jWnmYnlD8_30_400" in strangers
    extra = {"2024": set(), "2020": {"Baby_cry_infant_cry", "KvIjsmANkxI_10_20`"}}[version]
    assert len(strangers - extra) == 8
    assert extra <= strangers
    assert problems[Problem.EMPTY_EVENT] == 6
    assert problems[Problem.DUPLICATE_ROW] == 8
    assert problems[Problem.REPEATED_LABEL] == 2  # one video, in its split and in the file of all splits
    assert problems[Problem.WEAK_DENSE] == (81 if version == "2024" else 82)
    assert problems[Problem.FULL_DIFFERS] == problems[Problem.TRAIN_DENSE] == 0

    table = fault_table(read)
    total = table.groupby("what")["count"].sum()
    assert total["videos without visual event"] == 191
    # Nine videos have no audio row; of a tenth the only one is empty.
    file = "AVVP_eval_audio.csv" if version == "2024" else "AVVP_eval_audio.2020.csv"
    named = {line.split("\t")[0] for line in (shared / "llp" / file).read_text().splitlines()}
    assert sum(video not in named for video in (*read.val.ids, *read.test.ids)) == 9
    assert total["videos without audio event"] == 10


@pytest.mark.shared
def test_the_versions_differ_in_two_test_videos(shared: Path) -> None:
    new, old = (read_annotations(shared / "llp", version=version) for version in ("2024", "2020"))
    differ = (new.test.dense_audio != old.test.dense_audio).any((1, 2))
    assert {new.test.ids[i] for i in np.flatnonzero(differ)} == {"JfZEqeLZqWk_30_40", "KvIjsmANkxI_10_20"}
    assert np.array_equal(new.val.dense_audio, old.val.dense_audio)
    assert np.array_equal(new.test.dense_visual, old.test.dense_visual)
