"""The path of real data, end to end: annotations, official layout, packing, training, scores."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.annotations import read_annotations
from cmpie_lite.data.llp_sim import SimConfig
from cmpie_lite.results.metric_tables import trivial_references
from cmpie_lite.support.fields import override
from cmpie_lite.systems.rows import SYSTEMS
from tests.real_labels import SOURCE, first, run

EASY = SimConfig(audio_signal=40.0, visual_signal=40.0, distractor=0.0, ghost=0.0)


@pytest.mark.shared
def test_real_annotations_are_packed_trained_and_scored(shared: Path, tmp_path: Path) -> None:
    real = read_annotations(shared / "llp", "2024")
    annotations = dataclasses.replace(
        real, train=first(real.train, 320), val=first(real.val, 40), test=first(real.test, 120)
    )
    recipe = TrainConfig(epochs=6, learning_rate=2e-3)
    store, scores = run(
        annotations, tmp_path, EASY, override(SYSTEMS["han"].config, {"dim": 64, "ffn_dim": 64}), recipe
    )
    assert store.source == SOURCE
    assert store.test.ids == real.test.ids[:120]
    for ours, theirs in zip(store.test.truth(), (real.test.dense_audio, real.test.dense_visual), strict=True):
        assert theirs is not None
        assert np.array_equal(ours.numpy(), theirs[:120])
    assert store.train.dense_audio is None
    references = trivial_references(store.test.weak, *store.test.truth())
    assert scores.segment_type > references["nothing"].segment_type + 0.1
