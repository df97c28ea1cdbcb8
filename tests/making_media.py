"""What tests of clips and features need: the tiny recipe, and what stands in a picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

from cmpie_lite.labels import CLASSES
from data_fetch.extract.recipe import ExtractionRecipe
from data_fetch.render.pictograms import card
from data_fetch.render.scenes import GROUND

TINY = ExtractionRecipe(weights="tiny", threads=1)


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
