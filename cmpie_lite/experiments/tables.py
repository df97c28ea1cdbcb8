"""The tables of a report that need a run's predictions, or its model: analysis and behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from cmpie_lite.data.store import FeatureStore
from cmpie_lite.decoding import decode
from cmpie_lite.errors import CheckpointError, DataError
from cmpie_lite.experiments.record import read_predictions
from cmpie_lite.experiments.settings import Settings, run_folder
from cmpie_lite.results.analysis import analyse, behaviour, deciding_videos, mean_behaviour
from cmpie_lite.results.metric_tables import per_video_scores
from cmpie_lite.training.loop import load_model

GATE = "sa.segment"  # SA's weights per segment among a ParseOutput's `weights`
BATCH, GATE_VIDEOS = 256, 512


def analyses(jobs: Sequence[Settings], store: FeatureStore) -> dict[str, pd.DataFrame]:
    """The tables of `analysis` for each job, and how many videos decide between CM-PIE and HAN."""
    tables, scores = {}, {}
    for job in jobs:
        predictions = read_predictions(run_folder(job, store, job.seeds[0]))[0]
        scores[job.model] = per_video_scores(*decode(predictions), *store.test.truth())
        for name, frame in analyse(predictions, store.test).items():
            tables[f"{job.model}: {name}"] = frame
    if scores.keys() >= {"cmpie", "han"}:
        tables["cmpie against han: videos"] = deciding_videos(scores["cmpie"], scores["han"])
    return tables


def behaviours(groups: Mapping[str, Sequence[Settings]], store: FeatureStore) -> pd.DataFrame:
    """How each kind of run behaves, its mean over the seeds: name -> the jobs of its seeds, one seed each."""
    found = {}
    for name, jobs in groups.items():
        folders = [run_folder(job, store, job.seeds[0]) for job in jobs]
        found[name] = [
            behaviour(analyse(read_predictions(folder)[0], store.test), gate_of(job, store, folder))
            for job, folder in zip(jobs, folders, strict=True)
        ]
    return mean_behaviour(found)


def gate_of(job: Settings, store: FeatureStore, folder: Path) -> Float[Tensor, "N M T"] | None:
    """SA's weights per segment in the first `GATE_VIDEOS` test videos; None for a system without them.

    A run whose checkpoint is not there, or cannot be read, has none either: its scores still count.
    """
    if not getattr(job.config, "segment_attention", False):
        return None
    try:
        model, _ = load_model(folder)
    except (CheckpointError, DataError):
        return None
    found, test = [], store.test
    with torch.inference_mode():
        for start in range(0, min(GATE_VIDEOS, len(test)), BATCH):
            rows = slice(start, min(start + BATCH, GATE_VIDEOS))
            parsed = model(test.audio[rows].cpu(), test.visual_2d[rows].cpu(), test.visual_3d[rows].cpu())
            if GATE not in parsed.weights:
                return None
            found.append(parsed.weights[GATE])
    return torch.cat(found)
