"""The ten F-scores in plain loops: per video, per class, per second, written from the protocol's description.

Nothing here knows of tensors or of `cmpie_lite`: rolls are nested lists roll[n][t][c] of bools.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

Video = list[list[bool]]
Roll = list[Video]


def events(seconds: list[bool]) -> list[set[int]]:
    """Split the positive seconds of one class of one video into maximal runs, each a set of seconds."""
    runs: list[set[int]] = []
    for t, positive in enumerate(seconds):
        if positive and t > 0 and seconds[t - 1]:
            runs[-1].add(t)
        elif positive:
            runs.append({t})
    return runs


def matches(event: set[int], other: set[int], iou: Fraction) -> bool:
    """Whether intersection over union, of seconds, reaches the threshold."""
    return Fraction(len(event & other), len(event | other)) >= iou


def count_seconds(pred: list[bool], true: list[bool]) -> tuple[int, int, int]:
    """Return (TP, FP, FN) over the seconds of one class of one video."""
    tp = fp = fn = 0
    for p, q in zip(pred, true, strict=True):
        if p and q:
            tp += 1
        elif p:
            fp += 1
        elif q:
            fn += 1
    return tp, fp, fn


def count_events(pred: list[bool], true: list[bool], iou: Fraction = Fraction(1, 2)) -> tuple[int, int, int]:
    """Return (TP, FP, FN) over the events of one class of one video."""
    tp = fp = fn = 0
    for event in events(pred):
        if any(matches(event, other, iou) for other in events(true)):
            tp += 1
        else:
            fp += 1
    for other in events(true):
        if not any(matches(event, other, iou) for event in events(pred)):
            fn += 1
    return tp, fp, fn


def column(video: Video, c: int) -> list[bool]:
    """The seconds of one class of one video."""
    return [second[c] for second in video]


def both(audio: Roll, visual: Roll) -> Roll:
    """Audio AND visual, second by second."""
    return [
        [[a and v for a, v in zip(*seconds, strict=True)] for seconds in zip(*videos, strict=True)]
        for videos in zip(audio, visual, strict=True)
    ]


def video_score(counts_by_class: list[tuple[int, int, int]]) -> float:
    """Mean of F over the classes that are active in prediction or truth; 1 where none is."""
    scores = [2 * tp / (2 * tp + fp + fn) for tp, fp, fn in counts_by_class if tp + fp + fn > 0]
    return sum(scores) / len(scores) if scores else 1.0


def video_counts(
    roll_pairs: list[tuple[Video, Video]], count: Callable[[list[bool], list[bool]], tuple[int, int, int]]
) -> list[tuple[int, int, int]]:
    """Per class the (TP, FP, FN) of one video, summed over the given (prediction, truth) pairs of rolls."""
    result = []
    for c in range(len(roll_pairs[0][0][0])):
        counted = [count(column(pred, c), column(true, c)) for pred, true in roll_pairs]
        tp, fp, fn = (sum(part) for part in zip(*counted, strict=True))
        result.append((tp, fp, fn))
    return result


def parsing_scores(
    pred_audio: Roll, pred_visual: Roll, true_audio: Roll, true_visual: Roll
) -> dict[str, float]:
    """The ten scores as fractions."""
    videos = range(len(pred_audio))
    pred_av, true_av = both(pred_audio, pred_visual), both(true_audio, true_visual)
    scores: dict[str, float] = {}
    for level, count in (("segment", count_seconds), ("event", count_events)):
        of = {"audio": 0.0, "visual": 0.0, "av": 0.0, "event": 0.0}
        for n in videos:
            audio, visual = (pred_audio[n], true_audio[n]), (pred_visual[n], true_visual[n])
            of["audio"] += video_score(video_counts([audio], count)) / len(videos)
            of["visual"] += video_score(video_counts([visual], count)) / len(videos)
            of["av"] += video_score(video_counts([(pred_av[n], true_av[n])], count)) / len(videos)
            of["event"] += video_score(video_counts([audio, visual], count)) / len(videos)
        of["type"] = (of["audio"] + of["visual"] + of["av"]) / 3
        scores |= {f"{level}_{name}": value for name, value in of.items()}
    return scores
