"""Readings that are not the default, each against its definition."""

from __future__ import annotations

import pytest
import torch

from cmpie_lite.aggregation import CrossModalAggregation
from cmpie_lite.config import ModelConfig
from cmpie_lite.model import FrontEnd
from cmpie_lite.segment_attention import SegmentAttention, squeeze
from cmpie_lite.support.fields import override
from tests.making_models import SMALL, build, inputs


def test_a_global_gate_squeezes_the_segments_and_still_weighs_them() -> None:
    """Eq. 4-7 with the printed sum: φ takes D numbers to T weights."""
    torch.manual_seed(0)
    config = ModelConfig(sa_axis="global", sa_squeeze="mean", dim=64)
    module, x = SegmentAttention(config), torch.randn(3, 10, 64)
    (refined,), weights = module([x])
    first, _, last, _ = module.gates["global"].phi[0]
    assert [tuple(layer.weight.shape) for layer in (first, last)] == [(4, 64), (10, 4)]  # D -> D/16 -> T
    expected = torch.sigmoid(last(torch.relu(first(x.mean(dim=1)))))
    torch.testing.assert_close(weights["global"][:, 0], expected)
    torch.testing.assert_close(refined, x * expected[:, :, None])
    shuffled = module([x.flip(1)])[1]["global"]
    torch.testing.assert_close(shuffled, weights["global"])  # it does not see where something is


@pytest.mark.parametrize(("axis", "left"), [(-1, 10), (-2, 64)])
def test_a_standardised_squeeze_has_the_size_that_the_network_expects(axis: int, left: int) -> None:
    torch.manual_seed(0)
    x = 0.01 * torch.randn(3, 10, 64, dtype=torch.float64)
    q, m = squeeze(x, axis, "standardised"), x.mean(dim=axis)
    assert q.shape == (3, left)
    for clip, mean in zip(q.tolist(), m.tolist(), strict=True):
        spread = (sum((v - sum(mean) / left) ** 2 for v in mean) / left + 1e-8) ** 0.5
        assert clip == pytest.approx([(v - sum(mean) / left) / spread for v in mean], abs=1e-9)
    torch.testing.assert_close(squeeze(3 * x + 5, axis, "standardised"), q, rtol=0.05, atol=0)
    still = torch.ones(1, 10, 64, dtype=torch.float64)
    assert not squeeze(still, axis, "standardised").any()  # nothing happens in it: no noise is blown up


def test_a_mean_of_signed_channels_tells_the_gate_nothing_and_the_default_squeeze_does() -> None:
    """Why the default standardises: at D = 512 a gate that reads the mean is the same for every clip."""
    torch.manual_seed(0)
    clips = torch.nn.Linear(128, 512)(torch.rand(64, 10, 128)).detach()
    for seed in range(1, 11):
        spread = {}
        for how in ("mean", "standardised"):
            torch.manual_seed(seed)
            gate = SegmentAttention(ModelConfig(sa_squeeze=how))([clips])[1]["segment"]
            spread[how] = gate.detach().std(dim=0).mean().item()
        assert spread["mean"] < 0.01 < 0.03 < spread["standardised"], seed
    assert ModelConfig().sa_squeeze == "standardised"


def test_segment_attention_may_read_what_han_wrote() -> None:
    """sa_input="aggregated": stream s is HAN -> SA -> HAN, and the first HAN is that of stream h."""
    config = ModelConfig(sa_input="aggregated", cma_audio=False, cma_visual=False)
    model = build(config).eval()
    features = model.front_end(*inputs())
    written = model.hans[0](features)[0]
    gated, _ = model.segment_attention(written.unbind(1))
    mean = (written + model.hans[1](torch.stack(gated, dim=1))[0]) / 2
    torch.testing.assert_close(model(*inputs()).segments, model.head(mean)[0])


def test_a_mean_over_channels_of_what_han_wrote_is_zero_everywhere() -> None:
    """HAN ends in a layer norm: before it has learned another, SA by segment sees nothing but zeros there."""
    model = build(ModelConfig()).eval()
    written = model.hans[0](model.front_end(*inputs()))[0]
    assert written.abs().mean() > 0.1
    assert squeeze(written[:, 0], -1, "mean").abs().max() < 1e-6


def test_one_block_per_modality_may_serve_both_streams() -> None:
    shared = build(ModelConfig(cma_sharing="modality")).eval()
    streams, each = (build(ModelConfig(cma_sharing=how)) for how in ("per_stream", "per_modality"))
    assert [len(m.aggregations) for m in (shared, streams, each)] == [1, 2, 2]
    sizes = [sum(p.numel() for p in m.aggregations.parameters()) for m in (shared, streams, each)]
    assert sizes[0] == sizes[1] == sizes[2] / 2  # two blocks, two blocks, four
    audio, visual = shared.aggregations[0].blocks
    calls = {"audio": 0, "visual": 0}
    audio.register_forward_hook(lambda *_: calls.update(audio=calls["audio"] + 1))
    visual.register_forward_hook(lambda *_: calls.update(visual=calls["visual"] + 1))
    weights = shared(*inputs()).weights
    assert calls == {"audio": 2, "visual": 2}
    assert {"h.cma.audio", "h.cma.visual", "s.cma.audio", "s.cma.visual"} <= weights.keys()


def test_a_residual_moves_features_and_does_not_replace_them() -> None:
    """Eq. 8-11 as default: ĝ = LN(f̂ + δ_attn(f̂, F̂, F̂)); "residual" leaves out the norm."""
    features = torch.randn(3, 2, 10, 32, generator=torch.Generator().manual_seed(0))
    blocks = {}
    for form in ("projected", "residual", "residual_norm"):
        torch.manual_seed(1)
        blocks[form] = CrossModalAggregation(override(ModelConfig(), SMALL | {"cma_form": form})).eval()
    read, moved, normed = (blocks[form](features)[0] for form in blocks)
    torch.testing.assert_close(moved, features + read)
    torch.testing.assert_close(normed, torch.nn.functional.layer_norm(features + read, (32,)))
    assert len(list(blocks["residual"].parameters())) == len(list(blocks["projected"].parameters()))


def test_the_front_end_that_the_paper_words_joins_before_it_projects() -> None:
    torch.manual_seed(0)
    front_end, (audio, frames, clips) = FrontEnd(16, "mlp"), inputs()
    first, _, last = front_end.mlp
    assert first.in_features == 2048 + 512
    expected = last(torch.relu(first(torch.cat([frames, clips], dim=-1))))
    torch.testing.assert_close(front_end(audio, frames, clips)[:, 1], expected)
    han = sum(p.numel() for p in FrontEnd(512).parameters())
    mlp = sum(p.numel() for p in FrontEnd(512, "mlp").parameters())
    assert han - mlp == (2 * 512 * 512 + 3 * 512) - (512 * 512 + 2 * 512)  # two linear maps fewer, one more
