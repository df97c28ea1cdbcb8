"""Tables of F-scores: by class, by video, by average; and the scores that ask for no model.

All take bool event rolls (N, T, C), in the order (prediction, truth), and hold the ten scores of
`metrics.ParsingScores` as fractions, one column each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import pandas as pd
import torch
from jaxtyping import Bool
from torch import Tensor

from cmpie_lite.labels import CLASSES, NUM_CLASSES
from cmpie_lite.metrics import (
    Average,
    ParsingScores,
    check_rolls,
    f_per_class,
    f_per_video,
    parsing_counts,
    parsing_scores,
    with_types,
)


def per_class_scores(
    pred_audio: Bool[Tensor, "N T C"],
    pred_visual: Bool[Tensor, "N T C"],
    true_audio: Bool[Tensor, "N T C"],
    true_visual: Bool[Tensor, "N T C"],
) -> pd.DataFrame:
    """F-scores of every class, its counts pooled over all videos, beside how often the class occurs.

    Columns: the ten scores, nan where a class is in neither prediction nor truth (a type score, where that
    holds for one of its three parts); then the support, `<modality>_videos`, `_segments` and `_events`, for
    audio, visual and av: how many the truth holds. The mean of a column over the classes is its "macro"
    average (the type scores aside, where one of three parts may be missing).

    Raises:
        TypeError, ValueError: as `metrics.parsing_scores`.
    """
    counts = parsing_counts(pred_audio, pred_visual, true_audio, true_visual)
    columns = with_types({name: f_per_class(c.pool(0))[0] for name, c in counts.items()})
    truth = {"audio": true_audio, "visual": true_visual, "av": true_audio & true_visual}
    for modality, roll in truth.items():
        columns[f"{modality}_videos"] = roll.any(1).sum(0)
        for level in ("segment", "event"):
            count = counts[f"{level}_{modality}"]
            columns[f"{modality}_{level}s"] = (count.tp + count.fn).sum(0)
    classes = true_audio.shape[2]
    names = CLASSES if classes == NUM_CLASSES else range(classes)
    return _table(columns, pd.Index(names, name="class"))


def per_video_scores(
    pred_audio: Bool[Tensor, "N T C"],
    pred_visual: Bool[Tensor, "N T C"],
    true_audio: Bool[Tensor, "N T C"],
    true_visual: Bool[Tensor, "N T C"],
    *,
    ids: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The ten scores of every video (N rows); the mean of each column is the protocol's score.

    Args:
        ids: the videos' names for the index; their numbers if None.

    Raises:
        TypeError, ValueError: as `metrics.parsing_scores`; another number of ids than of videos.
    """
    counts = parsing_counts(pred_audio, pred_visual, true_audio, true_visual)
    videos = pred_audio.shape[0]
    if ids is not None and len(ids) != videos:
        raise ValueError(f"{len(ids)} ids for {videos} videos, expected one each.")
    index = pd.Index(range(videos) if ids is None else ids, name="video")
    return _table(with_types({name: f_per_video(c) for name, c in counts.items()}), index)


def micro_macro_scores(
    pred_audio: Bool[Tensor, "N T C"],
    pred_visual: Bool[Tensor, "N T C"],
    true_audio: Bool[Tensor, "N T C"],
    true_visual: Bool[Tensor, "N T C"],
) -> pd.DataFrame:
    """The ten scores (columns) under three averages (rows): "video", the protocol; "micro"; "macro".

    The same predictions can score very differently: an F-score says little without its average.

    Raises:
        TypeError, ValueError: as `metrics.parsing_scores`.
    """
    rolls = (pred_audio, pred_visual, true_audio, true_visual)
    rows = {average: parsing_scores(*rolls, average=average).as_dict() for average in get_args(Average)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("average")


def trivial_references(
    weak: Bool[Tensor, "N C"], true_audio: Bool[Tensor, "N T C"], true_visual: Bool[Tensor, "N T C"]
) -> dict[str, ParsingScores]:
    """The scores that a parser should be seen against, as none of them looks at a video.

    - "nothing": predict no event at all.
    - "weak_labels": every weak label, in both modalities, from the first to the last segment.
    - "video_labels": of each modality its true classes, from the first to the last segment: all that is left
      to win beyond it is timing.

    Args:
        weak: the video-level labels, the same for both modalities.

    Raises:
        TypeError: not bool tensors. ValueError: shapes that do not belong together.
    """
    check_rolls(true_audio=true_audio, true_visual=true_visual)
    if not isinstance(weak, Tensor) or weak.dtype != torch.bool:
        received = weak.dtype if isinstance(weak, Tensor) else type(weak).__name__
        raise TypeError(f"weak is {received}, expected a torch.Tensor of bool (N, C).")
    videos, segments, classes = true_audio.shape
    if weak.shape != (videos, classes):
        raise ValueError(f"weak has shape {tuple(weak.shape)}, expected (N, C) = {(videos, classes)}.")

    def everywhere(labels: Tensor) -> Tensor:
        return labels[:, None, :].expand(videos, segments, classes)

    nothing, weak_roll = torch.zeros_like(true_audio), everywhere(weak)
    audio, visual = everywhere(true_audio.any(1)), everywhere(true_visual.any(1))
    return {
        "nothing": parsing_scores(nothing, nothing, true_audio, true_visual),
        "weak_labels": parsing_scores(weak_roll, weak_roll, true_audio, true_visual),
        "video_labels": parsing_scores(audio, visual, true_audio, true_visual),
    }


def _table(columns: dict[str, Tensor], index: pd.Index) -> pd.DataFrame:
    return pd.DataFrame({name: column.cpu().numpy() for name, column in columns.items()}, index=index)
