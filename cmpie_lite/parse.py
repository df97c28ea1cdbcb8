"""From predictions to what a person reads: a table of events with onset, offset, label, modality, score."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from cmpie_lite.checkpoint import replace_file
from cmpie_lite.evaluate import THRESHOLD, Predictions, decode
from cmpie_lite.events import class_index, roll_to_events
from cmpie_lite.labels import MODALITIES

COLUMNS = ("video", "onset", "offset", "label", "modality", "score")


def event_table(predictions: Predictions, ids: tuple[str, ...], threshold: float = THRESHOLD) -> pd.DataFrame:
    """One row per event: onset and offset in seconds (half-open), label, modality (audio, visual), score.

    The score is the mean of the event's segment probabilities. Rows are in order of video, onset, modality.

    Raises:
        ValueError: if there are not as many ids as videos, or the threshold is outside [0, 1].
    """
    if len(ids) != len(predictions.video):
        raise ValueError(f"{len(ids)} ids for {len(predictions.video)} videos, expected one a video.")
    rows = []
    for m, (modality, rolls) in enumerate(zip(MODALITIES, decode(predictions, threshold), strict=True)):
        for n, roll in enumerate(rolls):
            for onset, offset, label in roll_to_events(roll):
                probs = predictions.segments[n, int(onset) : int(offset), m, class_index(label)]
                rows.append((ids[n], onset, offset, label, modality, torch.mean(probs).item()))
    order = {video: place for place, video in enumerate(ids)}
    rows.sort(key=lambda row: (order[row[0]], row[1], row[4], row[3]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write_events(folder: Path, table: pd.DataFrame) -> tuple[Path, Path]:
    """Write a table of events as `events.csv` and `events.json`, atomically; returns the two paths."""
    csv, json = folder / "events.csv", folder / "events.json"
    replace_file(csv, table.to_csv(index=False, float_format="%.4f").encode())
    replace_file(json, (table.to_json(orient="records", indent=1, double_precision=4) + "\n").encode())
    return csv, json
