"""The features archive: resumed, recorded, unpacked safely; hostile archives are refused whole."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cmpie_lite.errors import DataError, WriteError
from cmpie_lite.support.files import PART, hold, whole_file
from data_fetch import tables as files
from data_fetch.fetch import features as module
from data_fetch.fetch.archives import extract_features
from data_fetch.fetch.features import fetch_features
from data_fetch.layout import LAYOUT
from tests.fetch_server import Host, serve

IDS = ("aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc")


def array(folder: str, seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.random.default_rng(seed).random(LAYOUT[folder], np.float32))
    return buffer.getvalue()


def npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def members(root: str = "feats") -> dict[str, bytes]:
    return {f"{root}/{kind}/{name}.npy": array(kind, i) for kind in LAYOUT for i, name in enumerate(IDS)}


def make_zip(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in content.items():
            bundle.writestr(name, data)
    return buffer.getvalue()


def make_tar(content: dict[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tape:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tape.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def fetch(out: Path, **options: object) -> module.FeatureReport:
    return fetch_features(out, progress=False, pause=0.0, **options)  # type: ignore[arg-type]


def test_downloads_with_resume_and_follows_redirects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEATURES_BYTES", 10_000_000)
    body = make_tar(members(), "w")
    cuts = [
        700_000,
        len(body),
        700_000,
        len(body),
    ]  # gdown asks anew before it asks for the rest
    host = Host(files={"/moved": body}, redirects={"/feats": "/moved"}, cuts={"/moved": cuts})
    with serve(host):
        report = fetch(tmp_path, url=f"{host.url}/feats")
        assert report.complete == 3
        assert report.missing == ()
        ranges = [r for path, r in host.log if path == "/moved" and r]
        starts = [int(r.removeprefix("bytes=").rstrip("-")) for r in ranges]
        assert len(starts) == 2, "cut twice, gone on twice"
        assert 0 < starts[0] <= 700_000 < starts[1] <= 1_400_000
        asked = len(host.log)
        assert fetch(tmp_path, url=f"{host.url}/feats").complete == 3
        assert len(host.log) == asked, "a second run downloads nothing"
    assert (tmp_path / module.ARCHIVE).read_bytes() == body
    for name, data in members("").items():
        assert (tmp_path / name.lstrip("/")).read_bytes() == data


def test_a_cut_download_goes_on_in_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEATURES_BYTES", 10_000_000)
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    body = make_zip(members())
    host = Host(files={"/f": body}, cuts={"/f": [700_000]})
    with serve(host):
        with pytest.raises(DataError, match=r"What has come is kept.*--from FILE"):
            fetch(tmp_path, url=f"{host.url}/f")
        assert not (tmp_path / module.ARCHIVE).exists()
        assert fetch(tmp_path, url=f"{host.url}/f").complete == 3
        _, wanted = host.log[-1]
        assert wanted is not None
        assert 0 < int(wanted.removeprefix("bytes=").rstrip("-")) <= 700_000


@pytest.mark.parametrize("harm", ["absent", "refused", "page"])
def test_says_what_to_do_when_the_host_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    monkeypatch.setattr(module, "FEATURES_BYTES", 10_000_000)
    host = Host(files={"/page": b"<html>Too many users have viewed this file</html>" * 50})
    with serve(host):
        url = {"absent": f"{host.url}/f", "page": f"{host.url}/page", "refused": "http://127.0.0.1:9/f"}[harm]
        message = "not a whole zip or tar archive" if harm == "page" else r"--from FILE"
        with pytest.raises(DataError, match=message):
            fetch(tmp_path, url=url)
        assert len(host.log) <= 1, "a refusal is final"
    assert not list(tmp_path.rglob("*.npy"))
    assert not (tmp_path / module.CHECKSUM).exists(), "only what could be read is recorded"


def test_needs_space_before_it_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(Host(files={"/f": b""})) as host:
        usage = type("Usage", (), {"free": 5_000_000_000})
        monkeypatch.setattr(files.shutil, "disk_usage", lambda _: usage)
        with pytest.raises(DataError, match=r"needs 16\.1 GB, but only 5\.0 GB are free"):
            fetch(tmp_path, url=f"{host.url}/f")
        assert host.log == []


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_checksum_is_recorded_and_compared(tmp_path: Path, make: type) -> None:
    archive, out = tmp_path / "a.archive", tmp_path / "out"
    archive.write_bytes(make(members()))
    fetch(out, sources=[archive])
    assert '"recorded"' in (out / module.CHECKSUM).read_text()
    fetch(out, sources=[archive])
    content = members()
    content["feats/vggish/aaaaaaaaaaa.npy"] = array("vggish", 9)
    archive.write_bytes(make(content))
    with pytest.raises(DataError, match=r"at first use .*If the change is meant, choose another --out"):
        fetch(out, sources=[archive])
    for other in ("[]", '{"a.archive": {}}', '{"a.archive": 3}', "[" * 100_000, "no json"):
        (out / module.CHECKSUM).write_text(other)
        with pytest.raises(DataError, match=r"not a record of ours .*Move it elsewhere") as caught:
            fetch(out, sources=[archive])
        assert len(str(caught.value)) < 500


def test_features_that_came_in_several_archives(tmp_path: Path) -> None:
    """All at once, or one after the other; each is known by its name, and none stands in another's way."""
    content = list(members().items())
    parts = [tmp_path / f"feats-{number}.zip" for number in (1, 2)]
    for part, some in zip(parts, (content[:4], content[4:]), strict=True):
        part.write_bytes(make_zip(dict(some)))
    assert fetch(tmp_path / "together", sources=parts).complete == 3
    assert fetch(tmp_path / "in turn", sources=parts[:1]).complete < 3
    assert fetch(tmp_path / "in turn", sources=parts[1:]).missing == ()
    assert len(json.loads((tmp_path / "in turn" / module.CHECKSUM).read_text())) == 2


@pytest.mark.parametrize("name", ["feats.zip.001", "feats.z01", "feats.zip.aa", "feats.part2.rar"])
def test_a_part_of_an_archive_is_not_to_be_thrown_away(tmp_path: Path, name: str) -> None:
    whole = make_zip(members())
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        DataError, match=r"seems to be part (001|z01|aa|part2) of several: join them"
    ) as caught:
        fetch(tmp_path / "out", sources=[tmp_path / name])
    assert not re.search("remove|delete", str(caught.value), re.IGNORECASE)


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_an_output_that_cannot_be_written_is_no_fault_of_the_archives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: type
) -> None:
    archive, out = tmp_path / "a.archive", tmp_path / "out"
    archive.write_bytes(make(members()))
    really = os.replace

    def replace(source: Path, target: Path) -> None:
        if str(target).endswith(".npy"):
            raise PermissionError(errno.EACCES, "Permission denied")
        really(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(
        WriteError, match=r"\.npy: cannot be written \(Permission denied.*another folder"
    ) as caught:
        fetch(out, sources=[archive])
    assert "whole" not in str(caught.value)


def test_an_archive_that_cannot_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(make_tar(members()))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tarfile, "open", refuse)
    with pytest.raises(DataError, match=r"a\.tar: cannot be read \(Permission denied\)"):
        extract_features(archive, tmp_path / "out", progress=False)


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
    old, young = (out / "vggish" / f".aaaaaaaaaaa.npy-{age}{PART}" for age in ("killed", "living"))
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


# --- hostile archives -------------------------------------------------------------------------------

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
