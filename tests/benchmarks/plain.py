"""The usual way to do this task, written plainly, as the baseline that the benchmarks measure against.

One .npy file per video and modality behind a DataLoader, 80 frames of 2D features a video, the plain HAN of
tests/oracles/training.py, batch-1 evaluation, scores by Python loops over videos.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from cmpie_lite.events import roll_to_events
from cmpie_lite.labels import CLASSES
from cmpie_lite.model import CMPIE
from tests.benchmarks.bench_metrics import scores_one_video_at_a_time
from tests.oracles.training import PlainHAN, loss_of


class VideoFiles(Dataset):
    """Reads three .npy files a video, every time it is asked."""

    def __init__(self, folder: Path, ids: tuple[str, ...], weak: Tensor) -> None:
        self.folder, self.ids, self.weak = folder, ids, weak.float()

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        kinds = {"audio": "vggish", "visual_2d": "res152", "visual_3d": "r2plus1d_18"}
        name = f"{self.ids[i][:11]}.npy"
        features = {ours: np.load(self.folder / kind / name) for ours, kind in kinds.items()}
        return {"label": self.weak[i]} | {ours: torch.from_numpy(x) for ours, x in features.items()}


def inputs(batch: dict[str, Tensor], model: nn.Module, *more: str) -> list[Tensor]:
    """A batch's features, and what else is named, on the device of the model."""
    device = next(model.parameters()).device
    return [batch[name].to(device) for name in ("audio", "visual_2d", "visual_3d", *more)]


def train_epoch(model: nn.Module, optimizer: torch.optim.Optimizer, loader: DataLoader) -> float:
    """One epoch as such scripts have it; returns the mean loss."""
    total = 0.0
    model.train()
    for batch in loader:
        loss = loss_of(model, *inputs(batch, model, "label"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


def annotation_table(ids: tuple[str, ...], rolls: np.ndarray) -> pd.DataFrame:
    """Event rolls (N, T, C) as the rows of an annotation file: filename, onset, offset, event_labels."""
    rows = [
        (video, event.onset, event.offset, event.label)
        for video, roll in zip(ids, rolls, strict=True)
        for event in roll_to_events(torch.from_numpy(roll))
    ]
    return pd.DataFrame(rows, columns=["filename", "onset", "offset", "event_labels"])


def truth_of(table: pd.DataFrame, video: str) -> np.ndarray:
    """The event roll of one video, looked up in the table as evaluation scripts do for each video."""
    roll = np.zeros((10, 25), dtype=bool)
    for _, row in table.loc[table["filename"] == video].iterrows():
        roll[int(row["onset"]) : int(row["offset"]), CLASSES.index(row["event_labels"])] = True
    return roll


def score_all(
    audio: list[np.ndarray], visual: list[np.ndarray], ids: tuple[str, ...], tables: list[pd.DataFrame]
) -> dict[str, float]:
    """The ten scores of predictions, one video at a time, the truth looked up for each."""
    truths = [np.stack([truth_of(table, video) for video in ids]) for table in tables]
    return scores_one_video_at_a_time([np.stack(audio), np.stack(visual), *truths])


def evaluate(model: nn.Module, files: VideoFiles, tables: list[pd.DataFrame]) -> dict[str, float]:
    """Batch-1 evaluation: a file read, a forward pass and Python loops for every video."""
    model.eval()
    audio, visual = [], []
    with torch.no_grad():
        for sample in DataLoader(files, batch_size=1):
            video, _, _, p = model(*inputs(sample, model))
            gated = ((p[0] >= 0.5) & (video[0] >= 0.5)).cpu().numpy()
            audio.append(gated[:, 0])
            visual.append(gated[:, 1])
    return score_all(audio, visual, files.ids, tables)


def load_weights(plain: PlainHAN, ours: CMPIE) -> None:
    """Give the plain HAN the weights of ours; the biases that a softmax does not see become zero."""
    state = {k: torch.zeros_like(x) for k, x in plain.state_dict().items()}
    copies = {
        "audio": "front_end.audio", "visual_2d": "front_end.visual_2d", "visual_3d": "front_end.visual_3d",
        "fusion": "front_end.fusion", "prob": "head.classifier", "frame": "head.temporal",
        "modality": "head.modality",
    } | {f"layer.{k}": f"hans.0.layers.0.{k}" for k in ("linear1", "linear2", "norm1", "norm2")}  # fmt: skip
    values = ours.state_dict()
    for plain_name, our_name in copies.items():
        for kind in ("weight", "bias"):
            if f"{our_name}.{kind}" in values:
                state[f"{plain_name}.{kind}"] = values[f"{our_name}.{kind}"]
    for which in ("self_attention", "cross_attention"):
        nothing = torch.zeros_like(values[f"hans.0.layers.0.{which}.query.bias"])
        of = {kind: [values.get(f"hans.0.layers.0.{which}.{part}.{kind}", nothing)
                     for part in ("query", "key", "value")] for kind in ("weight", "bias")}  # fmt: skip
        for kind in ("weight", "bias"):
            state[f"layer.{which}.in_proj_{kind}"] = torch.cat(of[kind])
            state[f"layer.{which}.out_proj.{kind}"] = values[f"hans.0.layers.0.{which}.out.{kind}"]
    plain.load_state_dict(state)
