"""What needs a GPU: the same scores, training and features as on the CPU.

This file and what it imports need no more than torch, numpy, pytest and what the package itself needs.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from cmpie_lite.metrics import parsing_scores
from tests.making_rolls import random_rolls

if TYPE_CHECKING:
    from data_fetch.extract.weights import Networks

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_scores_are_the_same_on_a_gpu() -> None:
    rolls = random_rolls(0, (300, 10, 25), 0.2)
    on_gpu = parsing_scores(*(x.cuda() for x in rolls)).as_dict()
    assert on_gpu == pytest.approx(parsing_scores(*rolls).as_dict(), abs=1e-12)


@pytest.mark.skipif(not (find_spec("av") and find_spec("PIL")), reason="needs PyAV and Pillow")
def test_gpu_gives_the_cpus_features(clips: Path, tiny: Networks) -> None:
    from data_fetch.extract.video import extract_video
    from data_fetch.extract.weights import load_networks

    video = sorted((clips / "videos").glob("*.mp4"))[0]
    there = extract_video(video, load_networks("tiny", "cuda"))
    np.testing.assert_allclose(there.visual_2d, extract_video(video, tiny).visual_2d, rtol=1e-3, atol=1e-3)
