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
        (bytes(locked), "not a whole zip .*encrypted"),
        (liar, "not a whole zip|refused"),
        (make_zip({"holiday/photo.jpg": b"x"}), "no vggish/ID.npy"),
    ]:
        (tmp_path / "a.zip").write_bytes(data)
        with pytest.raises(DataError, match=message):
            extract_features(tmp_path / "a.zip", tmp_path / "out", progress=False)
        assert not list(tmp_path.rglob("*.npy"))
