"""The usual way to do this task, written plainly, as the baseline that the benchmarks measure against.

One .npy file per video and modality behind a DataLoader, 80 frames of 2D features a video, a HAN of separate
per-modality calls on PyTorch's own attention, batch-1 evaluation, scores by Python loops over videos.
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


class PlainLayer(nn.Module):
    def __init__(self, dim: int = 512) -> None:
        super().__init__()
        self.self_attention = nn.MultiheadAttention(dim, 1, dropout=0.1, batch_first=True)
        self.cross_attention = nn.MultiheadAttention(dim, 1, dropout=0.1, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        cross, _ = self.cross_attention(x, other, other)
        own, _ = self.self_attention(x, x, x)
        h = self.norm1(x + self.drop(cross) + self.drop(own))
        return self.norm2(h + self.drop(self.linear2(self.drop(torch.relu(self.linear1(h))))))


class PlainHAN(nn.Module):
    """HAN with 80-frame input, one call per modality."""

    def __init__(self, dim: int = 512, classes: int = 25) -> None:
        super().__init__()
        self.audio, self.visual_2d = nn.Linear(128, dim), nn.Linear(2048, dim)
        self.visual_3d, self.fusion = nn.Linear(512, dim), nn.Linear(2 * dim, dim)
        self.layer = PlainLayer(dim)
        self.prob, self.frame, self.modality = (nn.Linear(dim, classes) for _ in range(3))

    def forward(self, audio: Tensor, visual_2d: Tensor, visual_3d: Tensor) -> tuple[Tensor, ...]:
        a = self.audio(audio)
        frames = self.visual_2d(visual_2d).transpose(1, 2)
        v = nn.functional.avg_pool1d(frames, 8).transpose(1, 2)
        v = self.fusion(torch.cat([v, self.visual_3d(visual_3d)], -1))
        x = torch.stack([self.layer(a, v), self.layer(v, a)], dim=2)
        p = torch.sigmoid(self.prob(x))
        w_t, w_m = torch.softmax(self.frame(x), 1), torch.softmax(self.modality(x), 2)
        video, single = (w_t * w_m * p).sum((1, 2)), (w_t * p).sum(1)
        return video, single[:, 0], single[:, 1], p


def train_epoch(model: nn.Module, optimizer: torch.optim.Optimizer, loader: DataLoader) -> float:
    """One epoch as such scripts have it; returns the mean loss."""
    criterion, total = nn.BCELoss(), 0.0
    model.train()
    for batch in loader:
        y = batch["label"]
        video, audio, visual, _ = (x.clamp(1e-7, 1 - 1e-7) for x in
                                   model(batch["audio"], batch["visual_2d"], batch["visual_3d"]))  # fmt: skip
        loss = criterion(audio, y) + criterion(visual, 0.9 * y + 0.05) + criterion(video, y)
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
            video, _, _, p = model(sample["audio"], sample["visual_2d"], sample["visual_3d"])
            gated = (p[0] >= 0.5) & (video[0] >= 0.5)
            audio.append(gated[:, 0].numpy())
            visual.append(gated[:, 1].numpy())
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
        of = {kind: [values.get(f"hans.0.layers.0.{which}.{part}.{kind}", torch.zeros(512))
                     for part in ("query", "key", "value")] for kind in ("weight", "bias")}  # fmt: skip
        for kind in ("weight", "bias"):
            state[f"layer.{which}.in_proj_{kind}"] = torch.cat(of[kind])
            state[f"layer.{which}.out_proj.{kind}"] = values[f"hans.0.layers.0.{which}.out.{kind}"]
    plain.load_state_dict(state)
