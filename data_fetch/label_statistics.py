"""Aggregated label statistics of LLP, from which LLP-sim draws its labels.

    python -m data_fetch.label_statistics ANNOTATION_DIR [--out cmpie_lite/data/llp_statistics.json]

Only counts leave this script: no video, id or row of the annotations. Weak statistics come from the train
split and, apart from it, from val + test (whose videos carry more labels each); timing comes from the
dense annotations of val + test. A *full* event roll is positive in all ten segments; an *identical* pair of
rolls is the same in both modalities. Histograms of runs, durations and onsets leave full rolls out; those of
`audio` and `visual` also leave out identical ones, which have their own.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import cmpie_lite.support.start  # noqa: F401 - first: before torch is loaded
from cmpie_lite.data.annotations import read_annotations
from cmpie_lite.events import runs
from cmpie_lite.labels import CLASSES, NUM_CLASSES, NUM_SEGMENTS
from cmpie_lite.support.streams import path_word

DEFAULT_OUT = Path(__file__).resolve().parents[1] / "cmpie_lite" / "data" / "llp_statistics.json"
IOU_BINS = 5


def weak_statistics(weak: np.ndarray) -> dict[str, Any]:
    """Counts of labels per video, of classes that stand alone, and of classes found together; weak (N, C)."""
    counts = weak.astype(int)
    alone = counts[counts.sum(1) == 1].sum(0)
    together = np.triu(counts.T @ counts, k=1)
    return {
        "videos": len(weak),
        "labels_per_video": np.bincount(counts.sum(1)).tolist(),
        "alone": {CLASSES[c]: int(alone[c]) for c in range(NUM_CLASSES)},
        "together": {
            CLASSES[a]: {CLASSES[b]: int(together[a, b]) for b in np.flatnonzero(together[a])}
            for a in np.flatnonzero(together.any(1))
        },
    }


def shape_statistics(rolls: np.ndarray) -> dict[str, list[int]]:
    """Histograms over rolls (K, T), none full: number of runs; durations and first onsets."""
    found = [runs(roll) for roll in rolls]

    def histogram(values: list[int]) -> list[int]:
        return np.bincount(np.asarray(values, int), minlength=NUM_SEGMENTS).tolist()

    return {
        "runs": np.bincount([len(r) for r in found], minlength=6).tolist(),
        "durations_one": histogram([b - a for r in found if len(r) == 1 for a, b in r]),
        "durations_many": histogram([b - a for r in found if len(r) > 1 for a, b in r]),
        "onsets_one": histogram([r[0][0] for r in found if len(r) == 1]),
        "onsets_many": histogram([r[0][0] for r in found if len(r) > 1]),
    }


def presence_statistics(audio: np.ndarray, visual: np.ndarray) -> dict[str, int]:
    """Counts of one class's rolls (N, T): heard, seen or both; in step or not; how often all ten seconds."""
    heard, seen = audio.any(1), visual.any(1)
    both, identical = heard & seen, heard & (audio == visual).all(1)
    full_audio, full_visual = audio.all(1), visual.all(1)
    counts = {
        "audible_only": heard & ~seen,
        "audible_only_full": full_audio & ~seen,
        "visible_only": seen & ~heard,
        "visible_only_full": full_visual & ~heard,
        "both": both,
        "identical": identical,
        "identical_full": identical & full_audio,
        "different_audio_full": both & ~identical & full_audio,
        "different_visual_full": both & ~identical & full_visual,
    }
    return {name: int(mask.sum()) for name, mask in counts.items()}


def class_statistics(audio: np.ndarray, visual: np.ndarray, alone: np.ndarray) -> dict[str, Any]:
    """All counts of one class from its rolls (N, T); `alone` (N,) marks videos with one weak label."""
    identical = (audio == visual).all(1)
    kinds = {"audio": audio[~identical], "visual": visual[~identical], "identical": audio[identical]}
    return {
        "alone": presence_statistics(audio[alone], visual[alone]),
        "among_others": presence_statistics(audio[~alone], visual[~alone]),
        "shapes": {
            name: shape_statistics(rolls[rolls.any(1) & ~rolls.all(1)]) for name, rolls in kinds.items()
        },
    }


def iou_histogram(audio: np.ndarray, visual: np.ndarray) -> list[int]:
    """Histogram of the IoU of rolls (K, T) that are both there, differ, and are not full."""
    keep = audio.any(1) & visual.any(1) & ~audio.all(1) & ~visual.all(1) & (audio != visual).any(1)
    overlap = (audio & visual)[keep].sum(1) / (audio | visual)[keep].sum(1)
    return np.histogram(overlap, bins=IOU_BINS, range=(0.0, 1.0))[0].tolist()


def statistics(folder: Path) -> dict[str, Any]:
    """Every count that LLP-sim needs, from the csv files in `folder`."""
    labels = read_annotations(folder)
    evaluated = (labels.val, labels.test)
    weak, audio, visual = (
        np.concatenate([getattr(split, name) for split in evaluated])
        for name in ("weak", "dense_audio", "dense_visual")
    )
    alone = weak.sum(1) == 1
    by_class = {
        name: class_statistics(audio[:, :, c], visual[:, :, c], alone) for c, name in enumerate(CLASSES)
    }
    return {
        "about": "Counts over LLP's annotations (data_fetch.label_statistics); no video is in here.",
        "classes": list(CLASSES),
        "weak": {"train": weak_statistics(labels.train.weak), "eval": weak_statistics(weak)},
        "dense": {
            "videos": len(weak),
            "iou_of_different": iou_histogram(
                *(x.swapaxes(1, 2).reshape(-1, NUM_SEGMENTS) for x in (audio, visual))
            ),
            "by_class": by_class,
        },
    }


def write(found: Mapping[str, Any], path: Path) -> None:
    """Write as JSON that reads well: an innermost list or object stands on one line."""
    text = json.dumps(found, indent=1)
    innermost = re.compile(r"([\[{])\s+([^\[\]{}]*?)\s+([\]}])")
    path.write_text(innermost.sub(lambda m: m[1] + re.sub(r"\n\s+", " ", m[2]) + m[3], text) + "\n")


def main(arguments: list[str] | None = None) -> None:
    """Run the command; an error is one line on stderr and exit status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m data_fetch.label_statistics",
        description="Aggregated label statistics of LLP, from which LLP-sim draws its labels.",
    )
    parser.add_argument("annotation_dir", type=path_word, help="folder with the AVVP_*.csv files")
    parser.add_argument("--out", type=path_word, default=DEFAULT_OUT, help="default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        write(statistics(options.annotation_dir), options.out)
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    print(f"{options.out}: {options.out.stat().st_size / 1000:.1f} kB")


if __name__ == "__main__":
    main()
