"""The ten F-scores of audio-visual video parsing, for all videos at once.

Three layers: counts -> reduction -> a report of ten named fields. Everything takes bool event rolls
(N, T, C), in the order (prediction, truth), on any device; scores are fractions in 0..1.

The protocol (Tian et al., ECCV 2020). For one video and one class, F = 2 TP / (2 TP + FP + FN), where TP, FP
and FN count segments (*segment level*) or events, maximal runs of positive segments (*event level*). A video
scores the mean of F over the classes that are active in its prediction or its truth, and 1 where there are
none; a data set scores the mean over its videos. Of either level there are five scores:

    audio, visual    the two modalities
    av               audio AND visual, segment by segment
    type             the mean of the three above ("Type@AV")
    event            audio and visual counts added before F ("Event@AV")
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from cmpie_lite.events import run_bounds, run_starts, segment_index


@dataclass(frozen=True)
class Counts:
    """True positives, false positives and false negatives of every video and class; `+` pools modalities."""

    tp: Int64[Tensor, "N C"]
    fp: Int64[Tensor, "N C"]
    fn: Int64[Tensor, "N C"]

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    def pool(self, *axes: int) -> Counts:
        """Add up over videos (axis 0), classes (axis 1) or both; the axes stay, with size 1."""
        return Counts(*(x.sum(axes, keepdim=True) for x in (self.tp, self.fp, self.fn)))


@dataclass(frozen=True)
class ParsingScores:
    """The ten F-scores as fractions in 0..1, in the order in which the papers print them."""

    segment_audio: float
    segment_visual: float
    segment_av: float
    segment_type: float
    segment_event: float
    event_audio: float
    event_visual: float
    event_av: float
    event_type: float
    event_event: float

    def as_dict(self) -> dict[str, float]:
        """Return {name: fraction}."""
        return dataclasses.asdict(self)

    def percent(self) -> dict[str, float]:
        """Return {name: percent}, not rounded, for printing."""
        return {name: 100.0 * value for name, value in self.as_dict().items()}


Average = Literal["video", "micro", "macro"]
SCORES: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(ParsingScores))


def segment_counts(pred: Bool[Tensor, "N T C"], true: Bool[Tensor, "N T C"]) -> Counts:
    """Eq. SEGMENT-F: count segments that both, only the prediction, only the truth call positive.

    Raises:
        TypeError: not bool tensors. ValueError: not both (N, T, C) of one shape on one device.
    """
    check_rolls(pred=pred, true=true)
    tp = (pred & true).sum(1)
    return Counts(tp, pred.sum(1) - tp, true.sum(1) - tp)


def event_counts(pred: Bool[Tensor, "N T C"], true: Bool[Tensor, "N T C"], *, iou: float = 0.5) -> Counts:
    """Eq. EVENT-F: count events. A predicted and a true event match where intersection / union >= `iou`.

    No assignment has to be solved. Two predicted events are maximal runs, so at least one segment lies
    between them; if both overlap one true event, that segment is in it, and they cannot both cover half
    of it. Hence every event matches at most one other, as long as iou >= 0.5.

    Two intervals that overlap share the segments [max onset, min offset) and fill [min onset, max offset), so
    each matching pair is counted once, at the first segment they share. All is done in integers.

    Raises:
        TypeError: not bool tensors.
        ValueError: not both (N, T, C) of one shape on one device; iou outside 0.5..1.
    """
    check_rolls(pred=pred, true=true)
    if not 0.5 <= iou <= 1.0:
        raise ValueError(
            f"iou = {iou!r}, expected a number in 0.5..1: below 0.5 several predicted events can match one "
            "true event, and counting would need an assignment between them."
        )
    ratio = Fraction(iou).limit_denominator(10_000)

    # Only where both have an event can anything match: (T, P) with P such pairs of video and class.
    p_events, q_events = run_starts(pred).sum(1), run_starts(true).sum(1)
    pairs = (p_events > 0) & (q_events > 0)
    p, q = pred.mT[pairs].T, true.mT[pairs].T
    (p_onset, p_offset), (q_onset, q_offset) = run_bounds(p), run_bounds(q)
    onset = torch.maximum(p_onset, q_onset)
    shared = torch.minimum(p_offset, q_offset) - onset
    filled = torch.maximum(p_offset, q_offset) - torch.minimum(p_onset, q_onset)
    first = p & q & (onset == segment_index(p))
    match = first & (ratio.denominator * shared >= ratio.numerator * filled)

    tp = torch.zeros(pairs.shape, dtype=torch.int64, device=pred.device)
    tp[pairs] = match.sum(0)
    return Counts(tp, p_events - tp, q_events - tp)


def f_per_class(counts: Counts) -> Float64[Tensor, "N C"]:
    """F = 2 TP / (2 TP + FP + FN); nan where a class is active in neither prediction nor truth."""
    tp = 2.0 * counts.tp.double()
    return tp / (tp + counts.fp + counts.fn)


def f_per_video(counts: Counts) -> Float64[Tensor, " N"]:
    """Mean of F over the classes active in prediction or truth; 1 for a video that has none of them."""
    return f_per_class(counts).nanmean(1).nan_to_num(nan=1.0)


def f_score(
    counts: Counts, average: Average | None = "video"
) -> Float64[Tensor, ""] | Float64[Tensor, "N C"]:
    """Reduce counts to F-scores, in float64.

    Args:
        average: "video" is the protocol: the mean of `f_per_video` over the videos. "micro" pools the counts
            of all videos and classes; "macro" pools those of all videos, then takes the mean over active
            classes; both are 1 where nothing is active. None gives `f_per_class`.

    Raises:
        ValueError: an unknown average; no videos.
    """
    if counts.tp.shape[0] == 0:
        raise ValueError("the counts hold 0 videos, expected at least 1: an F-score of nothing has no value.")
    if average is None:
        return f_per_class(counts)
    if average == "video":
        return f_per_video(counts).mean()
    if average == "macro":
        return f_per_video(counts.pool(0))[0]
    if average == "micro":
        return f_per_video(counts.pool(0, 1))[0]
    raise ValueError(f"average = {average!r}, expected 'video', 'micro', 'macro' or None.")


def parsing_counts(
    pred_audio: Bool[Tensor, "N T C"],
    pred_visual: Bool[Tensor, "N T C"],
    true_audio: Bool[Tensor, "N T C"],
    true_visual: Bool[Tensor, "N T C"],
) -> dict[str, Counts]:
    """Return the counts behind eight of the ten scores, by name; the types are means of three F-scores.

    Eq. EVENT-AV: the counts of "event" are those of audio plus those of visual.
    """
    check_rolls(
        pred_audio=pred_audio, pred_visual=pred_visual, true_audio=true_audio, true_visual=true_visual
    )
    counts: dict[str, Counts] = {}
    for level, count in (("segment", segment_counts), ("event", event_counts)):
        audio, visual = count(pred_audio, true_audio), count(pred_visual, true_visual)
        both = count(pred_audio & pred_visual, true_audio & true_visual)
        counts |= {f"{level}_audio": audio, f"{level}_visual": visual, f"{level}_av": both}
        counts[f"{level}_event"] = audio + visual
    return counts


def with_types(scores: dict[str, Tensor]) -> dict[str, Tensor]:
    """Eq. TYPE-AV: add (audio + visual + av) / 3 of either level to eight scores; the ten stand in order."""
    for level in ("segment", "event"):
        three = [scores[f"{level}_{name}"] for name in ("audio", "visual", "av")]
        scores = scores | {f"{level}_type": torch.stack(three).mean(0)}
    return {name: scores[name] for name in SCORES}


def parsing_scores(
    pred_audio: Bool[Tensor, "N T C"],
    pred_visual: Bool[Tensor, "N T C"],
    true_audio: Bool[Tensor, "N T C"],
    true_visual: Bool[Tensor, "N T C"],
    *,
    average: Average = "video",
) -> ParsingScores:
    """Score predicted against true event rolls: the ten numbers of the papers' tables.

    Args:
        average: "video" for the protocol, "micro" or "macro" for the averages of other fields: see `f_score`.

    Raises:
        TypeError: not bool tensors.
        ValueError: not all (N, T, C) of one shape on one device; no videos; an unknown average.

    Source: Tian, Li and Xu, "Unified Multisensory Perception: Weakly-Supervised Audio-Visual Video Parsing",
        ECCV 2020; the CM-PIE paper evaluates by it.
    """
    if average is None:
        raise ValueError("average = None has no ten numbers, expected 'video', 'micro' or 'macro'.")
    counts = parsing_counts(pred_audio, pred_visual, true_audio, true_visual)
    scores = with_types({name: f_score(c, average) for name, c in counts.items()})
    values = torch.stack(list(scores.values())).tolist()  # one transfer from the device
    return ParsingScores(*values)


def check_rolls(**rolls: Any) -> None:
    """Raise unless all are bool tensors (N, T, C) of one shape on one device.

    Raises:
        TypeError: not a tensor, or not bool. ValueError: another shape or device.
    """
    first_name, first = next(iter(rolls.items()))
    for name, roll in rolls.items():
        if not isinstance(roll, Tensor):
            raise TypeError(f"{name} is a {type(roll).__name__}, expected a torch.Tensor of bool (N, T, C).")
        if roll.dtype != torch.bool:
            raise TypeError(
                f"{name} has dtype {roll.dtype}, expected torch.bool (N, T, C): decode probabilities first."
            )
        if roll.ndim != 3:
            raise ValueError(
                f"{name} has shape {tuple(roll.shape)}, expected (N, T, C): videos, segments, classes."
            )
        if roll.shape != first.shape:
            raise ValueError(
                f"{name} has shape {tuple(roll.shape)}, expected {tuple(first.shape)} as {first_name} has."
            )
        if roll.device != first.device:
            raise ValueError(f"{name} is on {roll.device}, expected {first.device} where {first_name} is.")
