"""HAN trained the usual way, written plainly: PyTorch's own attention, a call per modality, Adam.

It takes from the package what is not on trial: a split's tensors and the recipe's numbers. Model,
initialisation, loss, schedule, choice of the epoch, decoding and scores are its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.store import FeatureStore, Split
from tests.oracles.metrics import parsing_scores


class PlainLayer(nn.Module):
    def __init__(self, dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.self_attention = nn.MultiheadAttention(dim, 1, dropout=dropout, batch_first=True)
        self.cross_attention = nn.MultiheadAttention(dim, 1, dropout=dropout, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        cross, _ = self.cross_attention(x, other, other)
        own, _ = self.self_attention(x, x, x)
        h = self.norm1(x + self.drop(cross) + self.drop(own))
        return self.norm2(h + self.drop(self.linear2(self.drop(torch.relu(self.linear1(h))))))


class PlainHAN(nn.Module):
    """HAN with one call per modality; 80 frames of 2D features, or 10 that are already their means."""

    def __init__(self, dim: int = 512, classes: int = 25, dropout: float = 0.1) -> None:
        super().__init__()
        self.audio, self.visual_2d = nn.Linear(128, dim), nn.Linear(2048, dim)
        self.visual_3d, self.fusion = nn.Linear(512, dim), nn.Linear(2 * dim, dim)
        self.layer = PlainLayer(dim, dropout)
        self.prob, self.frame, self.modality = (nn.Linear(dim, classes) for _ in range(3))

    def forward(self, audio: Tensor, visual_2d: Tensor, visual_3d: Tensor) -> tuple[Tensor, ...]:
        a = self.audio(audio)
        frames = self.visual_2d(visual_2d).transpose(1, 2)
        v = nn.functional.adaptive_avg_pool1d(frames, 10).transpose(1, 2)
        v = self.fusion(torch.cat([v, self.visual_3d(visual_3d)], -1))
        x = torch.stack([self.layer(a, v), self.layer(v, a)], dim=2)
        p = torch.sigmoid(self.prob(x))
        w_t, w_m = torch.softmax(self.frame(x), 1), torch.softmax(self.modality(x), 2)
        video, single = (w_t * w_m * p).sum((1, 2)), (w_t * p).sum(1)
        return video, single[:, 0], single[:, 1], p


def loss_of(model: nn.Module, audio: Tensor, visual_2d: Tensor, visual_3d: Tensor, y: Tensor) -> Tensor:
    """The sum of three cross-entropies; only the visual target is smoothed."""
    criterion = nn.BCELoss()
    video, a, v, _ = (x.clamp(1e-7, 1 - 1e-7) for x in model(audio, visual_2d, visual_3d))
    return criterion(a, y) + criterion(v, 0.9 * y + 0.05) + criterion(video, y)


def evaluate(model: nn.Module, split: Split) -> dict[str, float]:
    """The ten scores, by the loops of tests/oracles/metrics.py."""
    model.eval()
    with torch.no_grad():
        video, _, _, p = model(split.audio, split.visual_2d, split.visual_3d)
    found = ((p >= 0.5) & (video >= 0.5)[:, None, None]).unbind(2)
    return parsing_scores(*(roll.tolist() for roll in (*found, *split.truth())))


def fit(
    store: FeatureStore,
    recipe: TrainConfig,
    dim: int = 512,
    start: Mapping[str, Tensor] | None = None,
    orders: Sequence[Sequence[int]] | None = None,
    **changes: Any,
) -> PlainHAN:
    """Train one seed; the model of the epoch that was best by validation segment Type@AV.

    Its first weights are `start`, and its epochs take the videos in these `orders`, where they are given.
    """
    torch.manual_seed(recipe.seed)
    model = PlainHAN(dim, **changes)
    model.load_state_dict(start or model.state_dict())
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, recipe.lr_step, recipe.lr_gamma)
    split = store.train
    videos = TensorDataset(split.audio, split.visual_2d, split.visual_3d, split.weak.float())
    best, weights = -1.0, {}
    for epoch in range(recipe.epochs):
        model.train()
        order = orders[epoch] if orders else RandomSampler(videos)
        for batch in DataLoader(videos, recipe.batch_size, sampler=order):
            loss = loss_of(model, *batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        val = evaluate(model, store.val)["segment_type"]
        if val >= best:
            best, weights = val, {name: x.clone() for name, x in model.state_dict().items()}
    model.load_state_dict(weights)
    return model.eval()


def train(store: FeatureStore, recipe: TrainConfig, dim: int = 512, **changes: Any) -> dict[str, float]:
    """The test scores of a model that is trained by `fit`."""
    return evaluate(fit(store, recipe, dim, **changes), store.test)
