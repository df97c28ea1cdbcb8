"""The features archive: resumed, recorded, compared; errors say whose fault they are."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from cmpie_lite.errors import DataError, WriteError
from data_fetch import tables as files
from data_fetch.fetch import features as module
from data_fetch.fetch.archives import extract_features
from tests.fetch_server import Host, serve
from tests.making import ROOT, readable
from tests.making_archives import array, fetch, make_tar, make_zip, members


def test_downloads_with_resume_and_follows_redirects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private: None
) -> None:
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
    assert readable(tmp_path) == []


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


KILLED = """
import os, signal, sys
from pathlib import Path
import requests
from data_fetch.fetch import features
from tests.making_archives import fetch

really = requests.Response.iter_content

def some(self, chunk_size):
    for number, piece in enumerate(really(self, chunk_size)):
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        yield piece

requests.Response.iter_content = some
features.FEATURES_BYTES = 10_000_000
fetch(Path(sys.argv[1]), url=sys.argv[2])
"""


def test_a_killed_download_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed with its first piece on the disk: the next run asks for the rest, and leaves no part behind."""
    monkeypatch.setattr(module, "FEATURES_BYTES", 10_000_000)
    body = make_zip(members())
    with serve(Host(files={"/f": body})) as host:
        words = [sys.executable, "-c", KILLED, str(tmp_path), f"{host.url}/f"]
        assert subprocess.run(words, cwd=ROOT, check=False).returncode == -signal.SIGKILL
        assert not (tmp_path / module.ARCHIVE).exists()
        assert fetch(tmp_path, url=f"{host.url}/f").complete == 3
        _, wanted = host.log[-1]
    assert wanted is not None
    assert int(wanted.removeprefix("bytes=").rstrip("-")) > 0
    assert (tmp_path / module.ARCHIVE).read_bytes() == body
    assert not list(tmp_path.rglob("*.part"))


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
