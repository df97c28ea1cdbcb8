"""The command line of `data_fetch`: status 2 and one line for a reader's mistake, 1 for what is missing."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cmpie_lite import __main__ as train_and_parse
from data_fetch import __main__ as fetch_and_pack
from data_fetch import label_statistics as statistics
from data_fetch.__main__ import main
from data_fetch.extract import videos as batch
from data_fetch.layout import LAYOUT
from tests.making import some_store, split_file, write_store


def broken_zip() -> bytes:
    """A zip archive whose end is whole and whose directory is not."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr("vggish/aaaaaaaaaaa.npy", b"x")
    return buffer.getvalue().replace(b"PK\x01\x02", b"PK\x00\x00")


def fails(command: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must end with one line on stderr and exit status 2; return the line."""
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("render --seed -1 --out OUT", "seed = -1"),
        ("extract VIDEOS --out OUT --weights tiny --batch-size 0", "batch_size = 0"),
        ("extract VIDEOS --out OUT --weights tiny --seed -1", "seed = -1"),
        ("extract VIDEOS --out OUT --weights tiny --workers -1", "workers = -1, expected 0 (this process)"),
        ("videos --ids BjCEufrlXm4_20_30 --out OUT --sleep -1", "sleep = -1"),
        ("videos --ids BjCEufrlXm4_20_30 --out OUT --sleep 1e18", "seconds >= 0 and <= 86400"),
        ("render --out OUT --size 100000", "an even size of 16 to 4096 pixels"),
        ("extract VIDEOS --out OUT --weights tiny --device hpu --precision bfloat16", "device = 'hpu'"),
        ("extract VIDEOS --out OUT --weights tiny --device cuda:77", "'cuda:77' cannot be used"),
        ("features --from BROKEN --out OUT", "not a whole zip or tar archive"),
        ("extract BINARY --out OUT --weights tiny --workers 0", "Expected one line of text"),
        (
            "extract VIDEOS --out BROKEN/feats --weights tiny --workers 0",
            "a file or a pipe, expected a folder",
        ),
    ],
)
def test_what_cannot_be_is_one_line(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, message: str
) -> None:
    (tmp_path / "broken.zip").write_bytes(broken_zip())
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "a.mp4").touch()
    (tmp_path / "binary" / "source.txt").write_bytes(b"\xff")
    names = {"VIDEOS": "videos", "BROKEN": "broken.zip", "OUT": "out", "BINARY": "binary"}
    for word, name in names.items():
        command = command.replace(word, str(tmp_path / name))
    assert message in fails(command.split(), capsys)
    assert not (tmp_path / "out").exists(), "it is said before anything is done"


@pytest.mark.parametrize(
    ("package", "command", "extra"),
    [
        ("pooch", "annotations --out OUT", "fetch"),
        ("gdown", "features --out OUT", "fetch"),
        ("av", "extract VIDEOS --out OUT --weights tiny --workers 0", "extract"),
        ("av", "extract VIDEOS --out OUT --weights tiny --workers 2", "extract"),
        ("distributed", "extract VIDEOS --out OUT --weights tiny --workers 2", "extract"),
        ("av", "render --out OUT", "extract"),
        ("yt_dlp", "videos --ids BjCEufrlXm4_20_30 --out OUT", "videos"),
        ("av", "videos --ids BjCEufrlXm4_20_30 --out OUT", "extract"),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_extra(
    videos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    command: str,
    extra: str,
) -> None:
    monkeypatch.setattr("data_fetch.fetch.features.FEATURES_BYTES", 1)
    monkeypatch.setitem(sys.modules, package, None)
    command = command.replace("VIDEOS", str(videos)).replace("OUT", str(tmp_path / "out"))
    error = fails(command.split(), capsys)
    assert f"error: {package} cannot be imported" in error
    assert f"pip install -e '.[{extra}]'" in error
    assert not list(tmp_path.rglob("*.csv")), "no video is blamed"


@pytest.mark.parametrize("module", [statistics, train_and_parse, fetch_and_pack], ids=lambda m: m.__name__)
def test_help_needs_no_docstrings(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python has none with -OO, or PYTHONOPTIMIZE=2."""
    monkeypatch.setattr(module, "__doc__", None)
    with pytest.raises(SystemExit, match=r"^0$"):
        module.main(["--help"])
    assert capsys.readouterr().out.startswith("usage: python -m")


def test_statistics_of_no_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        statistics.main([str(tmp_path / "nope"), "--out", str(tmp_path / "out.json")])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / 'nope'} lacks AVVP_train.csv")
    assert error.count("\n") == 1


def test_missing_arrays_are_exit_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, shape in LAYOUT.items():
        (tmp_path / kind).mkdir()
        np.save(tmp_path / kind / "aaaaaaaaaaa.npy", np.zeros(shape, np.float32))
    check = ["features", "--from", str(tmp_path)]
    assert main(check) == 0
    (tmp_path / "res152" / "aaaaaaaaaaa.npy").unlink()
    assert main(check) == 1
    assert "1 arrays of 1 videos are missing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ids", "found"),
    [
        ([], ["-3M-k4nIYIM", "BjCEufrlXm4_20_30", "my.clip", "render00000", "render00000b"]),
        (["render00000"], ["render00000"]),
        (["render00000_0_10", "my.clip"], ["my.clip", "render00000"]),
        (["BjCEufrlXm4"], ["BjCEufrlXm4_20_30"]),
        (["BjCEufrlXm4_20_30"], ["BjCEufrlXm4_20_30"]),
        (["-3M-k4nIYIM_30_40"], ["-3M-k4nIYIM"]),
        (["-3M-k4nIYIM_30_40", "my.clip"], ["-3M-k4nIYIM", "my.clip"]),
    ],
)
def test_ids_choose_among_the_videos_of_a_folder(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ids: list[str], found: list[str]
) -> None:
    """A file given by name is taken whatever its id."""
    named, taken = tmp_path / "named.mp4", []

    def extract_many(paths: list[Path], *_: object, **__: object) -> list[dict[str, str]]:
        taken.extend(paths)
        return []

    monkeypatch.setattr(batch, "extract_many", extract_many)
    given = ["extract", str(videos), str(named), "--out", str(tmp_path / "out"), "--weights", "tiny"]
    assert main([*given, "--ids", *ids]) == 0
    assert taken == [*(videos / f"{name}.mp4" for name in found), named]


def test_words_that_begin_with_a_dash(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """151 ids of LLP do: as ids, and as files that a shell lists by `*.mp4`. Options stay options."""
    taken: list[Path] = []
    monkeypatch.setattr(batch, "extract_many", lambda paths, *_, **__: taken.extend(paths) or [])
    monkeypatch.chdir(videos)
    (videos / "--workers").touch()
    extract = ["extract", "-3M-k4nIYIM.mp4", "my.clip.mp4", "--out", str(tmp_path / "out"), "--workers", "0"]
    assert main(extract) == 0
    assert [path.name for path in taken] == ["-3M-k4nIYIM.mp4", "my.clip.mp4"]
    asked: list[str] = []
    monkeypatch.setattr("data_fetch.fetch.videos.fetch_videos", lambda ids, *_, **__: asked.extend(ids) or [])
    ids = ["-3M-k4nIYIM_30_40", "BjCEufrlXm4_20_30", "--bsaM1GPQo_30_40"]
    assert main(["videos", "--ids", *ids, "--sleep", "1"]) == 0
    assert asked == ids
    with pytest.raises(SystemExit):
        main(["videos", "--ids", "-3M-k4nIYIM", "--nonsense"])
    assert "unrecognized arguments" in capsys.readouterr().err


def test_nothing_is_left_out_silently(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every usual suffix is taken, in any case; what is left out is said, and which ids are not there."""
    taken: list[Path] = []

    def extract_many(paths: list[Path], *_: object, **__: object) -> list[dict[str, str]]:
        taken.extend(paths)
        return [{"id": path.stem, "status": "ok", "notes": ""} for path in paths]

    monkeypatch.setattr(batch, "extract_many", extract_many)
    for name in ("camera.MTS", "old.wmv", "disc.VOB", "phone.3gp", "notes.txt", "red \x1b[31m.doc"):
        (videos / name).touch()
    (videos / "more").mkdir()
    (videos / "folder.mp4").mkdir()
    words = ["extract", str(videos), "--out", str(tmp_path / "out"), "--weights", "tiny"]
    assert main(words) == 0
    assert {"camera.MTS", "old.wmv", "disc.VOB", "phone.3gp"} <= {path.name for path in taken}
    printed = capsys.readouterr().out
    assert r"left out folder.mp4, more, notes.txt, red \x1b[31m.doc (not named as videos are)" in printed
    assert "\x1b" not in printed
    assert "another process" not in printed
    assert main([*words, "--ids", "my.clip", "absent"]) == 1
    printed = capsys.readouterr().out
    assert "1 not found, 1 ok" in printed
    assert "absent: no video of this id is there" in printed


def test_errors_do_not_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert r"\x1b[2J lacks AVVP_train.csv" in fails(
        ["pack", "x", "--annotations", f"{tmp_path}/\x1b[2J"], capsys
    )
    assert r"\udcff" in fails(["pack", "x", "--annotations", f"{tmp_path}/\udcff"], capsys)
    with pytest.raises(SystemExit):
        main(["verify", "x", "--\x1b[2J" + "y" * 10_000])
    error = capsys.readouterr().err
    assert r"--\x1b[2J" in error
    assert len(error) < 1000


def test_verify_reads_a_store_and_compares_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = some_store()
    write_store(tmp_path, store)
    assert main(["verify", str(tmp_path)]) == 0
    counts = ", ".join(f"{len(split)} {name}" for name, split in store.splits.items())
    expected = f"{store.source}, {counts} videos, whole, digest {store.digest}"
    assert expected in capsys.readouterr().out
    path = split_file(tmp_path, "val")
    content = bytearray(path.read_bytes())
    content[-400] ^= 1  # equal length, and a label that may well be one
    path.write_bytes(content)
    assert f"{path.name} has sha256" in fails(["verify", str(tmp_path)], capsys)
    assert "there is no store.json" in fails(["verify", str(tmp_path / "nowhere")], capsys)
