"""What tests of clips and features need: the tiny recipe, rendered clips, and what stands in a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from cmpie_lite.data.annotations import read_annotations
from cmpie_lite.labels import CLASS_INDEX, CLASSES
from data_fetch.extract.decode import read_frames, read_waveform
from data_fetch.extract.recipe import ExtractionRecipe
from data_fetch.render.pictograms import card
from data_fetch.render.pictures import GROUND
from data_fetch.render.scenes import Scene

TINY = ExtractionRecipe(weights="tiny", threads=1)


class Rendered(NamedTuple):
    """A clip of a rendered set: what was drawn, its decoded file, and its labels."""

    video: str
    scene: Scene
    pictures: np.ndarray  # uint8 (80, H, W, 3)
    waveform: np.ndarray
    dense: tuple[np.ndarray, np.ndarray] | None  # audio and visual, (T, C); None in training


def rendered(folder: Path, scenes: Mapping[str, Scene], counts: Mapping[str, int]) -> Iterator[Rendered]:
    """The clips of a set; its annotations are read, and hold the splits, weak labels and nothing else."""
    labels = read_annotations(folder / "annotations")
    assert labels.faults == ()
    for name in ("train", "val", "test"):
        split = getattr(labels, name)
        assert len(split.ids) == counts[name]
        assert (split.dense_audio is None) == (name == "train")
        for i, video in enumerate(split.ids):
            scene, path = scenes[video], folder / "videos" / f"{video[:11]}.mp4"
            union = sorted({CLASS_INDEX[e.label] for e in scene.audio + scene.visual})
            assert np.flatnonzero(split.weak[i]).tolist() == union
            waveform = read_waveform(path)
            assert waveform is not None
            pictures = np.stack([np.asarray(image) for _, image in read_frames(path)])
            dense = None if name == "train" else (split.dense_audio[i], split.dense_visual[i])
            yield Rendered(video, scene, pictures, waveform, dense)


def seen_in(picture: np.ndarray) -> set[str]:
    """The classes whose card is the nearest to what stands in a quarter of the picture."""
    half, found = len(picture) // 2, set()
    for top, left in ((0, 0), (0, half), (half, 0), (half, half)):
        quarter = picture[top : top + half, left : left + half]
        rows, columns = np.nonzero(np.abs(quarter.astype(int) - GROUND).max(axis=2) > 45)
        if len(rows) < 0.1 * half * half:
            continue
        box = tuple(int(v) for v in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
        cut = np.asarray(Image.fromarray(quarter).crop(box).resize((24, 24)), float)
        inner = slice(3, 21)  # corners are round, edges soft
        apart = {c: np.abs(cut - card(c, 24)[..., :3])[inner, inner].mean() for c in CLASSES}
        found.add(min(apart, key=lambda label: apart[label]))
    return found
