"""Unpacking the features archive: bad arrays are named, and what was begun goes on."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest

from cmpie_lite.errors import DataError
from cmpie_lite.support.files import PART, hold, whole_file
from data_fetch.fetch import features as module
from data_fetch.fetch.archives import extract_features
from data_fetch.layout import LAYOUT
from tests.making_archives import IDS, fetch, make_tar, make_zip, members


def npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def test_features_named_like_clips(tmp_path: Path) -> None:
    """Out of an archive they take the names that they need; in a folder they stay, and are named."""
    content = {name.replace(".npy", "_101.8_111.8.npy"): data for name, data in members().items()}
    archive = tmp_path / "a.zip"
    archive.write_bytes(make_zip(content))
    assert fetch(tmp_path / "out", sources=[archive], ids=IDS).missing == ()
    folder = tmp_path / "given"
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    with pytest.raises(DataError, match=r"aaaaaaaaaaa_101\.8_111\.8\.npy: features are named by.*Rename"):
        fetch(tmp_path, sources=[folder], ids=IDS)


def test_bad_arrays_are_named_and_not_written(tmp_path: Path) -> None:
    content = members()
    nan = np.zeros((10, 512), np.float32)
    nan[3, 4] = np.inf
    content["feats/vggish/aaaaaaaaaaa.npy"] = npy(np.zeros((10, 128)))
    content["feats/res152/aaaaaaaaaaa.npy"] = npy(np.zeros((79, 2048), np.float32) + 1)
    content["feats/r2plus1d_18/bbbbbbbbbbb.npy"] = npy(nan)
    content["feats/vggish/bbbbbbbbbbb.npy"] = content["feats/vggish/bbbbbbbbbbb.npy"][:-1]
    content["feats/res152/bbbbbbbbbbb.npy"] = npy(np.array([{}], dtype=object))
    content |= {"feats/readme.txt": b"hello", "feats/vggish/.DS_Store": b"x", "__MACOSX/vggish/a.npy": b""}
    archive, out = tmp_path / "a.zip", tmp_path / "out"
    archive.write_bytes(make_zip(content))
    report = fetch(out, sources=[archive], ids=[*IDS, "ddddddddddd"])
    assert report.complete == 1
    reasons = {(name, kind): reason for name, kind, reason in report.missing}
    assert "float32" in reasons["aaaaaaaaaaa", "vggish"]
    assert "(79, 2048)" in reasons["aaaaaaaaaaa", "res152"]
    assert reasons["bbbbbbbbbbb", "r2plus1d_18"] == "1 values are not finite"
    assert "truncated" in reasons["bbbbbbbbbbb", "vggish"]
    assert "pickle" in reasons["bbbbbbbbbbb", "res152"]
    assert [reasons["ddddddddddd", kind] for kind in LAYOUT] == ["missing"] * 3
    assert len(reasons) == 8
    assert (out / module.MISSING).read_text().count("\n") == 9
    written = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    expected = {name.removeprefix("feats/") for name in members()} - {f"{k}/{n}.npy" for n, k in reasons}
    assert written == expected | {module.CHECKSUM, module.MISSING}


def test_a_folder_is_checked_where_it_is(tmp_path: Path) -> None:
    for name, data in members().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "feats/res152/ccccccccccc.npy").unlink()
    report = fetch(tmp_path / "unused", sources=[tmp_path])
    assert report.folder == tmp_path / "feats"
    assert report.missing == (("ccccccccccc", "res152", "missing"),)
    assert "2 videos have all three arrays; 1 arrays of 1 videos are missing" in str(report)
    with pytest.raises(DataError, match=r"no vggish, res152, r2plus1d_18 folders"):
        fetch(tmp_path, sources=[tmp_path / "feats" / "vggish"])
    with pytest.raises(DataError, match=r"no such archive\. Give archives, or one folder"):
        fetch(tmp_path, sources=[tmp_path / "none.zip"])


def test_unpacking_goes_on_where_it_was(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(make_tar(members(), "w"))
    archive.write_bytes(archive.read_bytes()[: 600_000 + 20_000])
    with pytest.raises(DataError, match="not a whole zip or tar archive"):
        extract_features(archive, tmp_path / "out", progress=False)
    arrays = sorted((tmp_path / "out").rglob("*"))
    assert len([p for p in arrays if p.is_file()]) == 3, "what came before the cut is whole and kept"
    archive.write_bytes(make_tar(members(), "w"))
    result = extract_features(archive, tmp_path / "out", progress=False)
    assert (result.written, result.kept) == (6, 3)


def test_what_a_killed_unpack_leaves_is_no_video_and_goes_in_time(tmp_path: Path) -> None:
    with whole_file(tmp_path / "aaaaaaaaaaa.npy") as temporary:
        assert (temporary.name[0], temporary.suffix) == (".", PART)
        temporary.touch()
    archive, out = tmp_path / "a.zip", tmp_path / "out"
    archive.write_bytes(make_zip(members()))
    old, young = (out / "vggish" / f".aaaaaaaaaaa.npy-{digit * 32}{PART}" for digit in "ab")
    hidden = out / "res152" / ".bbbbbbbbbbb-xxxx.npy"  # as this project's temporary files were once called
    for path in (old, young, hidden):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    held = hold(young, wait=False)
    assert held is not None
    os.utime(young, (1, 1))  # a clock says nothing
    report = fetch(out, sources=[archive])
    assert (report.complete, report.missing) == (3, ())
    assert (old.exists(), young.exists()) == (False, True), "the other has a writer that lives"
    os.close(held)


def test_features_of_other_videos_are_not_mixed_with_llps(tmp_path: Path) -> None:
    archive, out = tmp_path / "a.zip", tmp_path / "out"
    archive.write_bytes(make_zip(members()))
    out.mkdir()
    (out / "source.txt").write_text("own videos\n")
    with pytest.raises(DataError, match=r"holds features of 'own videos', not LLP's own.*another --out"):
        fetch(out, sources=[archive])
    assert [path.name for path in out.iterdir()] == ["source.txt"]
