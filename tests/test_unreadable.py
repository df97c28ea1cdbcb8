"""Files and folders that the system does not let be read: each is said to be so, and nothing else of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cmpie_lite.data.annotations import Annotations
from cmpie_lite.errors import ReadError
from data_fetch.__main__ import main
from data_fetch.extract.results import feature_paths
from data_fetch.extract.video import read_clip
from data_fetch.pack.store import pack
from tests.making import files_of
from tests.making_packs import all_ids, file_of, write_layout
from tests.video_files import numbered, tone, write_video

NOBODY = 65_534


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that anybody may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """A file or folder that even this process may not read, though it be the administrator's."""
    mode, me = path.stat().st_mode, os.geteuid()
    top = next(above for above in path.parents if above.parent == Path(tempfile.gettempdir()))
    for root, _, names in os.walk(top) if me == 0 else ():
        for name in (root, *(os.path.join(root, one) for one in names)):
            os.chown(name, NOBODY, -1)
    path.chmod(0)
    if me == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(me)
        path.chmod(mode)


@pytest.fixture
def extracted(place: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The command that has extracted two clips of a second and a half."""
    for name in ("first", "second"):
        path = place / "clips" / f"{name}.mkv"
        path.parent.mkdir(exist_ok=True)
        write_video(path, [numbered(len(name))] * 15, 10.0, sound=tone(1.5, 100.0 * len(name)))
    words = [
        "extract",
        str(place / "clips"),
        "--out",
        str(place / "out"),
        "--weights",
        "tiny",
        "--workers",
        "0",
    ]
    assert main(words) == 0
    capsys.readouterr()
    return words


@pytest.mark.parametrize("name", ["clips/first.mkv", "out/vggish/first.npy", "out/made_of/first.txt"])
def test_a_file_of_one_video_costs_that_video_alone(
    extracted: list[str], place: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    before = files_of(place / "out")
    with unreadable(place / name):
        assert main(extracted) == 1
        if name.startswith("clips"):
            with pytest.raises(ReadError, match=r"cannot be read \(Permission denied\)"):
                read_clip(place / name)
    said = capsys.readouterr().out
    assert "1 failed, 1 ok" in said
    assert f"{place / name} cannot be read (Permission denied); nothing is known of its content" in said
    after = files_of(place / "out")
    assert {n: x for n, x in after.items() if n != "manifest.csv"} == {
        n: x for n, x in before.items() if n != "manifest.csv"
    }, "what cannot be read is not made anew"
    assert main(extracted) == 0
    assert files_of(place / "out") == before


@pytest.mark.parametrize("name", ["clips", "out/manifest.csv", "out/source.txt", "out/vggish"])
def test_what_all_videos_need_is_one_line(
    extracted: list[str], place: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """An unreadable folder is not an empty one."""
    with unreadable(place / name):
        assert main(extracted) == 2
    said = capsys.readouterr().err
    assert f"error: {place / name}" in said
    assert "Permission denied" in said
    assert said.count("\n") == 1
    assert feature_paths(place / "out", "first")["vggish"].is_file()


def test_a_feature_that_cannot_be_read_is_not_left_out(place: Path, annotations: Annotations) -> None:
    feats = write_layout(place / "feats", all_ids(annotations))
    video = annotations.train.ids[0]
    pack(feats, annotations, place / "store", progress=False)
    with (
        unreadable(file_of(feats, video, "vggish")),
        pytest.raises(ReadError, match=r"cannot be read \(Permission denied\)"),
    ):
        pack(feats, annotations, place / "store", on_missing="skip", progress=False)
