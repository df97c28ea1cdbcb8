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
from cmpie_lite.errors import CheckpointError
from cmpie_lite.experiments.record import RunRecord
from cmpie_lite.experiments.run_files import model_of, read_predictions
from cmpie_lite.experiments.settings import Settings, run_folder
from cmpie_lite.results.analysis import analyse, behaviour, deciding_videos, mean_behaviour
from cmpie_lite.results.metric_tables import per_video_scores
from cmpie_lite.support.devices import check_device

GATE = "sa.segment"  # SA's weights per segment among a ParseOutput's `weights`
BATCH, GATE_VIDEOS = 256, 512


Ended = tuple[Settings, RunRecord]  # a run: the settings of its one seed, and its record


def analyses(runs: Sequence[Ended], store: FeatureStore) -> dict[str, pd.DataFrame]:
    """The tables of `analysis` for each run, and how many videos decide between CM-PIE and HAN.

    Raises:
        DataError: a folder no longer holds the predictions of its record.
    """
    tables, scores = {}, {}
    for job, record in runs:
        predictions = read_predictions(run_folder(job, store, job.seeds[0]), record)[0]
        scores[job.model] = per_video_scores(*decode(predictions), *store.test.truth())
        for name, frame in analyse(predictions, store.test).items():
            tables[f"{job.model}: {name}"] = frame
    if scores.keys() >= {"cmpie", "han"}:
        tables["cmpie against han: videos"] = deciding_videos(scores["cmpie"], scores["han"])
    return tables


def behaviours(groups: Mapping[str, Sequence[Ended]], store: FeatureStore) -> pd.DataFrame:
    """How each kind of run behaves, its mean over the seeds: name -> the runs of its seeds.

    Raises:
        DataError: a folder no longer holds predictions or weights of its record.
    """
    found: dict[str, list[pd.Series]] = {}
    for name, runs in groups.items():
        found[name] = []
        for job, record in runs:
            folder = run_folder(job, store, job.seeds[0])
            predictions = read_predictions(folder, record)[0]
            gate = gate_of(job, store, folder, record)
            found[name].append(behaviour(analyse(predictions, store.test), gate))
    return mean_behaviour(found)


def gate_of(
    job: Settings, store: FeatureStore, folder: Path, record: RunRecord
) -> Float[Tensor, "N M T"] | None:
    """SA's weights per segment in the first `GATE_VIDEOS` test videos; None for a system without them.

    They are computed on a GPU where there is one: of a report on many runs they are most of the work.
    A run whose checkpoint is not there, or cannot be read, has none either: its scores still count.
    """
    if not getattr(job.config, "segment_attention", False):
        return None
    device = check_device("auto")
    try:
        model = model_of(folder, record, device)
    except CheckpointError:
        return None
    found, test = [], store.test
    with torch.inference_mode():
        for start in range(0, min(GATE_VIDEOS, len(test)), BATCH):
            rows = slice(start, min(start + BATCH, GATE_VIDEOS))
            features = (x[rows].to(device) for x in (test.audio, test.visual_2d, test.visual_3d))
            parsed = model(*features)
            if GATE not in parsed.weights:
                return None
            found.append(parsed.weights[GATE].cpu())
    return torch.cat(found)
