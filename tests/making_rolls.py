"""Predictions and truths that tests of metrics score: written by hand, or random."""

from __future__ import annotations

import torch
from torch import Tensor


def roll(*videos: str) -> Tensor:
    """One class per line of a video, one segment per character: '#' is on. Returns (N, T, C)."""
    return torch.tensor([[[x == "#" for x in line] for line in video.split("\n")] for video in videos]).mT


def random_rolls(seed: int, shape: tuple[int, int, int], density: float) -> list[Tensor]:
    """Audio and visual predictions and truths that resemble each other, with some videos empty."""
    generator = torch.Generator().manual_seed(seed)
    noise = [torch.rand(shape, generator=generator) for _ in range(4)]
    truths = [x < density for x in noise[:2]]
    preds = [truth ^ (x < density / 2) for truth, x in zip(truths, noise[2:], strict=True)]
    full = torch.rand(4, shape[0], 1, 1, generator=generator) < 0.7
    return [x & keep for x, keep in zip(preds + truths, full, strict=True)]
