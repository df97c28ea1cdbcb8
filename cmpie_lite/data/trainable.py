"""Can a split be trained on: is every feature a number, and has every class an example?"""

from __future__ import annotations

import torch

from cmpie_lite.data.store import CHUNK, FEATURES, Split
from cmpie_lite.errors import DataError
from cmpie_lite.labels import CLASSES, NUM_CLASSES


def check_finite(split: Split) -> None:
    """Raise `DataError` naming the first video with a NaN or an infinity. Reads every feature once."""
    for name in FEATURES:
        for start, rows in zip(range(0, len(split), CHUNK), getattr(split, name).split(CHUNK), strict=True):
            finite = torch.isfinite(rows).flatten(1).all(dim=1)
            if not finite.all():
                video = split.ids[start + int(finite.logical_not().nonzero()[0])]
                raise DataError(
                    f"{name} of video {video!r} is not finite. Repair its feature file and pack again."
                )


def check_trainable(split: Split) -> None:
    """Raise `DataError` unless every class has a training example and every feature is finite."""
    counts = split.weak.sum(dim=0).tolist()
    if not any(counts):
        raise DataError(f"None of the {len(split)} training videos has a weak label. Training needs them.")
    if missing := [name for name, count in zip(CLASSES, counts, strict=True) if count == 0]:
        raise DataError(
            f"{len(missing)} of {NUM_CLASSES} classes have no training example: {', '.join(missing)}. "
            "Train on a split in which every class occurs."
        )
    check_finite(split)
