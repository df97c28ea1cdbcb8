"""What stands behind ten scores: durations, confused modalities, calibration, recognition against timing,
and how a model behaves, which scores alone do not tell.

Functions of bool event rolls (N, T, C), in the order (prediction, truth), and of probabilities. Each returns
a DataFrame; shares are fractions, and the counts that they rest on stand beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cmpie_lite.data.store import Split
from cmpie_lite.decoding import THRESHOLD, Predictions, decode
from cmpie_lite.events import run_bounds, segment_index
from cmpie_lite.labels import AUDIO, VISUAL
from cmpie_lite.metrics import SCORES, event_counts, parsing_scores
from cmpie_lite.results.metric_tables import per_class_scores, trivial_references

KINDS: Final = ("neither", "audible only", "visible only", "both")
DURATIONS: Final = ("true", "predicted", "videos", "recall", "precision")
PARTS: Final = (
    "nothing", "weak_labels", "video_labels", "recognition alone", "model", "true timing", "true recognition",
)  # fmt: skip
BEHAVIOUR: Final = (
    "seeds", "full_audio", "full_visual", "timing_segment", "timing_event", "short_audio", "short_visual",
    "long_audio", "long_visual", "gate_videos", "gate_places",
)  # fmt: skip
SHORT: Final = 4  # seconds: the longest event that a guess of the whole clip cannot match at IoU 0.5


def analyse(predictions: Predictions, split: Split, threshold: float = THRESHOLD) -> dict[str, pd.DataFrame]:
    """Every table of this module for one run's predictions.

    Names: "classes", "audio durations", "visual durations", "confusion", "calibration", "parts", "support".
    """
    pred_audio, pred_visual = decode(predictions, threshold)
    true_audio, true_visual = split.truth()
    rolls = (pred_audio, pred_visual, true_audio, true_visual)
    weak = split.weak.cpu()
    return {
        "classes": per_class_scores(*rolls),
        "audio durations": duration_scores(pred_audio, true_audio),
        "visual durations": duration_scores(pred_visual, true_visual),
        "confusion": modality_confusion(*rolls),
        "calibration": reliability(predictions.video, weak),
        "parts": recognition_and_timing(predictions, weak, true_audio, true_visual, threshold),
        "support": support(true_audio, true_visual),
    }


def behaviour(tables: Mapping[str, pd.DataFrame], gate: Float[Tensor, "N M T"] | None = None) -> pd.Series:
    """How one run behaves, from its tables of `analyse`: does it parse, or tag whole clips?

    Entries:
        full_audio, full_visual: the share of its predicted events that span the whole clip.
        timing_segment, timing_event: what timing adds, segment and event Type@AV of the model minus those of
            its own classes in all segments.
        short_audio ... long_visual: the share of true events that it finds, of up to `SHORT` seconds and of
            more; nan where there are none.
        gate_videos, gate_places: the spread of SA's weights per segment over videos and over places
            (`gate_spread`); nan for a system without them.
        seeds: 1, the runs that it rests on.
    """
    found: dict[str, float] = {"seeds": 1.0}
    for modality in ("audio", "visual"):
        table = tables[f"{modality} durations"]
        every = table["predicted"].sum()
        found[f"full_{modality}"] = float(table["predicted"].iloc[-1] / every) if every else np.nan
        for name, rows in (("short", table.loc[:SHORT]), ("long", table.loc[SHORT + 1 :])):
            count = rows["true"].sum()
            found[f"{name}_{modality}"] = (rows["recall"] * rows["true"]).sum() / count if count else np.nan
    parts = tables["parts"]
    for level in ("segment", "event"):
        score = parts[f"{level}_type"].astype(float)
        found[f"timing_{level}"] = score["model"] - score["recognition alone"]
    spread = (np.nan, np.nan) if gate is None else gate_spread(gate)
    found |= dict(zip(("gate_videos", "gate_places"), spread, strict=True))
    return pd.Series(found)[list(BEHAVIOUR)].astype(float)


def gate_spread(gate: Float[Tensor, "N M T"]) -> tuple[float, float]:
    """Standard deviations of SA's weights W (N, M, T) over videos, and over places.

    Over videos: of each place, averaged over places and modalities: 0 for a gate that reads no content. Over
    places: of each modality's mean gate over the videos: 0 for one that treats all seconds alike.
    """
    weights = gate.double()
    videos = float(weights.std(0, correction=0).mean())
    return videos, float(weights.mean(0).std(-1, correction=0).mean())


def mean_behaviour(runs: Mapping[str, Sequence[pd.Series]]) -> pd.DataFrame:
    """A row per system (or reading): the mean of `behaviour` over its runs, and in `seeds` their number."""
    rows = {}
    for name, found in runs.items():
        rows[name] = pd.DataFrame(list(found)).mean()
        rows[name]["seeds"] = len(found)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("system")


def of_duration(roll: Bool[Tensor, "N T C"], duration: int) -> Bool[Tensor, "N T C"]:
    """The events of a roll that last `duration` segments, alone."""
    onset, offset = run_bounds(roll)
    return roll & (offset - onset == duration)


def duration_scores(pred: Bool[Tensor, "N T C"], true: Bool[Tensor, "N T C"]) -> pd.DataFrame:
    """How events fare by how long they last, one row per duration of 1 ... T segments.

    Columns: `true` and `predicted` events of that duration and `videos` that hold such true ones; `recall`,
    the share of the true ones that a predicted event matches at IoU 0.5 (of any duration); `precision`, the
    share of the predicted ones that match a true event; nan where there are none.
    """
    rows = []
    for duration in range(1, true.shape[1] + 1):
        trues, preds = of_duration(true, duration), of_duration(pred, duration)
        found, right = event_counts(pred, trues), event_counts(preds, true)
        count, shown = int((found.tp + found.fn).sum()), int((right.tp + right.fp).sum())
        rows.append(
            {
                "true": count,
                "predicted": shown,
                "videos": int(trues.any(2).any(1).sum()),
                "recall": int(found.tp.sum()) / count if count else np.nan,
                "precision": int(right.tp.sum()) / shown if shown else np.nan,
            }
        )
    return pd.DataFrame(rows, index=pd.Index(range(1, true.shape[1] + 1), name="segments"))


def modality_confusion(
    pred_audio: Bool[Tensor, "N T C"],
    pred_visual: Bool[Tensor, "N T C"],
    true_audio: Bool[Tensor, "N T C"],
    true_visual: Bool[Tensor, "N T C"],
) -> pd.DataFrame:
    """Counts of (video, segment, class) by what is true (rows) and predicted (columns): neither modality,
    audible only, visible only, both."""
    true = true_audio.long() + 2 * true_visual.long()
    pred = pred_audio.long() + 2 * pred_visual.long()
    counts = torch.bincount((4 * true + pred).flatten(), minlength=16).reshape(4, 4).cpu().numpy()
    return pd.DataFrame(counts, index=pd.Index(KINDS, name="true"), columns=pd.Index(KINDS, name="predicted"))


def reliability(probs: Float[Tensor, "N C"], labels: Bool[Tensor, "N C"], bins: int = 10) -> pd.DataFrame:
    """Probabilities in bins of equal width beside how often they come true.

    One row per bin: its limits `low` and `high`, the `count` of (video, class) in it, the `mean` probability
    and the `frequency` of true labels (nan in an empty bin).

    Raises:
        ValueError: shapes that differ, or bins below 1.
    """
    if probs.shape != labels.shape or bins < 1:
        raise ValueError(
            f"probs {tuple(probs.shape)}, labels {tuple(labels.shape)}, bins = {bins}: expected two of one "
            "shape, and at least one bin."
        )
    p, y = probs.flatten().double().cpu().numpy(), labels.flatten().cpu().numpy()
    place = np.minimum((p * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, p, bins) / count
        frequency = np.bincount(place, y, bins) / count
    edges = np.linspace(0, 1, bins + 1)
    columns = {"low": edges[:-1], "high": edges[1:], "count": count, "mean": mean, "frequency": frequency}
    return pd.DataFrame(columns)


def expected_calibration_error(table: pd.DataFrame) -> float:
    """The mean of |mean - frequency| over a table of `reliability`, weighted by count."""
    gaps = (table["mean"] - table["frequency"]).abs().fillna(0.0)
    return float((gaps * table["count"]).sum() / table["count"].sum())


def recognition_and_timing(
    predictions: Predictions,
    weak: Bool[Tensor, "N C"],
    true_audio: Bool[Tensor, "N T C"],
    true_visual: Bool[Tensor, "N T C"],
    threshold: float = THRESHOLD,
) -> pd.DataFrame:
    """The ten scores of the predictions and of what they would be if a part of them were exchanged.

    Rows:
        "nothing", "weak_labels", "video_labels": the references of `trivial_references`.
        "recognition alone": the classes that the model predicts in each modality, in all segments.
        "model": the predictions themselves.
        "true timing": the model's classes; those that are there at their true times, the others as predicted.
        "true recognition": the true classes of each modality, at the times of the model's segment
            probabilities, without the gate; in all segments, where none reaches the threshold.

    What "true timing" adds to "model" is lost to timing, what "true recognition" adds is lost to recognition.
    """
    active = predictions.segments >= threshold
    true = {AUDIO: true_audio, VISUAL: true_visual}
    pred = dict(zip((AUDIO, VISUAL), decode(predictions, threshold), strict=True))
    alone, timed, recognised = {}, {}, {}
    for m in (AUDIO, VISUAL):
        named, there = pred[m].any(1, keepdim=True), true[m].any(1, keepdim=True)
        alone[m] = named.expand_as(pred[m])
        timed[m] = torch.where(there, true[m] & named, pred[m])
        times = active[:, :, m]
        recognised[m] = there & torch.where(times.any(1, keepdim=True), times, True)
    rows = {name: s.as_dict() for name, s in trivial_references(weak, true_audio, true_visual).items()}
    parts = {"recognition alone": alone, "model": pred, "true timing": timed, "true recognition": recognised}
    for name, rolls in parts.items():
        rows[name] = parsing_scores(rolls[AUDIO], rolls[VISUAL], true_audio, true_visual).as_dict()
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("events")


def support(true_audio: Bool[Tensor, "N T C"], true_visual: Bool[Tensor, "N T C"]) -> pd.DataFrame:
    """What each kind of score rests on: `videos` that hold such events, `events`, and `empty` videos, whose
    score is 1 for silence and 0 for any prediction."""
    rolls = {"audio": true_audio, "visual": true_visual, "av": true_audio & true_visual}
    rows = {}
    for name, roll in rolls.items():
        videos = int(roll.any(2).any(1).sum())
        events = int((roll & (run_bounds(roll)[0] == segment_index(roll))).sum())
        rows[name] = {"videos": videos, "empty": len(roll) - videos, "events": events}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("kind")


def deciding_videos(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Of two systems' scores per video (`per_video_scores`), in how many videos `one` is `better`, `equal` or
    `worse`, for each of the ten: a difference of means rests on the videos that are not equal.

    Raises:
        ValueError: not the same videos.
    """
    if not one.index.equals(other.index):
        raise ValueError("scores of different videos, expected the same ones in the same order.")
    gap = one[list(SCORES)] - other[list(SCORES)]
    counts = {"better": (gap > 0).sum(), "equal": (gap == 0).sum(), "worse": (gap < 0).sum()}
    return pd.DataFrame(counts).rename_axis("score")
