"""The annotation reader: clean files in every form, names and spans, the counts of the published files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cmpie_lite.data.annotation_files import Problem
from cmpie_lite.data.annotations import fault_table, read_annotations
from cmpie_lite.data.llp_names import Span, feature_name, span_of
from cmpie_lite.errors import DataError
from tests.making_annotations import CAT, CLEAN, DOG, SPEECH, A, B, C, D, write


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
