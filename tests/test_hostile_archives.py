"""Hostile archives are refused whole: paths that lead out, links, devices, bombs, locks."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from cmpie_lite.errors import DataError
from data_fetch.fetch.archives import extract_features
from tests.making_archives import array, make_tar, make_zip, members

NAMES = (
    "../vggish/aaaaaaaaaaa.npy",
    "/vggish/aaaaaaaaaaa.npy",
    "feats/vggish/../../../../aaaaaaaaaaa.npy",
    "feats/../../vggish/aaaaaaaaaaa.npy",
    "..\\vggish\\aaaaaaaaaaa.npy",
    "C:\\vggish\\aaaaaaaaaaa.npy",
    "feats/vggish/..",
)


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize("name", NAMES)
def test_paths_that_lead_out_are_refused(tmp_path: Path, make: type, name: str) -> None:
    archive = tmp_path / "a.archive"
    archive.write_bytes(make({name: array("vggish")} | members()))
    with pytest.raises(DataError, match="leads out of the folder"):
        extract_features(archive, tmp_path / "deep" / "out", progress=False)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [archive]


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_features_of_other_videos_are_not_taken_for_llps(tmp_path: Path, make: type) -> None:
    """What `extract` made, packed into an archive: unpacked by `features` it was packed as LLP."""
    archive = tmp_path / "a.archive"
    archive.write_bytes(make({"feats/source.txt": b"own videos\n"} | members()))
    with pytest.raises(DataError, match=r"holds features of 'own videos', as its source.txt says, not LLP's"):
        extract_features(archive, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["SYMTYPE", "LNKTYPE", "FIFOTYPE", "CHRTYPE", "BLKTYPE"])
def test_tar_links_and_devices_are_refused(tmp_path: Path, kind: str) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tape:
        info = tarfile.TarInfo("feats/vggish/aaaaaaaaaaa.npy")
        info.type, info.linkname = getattr(tarfile, kind), "/etc/passwd"
        tape.addfile(info)
    (tmp_path / "a.tar").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match=r"\((link|device)\) leads out"):
        extract_features(tmp_path / "a.tar", tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_zip_links_bombs_and_locks_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("feats/vggish/aaaaaaaaaaa.npy")
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr(link, "/etc/passwd")
    bomb = make_zip({"feats/vggish/aaaaaaaaaaa.npy": bytes(50_000_000)})
    locked = bytearray(make_zip(members()))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = 0
        while (place := locked.find(signature, place)) >= 0:
            locked[place + offset] |= 1
            place += 4
    liar = make_zip({"feats/vggish/aaaaaaaaaaa.npy": bytes(5_000_000)})
    liar = liar.replace((5_000_000).to_bytes(4, "little"), (5_248).to_bytes(4, "little"))
    for data, message in [
        (buffer.getvalue(), r"\(link\) leads out"),
        (bomb, "unpacks to 50000000 bytes"),
        (bytes(locked), "cannot be unpacked here .*encrypted.* Unpack it yourself"),
        (liar, "not a whole zip|refused"),
        (make_zip({"holiday/photo.jpg": b"x"}), "no vggish/ID.npy"),
    ]:
        (tmp_path / "a.zip").write_bytes(data)
        with pytest.raises(DataError, match=message):
            extract_features(tmp_path / "a.zip", tmp_path / "out", progress=False)
        assert not list(tmp_path.rglob("*.npy"))


@pytest.mark.parametrize("second", ["feats/vggish/aaaaaaaaaaa.npy", "more/vggish/aaaaaaaaaaa_10_20.npy"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_different_arrays_of_one_name_are_refused(tmp_path: Path, second: str) -> None:
    """Whichever was taken, the other would be lost; a repetition loses nothing. So it stays."""
    for seed, message in ((0, ""), (1, "two different arrays for vggish/aaaaaaaaaaa.npy, the second")):
        buffer, out = io.BytesIO(make_zip(members())), tmp_path / f"out{seed}"
        with zipfile.ZipFile(buffer, "a") as bundle:
            bundle.writestr(second, array("vggish", seed))
        (tmp_path / "a.zip").write_bytes(buffer.getvalue())
        for _ in range(2):
            if message:
                with pytest.raises(DataError, match=message):
                    extract_features(tmp_path / "a.zip", out, progress=False)
            else:
                found = extract_features(tmp_path / "a.zip", out, progress=False)
                assert found.written + found.kept == len(members())
                assert found.bad == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"7z\xbc\xaf\x27\x1c", "begins as a 7z archive does.*Unpack it with a program for such files"),
        (b"Rar!\x1a\x07\x01\x00", "begins as a rar archive does"),
        (b"<!doctype html><title>Google Drive", "begins as a web page does.*Did all of it come"),
        (make_zip(members())[:-3000], "begins as a zip archive does.*Did all of it come"),
        (make_tar(members())[:-3000], "not a whole zip or tar archive"),
        (b"", "not a whole zip or tar archive"),
    ],
    ids=["7z", "rar", "page", "cut zip", "cut tar.gz", "nothing"],
)
def test_what_else_came_is_said_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "feats.zip").write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        extract_features(tmp_path / "feats.zip", tmp_path / "out", progress=False)
    assert "\n" not in str(error.value)
