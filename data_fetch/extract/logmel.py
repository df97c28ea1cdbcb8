"""The input of VGGish: one 96 x 64 log-mel patch per second of sound.

Frames of 25 ms every 10 ms under a periodic Hann window, a 512-point FFT, magnitudes, 64 bands that are
triangles on the HTK mel scale between 125 and 7500 Hz, log(mel + 0.01). Each second stands alone: no window
reaches into the next, and the first 96 of its 98 frames are kept. (AudioSet, Hershey et al. 2017.)
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from data_fetch.extract.decode import SAMPLE_RATE

WINDOW: Final = 400  # samples, 25 ms
HOP: Final = 160  # samples, 10 ms
FFT: Final = 512
BANDS: Final = 64
PATCH_FRAMES: Final = 96
LOW_HZ: Final = 125.0
HIGH_HZ: Final = 7500.0
OFFSET: Final = 0.01


def mel_scale(hertz: Tensor) -> Tensor:
    """HTK mels: 1127 ln(1 + f / 700)."""
    return 1127.0 * torch.log1p(hertz / 700.0)


@lru_cache(maxsize=1)
def mel_matrix() -> Float[Tensor, "257 64"]:
    """Weights of the FFT's bins in each band: triangles in mels, not in hertz; the constant bin has none."""
    bins = mel_scale(torch.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1, dtype=torch.float64))
    low, high = mel_scale(torch.tensor([LOW_HZ, HIGH_HZ], dtype=torch.float64)).tolist()
    edges = torch.linspace(low, high, BANDS + 2, dtype=torch.float64)
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    weights = torch.minimum(rising, falling).clamp(min=0)
    weights[0] = 0
    return weights


def log_mel(waveform: Float[Tensor, " samples"]) -> Float[Tensor, "seconds 1 96 64"]:
    """Log-mel patches of a 16 kHz waveform in [-1, 1], one per whole second (the rest is dropped).

    Returns:
        float32, natural logarithm; silence is log(0.01) = -4.61 everywhere.
    """
    seconds = waveform.double()[: len(waveform) // SAMPLE_RATE * SAMPLE_RATE].reshape(-1, SAMPLE_RATE)
    frames = seconds.unfold(1, WINDOW, HOP)[:, :PATCH_FRAMES]
    window = torch.hann_window(WINDOW, periodic=True, dtype=torch.float64)
    magnitudes = torch.fft.rfft(frames * window, n=FFT).abs()
    return torch.log(magnitudes @ mel_matrix() + OFFSET).float()[:, None]
