"""From predictions to what a person reads: a table of events with onset, offset, label, modality, score."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from torch import nn

from cmpie_lite.data.llp_names import LATEST
from cmpie_lite.decoding import THRESHOLD, Predictions, decode
from cmpie_lite.errors import DataError, WriteError
from cmpie_lite.events import class_index, roll_to_events
from cmpie_lite.labels import MODALITIES
from cmpie_lite.support.devices import DEVICES, is_device_name
from cmpie_lite.support.fields import as_told_of, check_fields, require, spell_out_paths
from cmpie_lite.support.files import check_writable, file_hash, replace_file
from cmpie_lite.support.reading import cannot_read
from cmpie_lite.support.text import file_stem
from cmpie_lite.support.turns import taking_turns

EVENTS = ("events.csv", "events.json")
COLUMNS = ("video", "onset", "offset", "label", "modality", "score")


@dataclass(frozen=True)
class ParseSettings:
    """What a reader of `parse_a_video.ipynb` may choose; every value is checked before anything runs."""

    video: str = ""  # a video file; empty: a rendered clip
    run_dir: str = ""  # folder of a trained run; empty: a small parser trained on rendered clips
    weights: Literal["published", "random", "tiny"] = "tiny"  # of the extractors
    start: float = 0.0  # first second to parse; ten are
    threshold: float = THRESHOLD
    device: str = "auto"
    output_dir: str = ""  # empty: a temporary folder

    def __post_init__(self) -> None:
        check_fields(self)
        spell_out_paths(self, "video", "run_dir", "output_dir")
        require(self, "video", not self.video or Path(self.video).is_file(), "a video file, or '' for none")
        require(self, "run_dir", not self.run_dir or Path(self.run_dir).exists(), "a run's folder, or ''")
        require(self, "start", 0.0 <= self.start <= LATEST, f"seconds >= 0 and <= {LATEST:g}")
        require(self, "threshold", 0.0 <= self.threshold <= 1.0, "a probability in [0, 1]")
        require(self, "device", is_device_name(self.device), DEVICES)
        if self.output_dir:  # now, not after the work
            with as_told_of("output_dir", WriteError):
                check_writable(Path(self.output_dir))


def parse_features(model: nn.Module, audio: Any, visual_2d: Any, visual_3d: Any) -> Predictions:
    """Parse one video from its float32 arrays (T, 128), (8T, 2048) or (T, 2048), and (T, 512); N is 1.

    Raises:
        DataError: an array of another dtype, or with values that are not finite.
    """
    device = next(model.parameters()).device
    named = {"audio": audio, "visual_2d": visual_2d, "visual_3d": visual_3d}
    features = {name: torch.as_tensor(x) for name, x in named.items()}
    for name, x in features.items():
        if x.dtype != torch.float32:
            raise DataError(f"{name} is {x.dtype}, expected torch.float32. Convert it before.")
        if broken := int(x.isfinite().logical_not().sum()):
            raise DataError(f"{name} has {broken} values that are not finite. Extract the video again.")
    with torch.inference_mode():
        parsed = model.eval()(*(x[None].to(device) for x in features.values()))
    return Predictions(*(probs.float().cpu() for probs in parsed.predictions()))


def cautions(source: str | None, extractors_trained: bool) -> list[str]:
    """Why the events must not be trusted: the data that the parser learnt from, the extractors' weights."""
    found = []
    if not extractors_trained:
        found.append("the extractors' weights are random, not trained: their features name nothing real.")
    if source != "LLP":
        found.append(f"the parser was trained on {source}, not on LLP: on real videos trust no event below.")
    return found


def event_table(predictions: Predictions, ids: tuple[str, ...], threshold: float = THRESHOLD) -> pd.DataFrame:
    """One row per event: onset and offset in seconds (half-open), label, modality (audio, visual), score.

    The score is the mean of the event's segment probabilities. Rows are in order of video, onset, modality.

    Raises:
        ValueError: if there are not as many ids as videos, or the threshold is outside [0, 1].
    """
    if len(ids) != len(predictions.video):
        raise ValueError(f"{len(ids)} ids for {len(predictions.video)} videos, expected one id per video.")
    rows = []
    for m, (modality, rolls) in enumerate(zip(MODALITIES, decode(predictions, threshold), strict=True)):
        for n, roll in enumerate(rolls):
            for onset, offset, label in roll_to_events(roll):
                probs = predictions.segments[n, int(onset) : int(offset), m, class_index(label)]
                rows.append((ids[n], onset, offset, label, modality, torch.mean(probs).item()))
    order = {video: place for place, video in enumerate(ids)}
    rows.sort(key=lambda row: (order[row[0]], row[1], row[4], row[3]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def events_folder(base: Path, video: Path, start: float = 0.0, how: Any = None) -> Path:
    """Where below `base` the events of a video go: NAME-DIGEST, then the first second that is parsed.

    The digest is of the file's content, so that two files of one name do not meet, nor do two starts. Nor do
    two ways, where a value of JSON says `how` the events are found: by which run, at which threshold.

    Raises:
        DataError: there is no such video. ReadError: it cannot be read.
    """
    try:
        content = file_hash(video)
    except FileNotFoundError as error:
        raise DataError(f"{video}: no such file. Give the path of a video file.") from error
    except OSError as error:
        raise cannot_read(video, error) from error
    name = f"{file_stem(video)}-{content[:8]}" + (f",start={start:g}" if start else "")
    if how is not None:
        name += f",by={hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()[:8]}"
    return base / name


def write_events(folder: Path, table: pd.DataFrame) -> tuple[Path, Path]:
    """Write a table of events as `events.csv` and `events.json`, atomically; returns the two paths."""
    rows, records = (folder / name for name in EVENTS)
    with taking_turns(folder):  # both are of one table
        replace_file(rows, table.to_csv(index=False, float_format="%.4f").encode())
        text = table.to_json(orient="records", indent=1, double_precision=4)
        replace_file(records, f"{text}\n".encode())
    return rows, records
