"""Hundreds of generated bad inputs for every reader: a clear error of ours each time, no partial file left.

Inputs are seeded mutations of good files: cut, overwritten, bits flipped, swapped stretches, other headers. A
mutation that leaves a file readable (a flipped bit of a pixel) must give a well-formed result instead.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cmpie_lite.data.annotations import read_annotations
from cmpie_lite.errors import DataError
from data_fetch.extract.recipe import ExtractionRecipe
from data_fetch.extract.results import is_done
from data_fetch.extract.videos import COLUMNS, extract_many
from data_fetch.fetch.archives import extract_features
from data_fetch.layout import LAYOUT, array_fault
from data_fetch.render.clips import render_set
from data_fetch.tables import read_rows, write_rows
from tests.video_files import numbered, tone, write_video

MUTATIONS = 8  # kinds, below
SEEDS = 10  # of each kind, for each sort of file


def mutate(data: bytes, kind: int, seed: int) -> bytes:
    """One of eight ways to break a file, at places that the seed chooses."""
    rng = np.random.default_rng([kind, seed])
    size, broken = len(data), bytearray(data)
    place = int(rng.integers(0, size))
    if kind == 0:  # cut off
        return data[:place]
    if kind == 1:  # the beginning is missing
        return data[max(place, 1) :]
    if kind == 2:  # a stretch of noise
        stretch = broken[place : place + size // 4]
        broken[place : place + len(stretch)] = rng.bytes(len(stretch))
    elif kind == 3:  # a stretch of zeros
        broken[place : place + size // 3] = bytes(len(broken[place : place + size // 3]))
    elif kind == 4:  # flipped bits
        for where in rng.integers(0, size, 40):
            broken[where] ^= 1 << int(rng.integers(0, 8))
    elif kind == 5:  # noise from the start
        return rng.bytes(int(rng.integers(1, 4000)))
    elif kind == 6:  # the header of something else
        header = [
            b"PK\x03\x04",
            b"\x93NUMPY\x01\x00",
            b"RIFF\x00\x00\x00\x00AVI ",
            b"\x1f\x8b\x08\x00",
            b"GIF89a",
        ]
        head = header[seed % len(header)]
        broken[: len(head)] = head
        return bytes(broken[: size // 2])
    else:  # damaged where formats keep their lengths
        for where in rng.integers(0, min(size, 64), 8):
            broken[where] = int(rng.integers(0, 256))
    return bytes(broken)


def cases(data: bytes, seeds: int = SEEDS) -> Iterator[tuple[int, int, bytes]]:
    for kind in range(MUTATIONS):
        for seed in range(seeds):
            yield kind, seed, mutate(data, kind, seed)


def outcome(action: Callable[[], object]) -> bool:
    """Whether the action was refused; anything but a `DataError` with words in it fails the test."""
    try:
        action()
    except DataError as error:
        message = str(error)
    else:
        return False
    assert len(message) > 10
    assert "Traceback" not in message
    return True


def good_npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.random.default_rng(0).random(LAYOUT["vggish"], np.float32))
    return buffer.getvalue()


def test_npy_reader(tmp_path: Path) -> None:
    path, faults = tmp_path / "a.npy", 0
    for kind, seed, data in cases(good_npy()):
        path.write_bytes(data)
        fault = array_fault(path, "vggish")
        faults += fault is not None
        if fault is None:
            assert np.load(path, allow_pickle=False).shape == LAYOUT["vggish"], (kind, seed)
    assert faults >= 50


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz"])
def test_archive_reader(tmp_path: Path, form: str) -> None:
    buffer = io.BytesIO()
    content = {f"feats/vggish/{letter * 11}.npy": good_npy() for letter in "abc"}
    if form == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, data in content.items():
                bundle.writestr(name, data)
    else:
        with tarfile.open(fileobj=buffer, mode="w" if form == "tar" else "w:gz") as tape:
            for name, data in content.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tape.addfile(info, io.BytesIO(data))
    archive, refused = tmp_path / "a.archive", 0
    for kind, seed, data in cases(buffer.getvalue()):
        archive.write_bytes(data)
        out = tmp_path / f"{kind}-{seed}"
        refused += outcome(lambda out=out: extract_features(archive, out, progress=False))  # type: ignore[misc]
        for path in out.rglob("*"):
            if path.is_file():
                assert path.relative_to(out).parts[0] == "vggish"
                assert array_fault(path, "vggish") is None, "whole and sound, or not there"
    assert refused >= 40
    assert {p.name.split("-")[0] for p in tmp_path.iterdir()} <= {"a.archive", *map(str, range(MUTATIONS))}


@pytest.mark.parametrize("container", ["a.mp4", "a.mkv", "a.avi"])
def test_video_reader(tmp_path: Path, container: str) -> None:
    """Through the whole extractor: a manifest's line for each file, arrays whole or absent."""
    frames = [numbered(i, 16) for i in range(16)]
    codec = "mpeg4" if container.endswith("avi") else "libx264"
    sound_codec = {"a.mp4": "aac", "a.mkv": "flac", "a.avi": "pcm_s16le"}[container]
    source = write_video(
        *(tmp_path / container, frames, 8.0),
        **{"sound": tone(2.0), "codec": codec, "sound_codec": sound_codec},
    )
    good, out = source.read_bytes(), tmp_path / "feats"
    videos = []
    for kind, seed, data in cases(good, 5):
        videos.append(tmp_path / f"{kind}-{seed}{source.suffix}")
        videos[-1].write_bytes(data)
    recipe = ExtractionRecipe(weights="tiny", threads=1)
    assert extract_many([source], out, recipe, workers=0, progress=False)[0]["status"] == "ok"
    rows = extract_many(videos, out, recipe, workers=0, progress=False)
    assert len(rows) == 40
    for row, path in zip(rows, videos, strict=True):
        assert row["status"] in ("ok", "refused"), row
        assert is_done(out, path.stem) == (row["status"] == "ok")
        assert row["status"] == "ok" or str(path) in row["notes"]
    assert sum(row["status"] == "refused" for row in rows) >= 15
    done = {row["id"] for row in rows if row["status"] == "ok"} | {source.stem}
    assert {p.stem for p in out.rglob("*.npy")} == done
    assert not [p for p in out.rglob("*") if p.name.startswith(".")], "no temporary file"


def test_annotation_reader(tmp_path: Path) -> None:
    """Every file in turn, by bytes and by rows; what is read is well-formed."""
    render_set(tmp_path / "set", {"train": 2, "val": 2, "test": 2}, size=16, fps=4.0, progress=False)
    folder, refused = tmp_path / "set" / "annotations", 0
    rows = [
        "x",
        "\t",
        "a\tb\tc\td\te",
        "render00000_0_10\t9\t3\tDog",
        "render60000_0_10\t0\t11\tDog",
        "\x00\x01",
    ]
    rows += [
        "render60000_0_10\tSpeech,Dinosaur",
        "render60000_0_10\tnan\t3\tDog",
        "../../etc\tSpeech",
        "é\tSpeech",
    ]
    for path in sorted(folder.glob("*.csv")):
        good = path.read_bytes()
        broken = [data for _, _, data in cases(good, 2)] + [good + f"{row}\n".encode() for row in rows]
        for data in broken:
            path.write_bytes(data)
            if not outcome(lambda: read_annotations(folder)):
                labels = read_annotations(folder)
                assert labels.train.weak.shape == (len(labels.train.ids), 25)
            else:
                refused += 1
        path.write_bytes(good)
    assert refused >= 60


def test_manifest_reader(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    write_rows(path, COLUMNS, [{"id": f"v{i}", "status": "ok", "notes": 'a, "b"\nc'} for i in range(20)])
    assert len(read_rows(path, COLUMNS)) == 20
    good, refused = path.read_bytes(), 0
    for _, _, data in cases(good):
        path.write_bytes(data)
        refused += outcome(lambda: read_rows(path, COLUMNS))
    assert refused >= 30
