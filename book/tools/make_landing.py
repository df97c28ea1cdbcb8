"""The clip of the first page: drawn, played and written to `book/_static/landing`, the same bytes each time.

    python -m book.tools.make_landing

A dog barks off screen, runs into view, and barks again. A guitar plays throughout, and is seen at the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

from book.tools.project import ROOT
from cmpie_lite.events import Event
from cmpie_lite.labels import NUM_SEGMENTS
from data_fetch.render.clips import render_clip
from data_fetch.render.companions import heard_cue, seen_cue
from data_fetch.render.pictures import play
from data_fetch.render.scenes import Scene

FOLDER: Final = ROOT / "book" / "_static" / "landing"
SIZE: Final = 320  # pixels
BARS: Final = 100  # of the waveform
NAMES: Final = {"Dog": "dog", "Acoustic_guitar": "guitar"}
SCENE: Final = Scene(
    audio=(Event(0.0, 10.0, "Acoustic_guitar"), Event(1.0, 4.0, "Dog"), Event(7.0, 9.0, "Dog")),
    visual=(Event(3.0, 8.0, "Dog"), Event(7.0, 10.0, "Acoustic_guitar")),
)


def tracks(events: Iterable[Event]) -> dict[str, str]:
    """A digit per second for each class: 1 where it is active."""
    found = list(events)
    return {
        name: "".join(
            str(int(any(e.label == label and e.onset <= t < e.offset for e in found)))
            for t in range(NUM_SEGMENTS)
        )
        for label, name in NAMES.items()
    }


def peaks() -> list[int]:
    """The loudest sample of each tenth of a second, 0 to 100."""
    samples = np.abs(play(SCENE, NUM_SEGMENTS)).reshape(BARS, -1).max(axis=1)
    return [round(float(p)) for p in 100 * samples / samples.max()]


def facts() -> dict[str, Any]:
    """What the page knows of the clip."""
    cues = [[e.onset, e.offset, heard_cue(e)] for e in SCENE.audio]
    cues += [[e.onset, e.offset, seen_cue(e)] for e in SCENE.visual]
    return {
        "title": "A ten-second clip: drawn pictures and synthesised sounds of a dog and a guitar",
        "size": SIZE,
        "ask": "The label of this clip says only: dog, guitar. Play it, paint the seconds in which each is "
        "heard and seen, then have the truth shown. The captions give it away.",
        "tell": "The dog is heard before it is seen, and the guitar long before it: that is the task.",
        "peaks": peaks(),
        "cues": sorted(cues),
        "heard": tracks(SCENE.audio),
        "seen": tracks(SCENE.visual),
    }


def main(folder: Path = FOLDER) -> None:
    """Write the clip, its poster and captions, and what the page knows of it."""
    render_clip(folder / "clip.mp4", SCENE, size=SIZE, fps=12.0)
    text = f"window.landingClip = {json.dumps(facts(), indent=1)};\n"
    (folder / "clip.js").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
