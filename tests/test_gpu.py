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

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.metrics import parsing_scores
from cmpie_lite.support.fields import override
from cmpie_lite.training.loop import new_model, train
from cmpie_lite.training.seeds import Stack, Stepper, train_seeds
from tests.making import mixed_store
from tests.making_rolls import random_rolls
from tests.making_seeds import DROPPING, SEEDS, STILL, distance

if TYPE_CHECKING:
    from data_fetch.extract.weights import Networks

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(scope="module")
def store() -> FeatureStore:
    return mixed_store()


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
@pytest.mark.parametrize("compile_", [False, True])
def test_recorded_steps_reproduce_the_eager_loop(precision: str, compile_: bool, store: FeatureStore) -> None:
    config, recipe = STILL["cmpie"], TrainConfig(epochs=3, batch_size=16)
    fast = override(recipe, {"precision": precision, "compile": compile_})
    runs = train_seeds(config, fast, store, SEEDS, device="cuda", cuda_graph=True)
    alone = [train(config, override(recipe, {"seed": s}), store, device="cuda") for s in SEEDS]
    bound = 1e-4 if precision == "float32" else 2e-2
    for ours, expected in zip(runs, alone, strict=True):
        assert distance(ours.model, expected.model) < bound


def test_recorded_dropout_is_new_at_each_step(store: FeatureStore) -> None:
    stack = Stack.of([new_model(DROPPING, 0)] * 2, torch.device("cuda"))
    recipe = TrainConfig(batch_size=16, learning_rate=1e-12)
    stepper = Stepper(stack, store.train.to("cuda"), recipe, cuda_graph=True)
    losses = []
    for _ in range(3):
        stepper.total.zero_()
        stepper.step()
        losses += stepper.total.sum(1).tolist()
    assert len(set(losses)) == 6


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
