"""The encoders of LLP-sim: what VGGish, ResNet-152 and R(2+1)D-18 might give for a latent.

Each is a fixed linear view of the latent, a level, noise, and a ReLU:

    feature_t = relu(level + W z_t + noise)

A segment that is a gap (`corrupt_kind`) gives no more than the noise: there was nothing to hear or to see.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from cmpie_lite.data.llp_sim_labels import video_generator
from cmpie_lite.data.llp_sim_latents import LATENT_DIM
from cmpie_lite.data.llp_sim_rolls import Bools, Reals
from cmpie_lite.labels import AUDIO_DIM, VISUAL_2D_DIM, VISUAL_3D_DIM

Floats = npt.NDArray[np.float32]

GRID: Final = (
    2.0**-10
)  # features are multiples of this: sums of frames are exact, rounding hides the last bits
WIDTHS: Final = {"vggish": AUDIO_DIM, "res152": VISUAL_2D_DIM, "r2plus1d_18": VISUAL_3D_DIM}
# How an average feature looks: VGGish is sparse, averaged ResNet maps seldom vanish.
LEVELS: Final = {"vggish": 0.1, "res152": 0.4, "r2plus1d_18": 0.6}


@lru_cache(maxsize=16)
def view(encoder: str, seed: int) -> tuple[Reals, Reals]:
    """W (LATENT_DIM, D) and level (D,) of an encoder, the same for all videos of a seed."""
    rng = video_generator(seed, f"projection {encoder}")
    mixing = rng.standard_normal((LATENT_DIM, WIDTHS[encoder])) * (0.3 / np.sqrt(LATENT_DIM))
    return mixing, LEVELS[encoder] + 0.1 * rng.standard_normal(WIDTHS[encoder])


def encode(
    rng: np.random.Generator, encoder: str, latent: Reals, gap: Bools, seed: int, feature_noise: float
) -> Floats:
    """Features (T, D) of a latent (T, LATENT_DIM); nothing but noise where `gap` (T,) is true.

    Products are summed in a fixed order, not by a BLAS, so that the number of threads changes nothing.
    """
    mixing, level = view(encoder, seed)
    value = level + np.einsum("tl,ld->td", latent, mixing)
    value[gap] = 0.0
    value += feature_noise * rng.standard_normal(value.shape, np.float32)
    return np.maximum(np.rint(value / GRID) * GRID, 0.0).astype(np.float32)
