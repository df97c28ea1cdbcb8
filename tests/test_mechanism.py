"""Measures of what SA and CMA do with spoilt segments: blocks that look, blocks that do not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cmpie_lite.results.mechanism import MEASURES, attention_measures, auc, gate_measures, mechanism

SPOILT = torch.rand(200, 2, 10, generator=torch.Generator().manual_seed(0)) < 0.3


def test_auc_of_ordered_tied_and_reversed_scores() -> None:
    labels = torch.tensor([True, True, False, False])
    assert auc(torch.tensor([4.0, 3.0, 2.0, 1.0]), labels) == 1.0
    assert auc(torch.tensor([1.0, 2.0, 3.0, 4.0]), labels) == 0.0
    assert auc(torch.ones(4), labels) == 0.5
    assert auc(torch.tensor([4.0, 1.0, 3.0, 2.0]), labels) == 0.5
    assert math.isnan(auc(torch.ones(2), torch.tensor([True, True])))


@settings(deadline=None, derandomize=True)
@given(
    scores=arrays(np.float32, 30, elements=st.integers(0, 5).map(float)),
    labels=arrays(bool, 30).filter(lambda x: x.any() and not x.all()),
)
def test_auc_is_the_share_of_pairs_in_order(scores: np.ndarray, labels: np.ndarray) -> None:
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[labels] for n in scores[~labels]]
    assert auc(torch.from_numpy(scores), torch.from_numpy(labels)) == pytest.approx(np.mean(pairs))


def test_a_gate_that_sees_spoilt_segments_and_one_that_knows_places_only() -> None:
    seeing = gate_measures(0.9 - 0.5 * SPOILT.float(), SPOILT)
    assert seeing["gate_auc"] == 1.0
    assert seeing["gate_videos"] == pytest.approx(0.5 * math.sqrt(0.3 * 0.7), abs=0.02)
    places = torch.linspace(0.2, 0.8, 10).expand(200, 2, 10)
    blind = gate_measures(places, SPOILT)
    assert blind["gate_auc"] == pytest.approx(0.5, abs=0.05)
    assert blind["gate_videos"] == pytest.approx(0.0, abs=1e-6)
    assert blind["gate_places"] == pytest.approx(float(places[0, 0].double().std(correction=0)), abs=1e-6)
    assert math.isnan(gate_measures(places, torch.zeros_like(SPOILT))["gate_auc"])


def test_attention_that_avoids_spoilt_keys_and_attention_that_does_not() -> None:
    clean = (~SPOILT).flatten(1).float()
    avoiding = (clean / clean.sum(1, keepdim=True))[:, None].expand(200, 10, 20)
    found = attention_measures([avoiding, avoiding], SPOILT)
    assert found["cma_clean"] == pytest.approx(float(SPOILT.double().mean()))
    even = attention_measures([torch.full((200, 10, 20), 1 / 20)], SPOILT)
    assert even["cma_clean"] == pytest.approx(0.0, abs=1e-6)
    assert even["cma_audio"] == pytest.approx(0.5)
    heard = torch.cat([torch.full((200, 10, 10), 0.1), torch.zeros(200, 10, 10)], dim=2)
    assert attention_measures([heard], SPOILT)["cma_audio"] == pytest.approx(1.0)


def test_blocks_that_are_not_there_have_no_measure() -> None:
    found = mechanism({"temporal": torch.ones(200, 10, 2, 25)}, SPOILT)
    assert set(found) == set(MEASURES)
    assert all(map(math.isnan, found.values()))
    joined = mechanism({"h.cma.audio": torch.full((200, 10, 10), 0.1)}, SPOILT)  # keys of width 2D
    assert math.isnan(joined["cma_audio"])
    whole = mechanism({"sa.segment": torch.rand(200, 2, 10), "h.cma.audio": torch.rand(200, 10, 20)}, SPOILT)
    assert not any(map(math.isnan, whole.values()))
