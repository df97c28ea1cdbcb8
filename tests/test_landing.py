"""The first page's clip: what is committed is what the script makes, small, and true to its tracks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from book.tools.make_landing import FOLDER, NAMES, SCENE, facts, main
from cmpie_lite.labels import NUM_SEGMENTS
from data_fetch.extract.decode import read_frames, read_waveform
from data_fetch.render.companions import captions
from tests.making_media import seen_in


def committed() -> dict:
    text = (FOLDER / "clip.js").read_text()
    return json.loads(text.removeprefix("window.landingClip = ").removesuffix(";\n"))


def test_the_page_knows_what_the_script_makes(tmp_path: Path) -> None:
    assert committed() == facts()
    assert (FOLDER / "clip.vtt").read_text() == captions(SCENE)
    main(tmp_path / "a")
    main(tmp_path / "b")
    names = sorted(p.name for p in FOLDER.iterdir())
    assert names == ["clip.js", "clip.mp4", "clip.png", "clip.vtt"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_the_clip_is_small_and_shows_what_its_tracks_say() -> None:
    assert sum(p.stat().st_size for p in FOLDER.iterdir()) < 300_000
    clip, names = committed(), {name: label for label, name in NAMES.items()}
    pictures = [np.asarray(image) for _, image in read_frames(FOLDER / "clip.mp4")]
    for t in range(NUM_SEGMENTS):
        seen = {names[name] for name, track in clip["seen"].items() if track[t] == "1"}
        assert seen_in(pictures[8 * t + 4]) == seen, t
    waveform = read_waveform(FOLDER / "clip.mp4")
    assert waveform is not None
    loudest = np.abs(waveform).reshape(len(clip["peaks"]), -1).max(axis=1)
    assert np.corrcoef(loudest, clip["peaks"])[0, 1] > 0.95
