"""The first page's clip: what is committed is what the script makes, small, and true to its tracks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from book.tools.browser import Browser, find_chromium
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


def test_what_is_said_of_the_readers_cells_is_true_of_them(tmp_path: Path) -> None:
    """Also after the truth is shown: painting on changes what is said, starting again takes it back."""
    try:
        find_chromium()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    page = tmp_path / "page.html"
    page.write_text(
        '<!doctype html><meta charset="utf8"><div id="landing-clip"></div>'
        f'<script src="{(FOLDER.parent / "landing.js").as_uri()}"></script>'
    )
    with Browser() as browser:
        browser.open(page.as_uri(), 1280, "light")
        assert browser.becomes("document.querySelector('#landing-clip').dataset.drawn === 'yes'")
        said = "document.querySelector('#landing-clip .said').textContent"
        asked = browser.evaluate(said)
        tracks = [track for kind in ("heard", "seen") for track in committed()[kind].values()]
        empty, first = "".join(tracks).count("0"), int(tracks[0][0])
        right = [f"{count} of your 40" for count in (empty, empty + (1 if first else -1))]
        steps = [(".second", asked), (".show", right[1]), (".second", right[0])]
        for css, expected in (*steps, (".buttons button:last-child", asked), (".second", asked)):
            browser.evaluate(f"document.querySelector('#landing-clip {css}').focus()")
            browser.press("Enter")
            assert expected in browser.evaluate(said), css
