"""MM-Pyramid: its bands, dilations and levels, its swapped order, and the authors' forward pass."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cmpie_lite.losses import weak_label_loss
from cmpie_lite.systems.build import build
from cmpie_lite.systems.mm_pyramid import BandedAttention, MMPyramidConfig, TemporalBlock
from tests.making_models import inputs
from tests.making_systems import PYRAMID, SMALL, influence, make


@pytest.mark.parametrize("reach", [1, 2, 4, 8])
def test_banded_attention_reads_its_band_and_nothing_else(reach: int) -> None:
    torch.manual_seed(0)
    weights = BandedAttention(16, 4, 0.0, reach)(torch.randn(2, 10, 16), torch.randn(2, 10, 16)).weights
    t = torch.arange(10)
    inside = (t[:, None] - t).abs() <= reach
    assert torch.equal(weights > 0, inside.expand(2, 10, 10))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 10))


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_temporal_blocks_see_three_segments_a_dilation_apart(dilation: int) -> None:
    torch.manual_seed(0)
    block, x = TemporalBlock(16, dilation), torch.rand(1, 10, 16)
    moved = x.clone()
    moved[0, 5] += 1
    change = (block(moved) - block(x)).detach().abs().sum(-1)[0]
    assert [t for t in range(10) if change[t] > 0] == [5 - dilation, 5, 5 + dilation]


@pytest.mark.parametrize(("levels", "reach"), [(1, 2), (2, 6), (3, 14)])
def test_receptive_field_doubles_with_each_level(levels: int, reach: int) -> None:
    """A level adds 2^i by attention and 2^i by convolution: 2 (2^levels - 1) segments to either side."""
    model = make(MMPyramidConfig(levels=levels, **PYRAMID))
    t = torch.arange(10)
    inside = (t[:, None] - t).abs() <= reach
    for source in range(3):
        for modality in range(2):
            assert torch.equal(influence(model, source, modality) > 0, inside)


def test_swapped_order_reads_visual_as_audio() -> None:
    named, swapped = make(SMALL["mm_pyramid"]).eval(), make(SMALL["mm_pyramid_swapped"]).eval()
    swapped.load_state_dict(named.state_dict())
    one, other = named(*inputs()), swapped(*inputs())
    torch.testing.assert_close(other.segments, one.segments.flip(2))
    torch.testing.assert_close((other.audio, other.visual), (one.visual, one.audio))
    torch.testing.assert_close(other.video, one.video)
    assert (one.audio - one.visual).abs().max().item() > 1e-3


def test_swapped_order_smooths_the_labels_of_the_audio_stream() -> None:
    """The same weights, another loss: smoothing falls on what stands at index 1."""
    named, swapped = make(SMALL["mm_pyramid"]).eval(), make(SMALL["mm_pyramid_swapped"]).eval()
    swapped.load_state_dict(named.state_dict())
    labels = torch.eye(25)[:3]
    losses = [
        weak_label_loss(p.audio, p.visual, p.video, labels) for p in (named(*inputs()), swapped(*inputs()))
    ]
    plain = [
        weak_label_loss(p.audio, p.visual, p.video, labels, 0.0)
        for p in (named(*inputs()), swapped(*inputs()))
    ]
    torch.testing.assert_close(plain[0].total, plain[1].total)
    assert abs(losses[0].total.item() - losses[1].total.item()) > 1e-5


def test_level_weights_lie_between_zero_and_one() -> None:
    weights = make(SMALL["mm_pyramid"]).eval()(*inputs()).weights
    assert weights["levels"].shape == (3, 2, 10, 4)
    assert bool(((weights["levels"] > 0) & (weights["levels"] < 1)).all())
    assert {f"{level}.{name}" for level in range(4) for name in ("self", "cross")} < set(weights)


@pytest.mark.parametrize(("d", "f", "levels"), [(512, 512, 4), (64, 16, 2)])
def test_parameters_of_mm_pyramid_are_accounted_for(d: int, f: int, levels: int) -> None:
    linear = lambda i, o: i * o + o  # noqa: E731
    attention = 3 * linear(d, d) + d * d  # query, value, out; the key has no bias
    layer = attention + linear(d, f) + linear(f, d) + 2 * 2 * d
    block = (3 * d * d + d) + linear(d, d)
    level = 3 * layer + 2 * 2 * linear(2 * d, d) + 2 * block
    fusion = 2 * (layer + linear(d, 1))
    ends = linear(128, d) + linear(2048, d) + linear(512, d) + linear(2 * d, d) + linear(d, 25) + 2 * d * 25
    model = build(MMPyramidConfig(dim=d, ffn_dim=f, levels=levels))
    assert sum(p.numel() for p in model.parameters()) == levels * level + fusion + ends


def test_parameters_of_the_authors_mm_pyramid() -> None:
    """Theirs constructs more, all without effect: biases that a softmax does not see, and what never runs."""
    layers = 3 * 4 + 2
    blind = layers * 512 + 2 * 25  # key biases, pooling biases
    norms = layers * 2 * 512  # one in each attention
    templates = 2 * (4 * (512 * 512 + 512) + 2 * 512 + 2 * (512 * 512 + 512))  # copied from, then kept
    ours = sum(p.numel() for p in build(MMPyramidConfig()).parameters())
    assert ours == 40_820_251
    assert ours + blind + norms + templates == 43_995_725


# Of the authors' code (repository JustinYuu/MM_Pyramid, commit 1c641a5), given the weights and inputs below:
# the first three classes of the three video-level probabilities, and mean and spread of the segments'.
AUTHORS = {
    "video": [0.391783, 0.599704, 0.431782],
    "audio": [0.961297, 0.673217, 0.401139],
    "visual": [0.31277, 0.545877, 0.303125],
    "segments": [0.546539, 0.310172],
}


def seeded_weights(model: nn.Module) -> dict[str, Tensor]:
    """Weights by parameter name, the same on every machine: normal, spread 1/√fan-in, norms about one."""
    state = {}
    for name, p in model.state_dict().items():
        x = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(p.shape, dtype=np.float32)
        scale = 0.1 if p.ndim == 1 else 1 / np.sqrt(p[0].numel())
        state[name] = torch.from_numpy(x * np.float32(scale) + ("norm" in name and "weight" in name))
    return state


def test_mm_pyramid_equals_the_authors_forward() -> None:
    """With the same weights, "swapped" is the public code; found equal to 1e-15 in double precision."""
    model = build(MMPyramidConfig(order="swapped")).eval()
    model.load_state_dict(seeded_weights(model))
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((2, *shape), dtype=np.float32) for shape in ((10, 128), (80, 2048), (10, 512))]
    parsed = model(*map(torch.from_numpy, x))
    for name, expected in AUTHORS.items():
        if name == "segments":
            found = [parsed.segments.mean().item(), parsed.segments.std().item()]
        else:
            found = getattr(parsed, name)[0, :3].tolist()
        assert found == pytest.approx(expected, abs=5e-5), name
