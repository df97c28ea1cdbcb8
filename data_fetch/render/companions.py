"""What stands beside a clip for those who cannot hear, see or play it: captions and a poster."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from cmpie_lite.events import Event
from cmpie_lite.support.extras import need
from cmpie_lite.support.files import whole_file
from data_fetch.render.scenes import Scene

CAPTIONS: Final = ".vtt"
POSTER: Final = ".png"


def readable(label: str) -> str:
    """A class's name as a sentence has it.

    Example:
        >>> readable("Baby_cry_infant_cry")
        'baby cry infant cry'
    """
    return label.replace("_", " ").lower()


def heard_cue(event: Event) -> str:
    """What a caption says of an audible event."""
    return f"[{readable(event.label)}]"


def seen_cue(event: Event) -> str:
    """What a caption says of a visible event."""
    return f"({readable(event.label)} in view)"


def captions(scene: Scene) -> str:
    """The scene's events as WebVTT: one cue per event, in order of time; heard in brackets, seen in words."""
    heard = [(event, heard_cue(event)) for event in scene.audio]
    seen = [(event, seen_cue(event)) for event in scene.visual]
    cues = sorted(heard + seen, key=lambda cue: (cue[0].onset, cue[0].offset, cue[1]))
    return "\n\n".join(["WEBVTT", *(f"{_span(event)}\n{text}" for event, text in cues)]) + "\n"


def poster_time(scene: Scene) -> float:
    """The middle of the first second in which most is to be seen."""
    seconds = range(10)
    return 0.5 + max(seconds, key=lambda t: sum(e.onset <= t < e.offset for e in scene.visual))


def write_companions(clip: Path, scene: Scene, poster: np.ndarray) -> None:
    """Write a clip's captions and poster beside it, under its name with `.vtt` and `.png`."""
    need("PIL", "extract")
    from PIL import Image

    with whole_file(clip.with_suffix(CAPTIONS)) as temporary:
        temporary.write_text(captions(scene), encoding="utf-8")
    with whole_file(clip.with_suffix(POSTER)) as temporary:
        Image.fromarray(poster).save(temporary, format="png", optimize=True)


def _span(event: Event) -> str:
    return f"{_clock(event.onset)} --> {_clock(event.offset)}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02}:{seconds % 60:06.3f}"
