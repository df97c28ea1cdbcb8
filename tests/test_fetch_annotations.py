"""Annotations over HTTP: pinned, checked, resumed; a local host stands in for the authors' repository."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cmpie_lite.errors import DataError, WriteError
from data_fetch.__main__ import main
from data_fetch.fetch import annotations as module
from data_fetch.fetch.annotations import fetch_annotations
from data_fetch.sources import ANNOTATION_FILES, AUDIO_2020, AUDIO_2024, COMMIT_2020, COMMIT_2024
from tests.fetch_server import Host, serve
from tests.making import readable


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host with seven small files under the pinned paths; their checksums stand for the real."""
    bodies = {name: f"filename\tevent_labels\n{name}\n".encode() for name in ANNOTATION_FILES}
    pinned = {
        name: (remote, hashlib.sha256(bodies[name]).hexdigest())
        for name, (remote, _) in ANNOTATION_FILES.items()
    }
    monkeypatch.setattr(module, "ANNOTATION_FILES", pinned)
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)
    return Host(files={f"/{remote}": bodies[name] for name, (remote, _) in pinned.items()})


def test_pins_are_full_commits_and_sums() -> None:
    assert len(ANNOTATION_FILES) == 7
    for name, (remote, sum_) in ANNOTATION_FILES.items():
        commit, folder, file = remote.split("/")
        assert commit == (COMMIT_2020 if name == AUDIO_2020 else COMMIT_2024)
        assert len(commit) == 40
        assert folder == "data"
        assert file.startswith("AVVP_")
        assert len(bytes.fromhex(sum_)) == 32


@pytest.mark.shared
def test_pinned_sums_are_those_of_the_real_files(shared: Path) -> None:
    for name, (_, sum_) in ANNOTATION_FILES.items():
        assert hashlib.sha256((shared / "llp" / name).read_bytes()).hexdigest() == sum_, name


@pytest.mark.parametrize(
    ("version", "absent"), [("both", set()), ("2020", {AUDIO_2024}), ("2024", {AUDIO_2020})]
)
def test_downloads_once(host: Host, tmp_path: Path, version: str, absent: set[str], private: None) -> None:
    with serve(host):
        paths = fetch_annotations(tmp_path, version, host.url)
        assert {path.name for path in paths} == set(ANNOTATION_FILES) - absent == set(_names(tmp_path))
        asked = len(host.log)
        fetch_annotations(tmp_path, version, host.url)
        assert len(host.log) == asked == len(paths), "a second run asks for nothing"
    assert readable(tmp_path) == []


def test_resumes_after_a_cut_and_puts_another_file_aside(
    host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "AVVP_train.csv").write_bytes(b"corrected by hand")
    path = f"/{COMMIT_2024}/data/AVVP_val_pd.csv"
    host.cuts[path] = [5]
    with serve(host):
        fetch_annotations(tmp_path, base_url=host.url)
    assert [p for p, _ in host.log].count(path) == 2
    for name, (remote, _) in module.ANNOTATION_FILES.items():
        assert (tmp_path / name).read_bytes() == host.files[f"/{remote}"]
    (aside,) = tmp_path.glob("AVVP_train.csv.*")
    assert aside.read_bytes() == b"corrected by hand"
    assert f"AVVP_train.csv is not the published file: it is kept as {aside.name}" in capsys.readouterr().err


def test_follows_redirects_and_outlives_one_server_error(host: Host, tmp_path: Path) -> None:
    path = f"/{COMMIT_2024}/data/AVVP_train.csv"
    host.files["/moved"] = host.files.pop(path)
    host.redirects[path] = "/moved"
    host.failures["/moved"] = [503]
    with serve(host):
        fetch_annotations(tmp_path, base_url=host.url)
    assert (tmp_path / "AVVP_train.csv").read_bytes() == host.files["/moved"]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ("absent", "answered 404"),
        ("other", "another sha256"),
        ("truncated", "connection failed|another sha256"),
        ("refused", "connection failed"),
    ],
)
def test_refuses_clearly_and_leaves_no_partial_file(
    host: Host, tmp_path: Path, harm: str, message: str
) -> None:
    path = f"/{COMMIT_2024}/data/AVVP_train.csv"
    if harm == "absent":
        del host.files[path]
    elif harm == "other":
        host.files[path] += b"more\n"
    elif harm == "truncated":
        host.cuts[path] = [3, 3, 3]
    with serve(host):
        url = "http://127.0.0.1:9" if harm == "refused" else host.url
        with pytest.raises(DataError, match=message):
            fetch_annotations(tmp_path, base_url=url)
    assert "AVVP_train.csv" not in _names(tmp_path)
    assert all(name in ANNOTATION_FILES for name in _names(tmp_path)), "whole files only"


def test_refuses_an_unknown_version_and_a_folder_that_is_a_file(host: Host, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected one of 2020, 2024, both"):
        fetch_annotations(tmp_path, "2021")
    (tmp_path / "file").write_text("")
    with serve(host), pytest.raises(WriteError, match="cannot be written"):
        fetch_annotations(tmp_path / "file", base_url=host.url)


@pytest.mark.shared
def test_command_line_fetches_the_real_files_and_audits_them(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shared / "llp"
    real = {f"/{remote}": (folder / name).read_bytes() for name, (remote, _) in ANNOTATION_FILES.items()}
    with serve(Host(files=real)) as host:
        assert main(["annotations", "--out", str(tmp_path), "--base-url", host.url]) == 0
    printed = capsys.readouterr().out
    for version in ("2020", "2024"):
        assert f"version {version}" in printed
    rows = [line.split() for line in printed.splitlines()]
    for split, videos in (("train", "10000"), ("val", "649"), ("test", "1200")):
        assert [split, "videos", videos] in rows
    assert main(["annotations", "--out", str(tmp_path / "x"), "--base-url", "http://127.0.0.1:9"]) == 2
    assert capsys.readouterr().err.startswith("error: http://127.0.0.1:9/")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
