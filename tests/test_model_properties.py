"""Properties of every configuration: gradients, probabilities, symmetries, rows of ablations, controls."""

from __future__ import annotations

import pytest
import torch

from cmpie_lite.aggregation import CrossModalAggregation
from cmpie_lite.config import ModelConfig
from cmpie_lite.losses import weak_label_loss
from cmpie_lite.model import CMPIE
from cmpie_lite.support.fields import override
from cmpie_lite.systems.rows import SYSTEMS, configs
from tests.making_models import SMALL, assert_frames_are_pooled, build, inputs

READINGS = {
    "front_end": ("mlp",),
    "sa_axis": ("global", "channel", "both"),
    "sa_squeeze": ("mean", "sum"),
    "sa_layers": (1, 3),
    "sa_reduction": (1, 5),
    "sa_sharing": ("per_modality",),
    "sa_input": ("raw",),
    "han_sharing": ("one",),
    "cma_concat": ("features",),
    "cma_form": ("residual", "projected", "printed"),
    "cma_sharing": ("modality", "per_modality"),
    "heads": (4,),
    "han_layers": (2,),
}
CONFIGS = configs(2) | {
    f"{field}={value}": override(ModelConfig(), {field: value})
    for field, values in READINGS.items()
    for value in values
}
CONFIGS["sa_input=aggregated,sa_axis=global"] = ModelConfig(sa_input="aggregated", sa_axis="global")


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_every_parameter_receives_a_gradient(config: ModelConfig) -> None:
    """In at least one of two initialisations: the two hidden units of a narrow φ may both be dead in one."""
    reached: dict[str, float] = {}
    for seed in (0, 1):
        model = build(config, seed)
        parsed = model(*inputs())
        weak_label_loss(parsed.audio, parsed.visual, parsed.video, torch.eye(25)[:3]).total.backward()
        for name, p in model.named_parameters():
            size = 0.0 if p.grad is None else float(p.grad.abs().max())
            reached[name] = max(size, reached.get(name, 0.0))
    assert not [name for name, size in reached.items() if size < 1e-9]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_probabilities_and_weights(config: ModelConfig) -> None:
    parsed = build(config).eval()(*inputs())
    assert parsed.segments.shape == (3, 10, 2, 25)
    for probs in (parsed.audio, parsed.visual, parsed.segments):
        assert bool(((probs >= 0) & (probs <= 1)).all())
    assert bool(((parsed.video >= 0) & (parsed.video < 2)).all())  # its weights sum to less than 2, not to 1
    for name, weights in parsed.weights.items():
        assert bool((weights >= 0).all()), name
        if name.startswith("sa."):
            assert bool((weights < 1).all()), name
        else:
            axis = {"temporal": 1, "modality": 2}.get(name, -1)
            torch.testing.assert_close(weights.sum(dim=axis), torch.ones_like(weights.sum(dim=axis)))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_eighty_frames_equal_ten_pooled_segments(config: ModelConfig) -> None:
    assert_frames_are_pooled(build(config).eval())


def test_permuting_segments_permutes_han() -> None:
    model = build(SYSTEMS["han"].config).eval()
    x = inputs()
    order = torch.randperm(10, generator=torch.Generator().manual_seed(1))
    straight, permuted = model(*x), model(*(f[:, order] for f in x))
    torch.testing.assert_close(permuted.segments, straight.segments[:, order])
    torch.testing.assert_close(permuted.video, straight.video)


def test_segment_attention_knows_the_order_of_segments() -> None:
    model = build(SYSTEMS["segment_attention"].config).eval()
    x = inputs()
    straight, reversed_ = model(*x), model(*(f.flip(1) for f in x))
    assert (reversed_.segments - straight.segments.flip(1)).abs().max().item() > 1e-6


@pytest.mark.parametrize("name", ["han", "segment_attention", "cmpie"])
def test_swapping_modalities_swaps_results_where_weights_are_shared(name: str) -> None:
    """Past the front end all weights serve both modalities: swap the features, and the answers swap.

    CMA's keys are then permuted, which a softmax over tokens does not mind.
    """
    model = build(SYSTEMS[name].config).eval()
    features = torch.randn(3, 2, 10, 32, generator=torch.Generator().manual_seed(0))
    model.front_end.forward = lambda *x: features  # type: ignore[method-assign]
    one = model(*inputs())
    features = features.flip(1)
    other = model(*inputs())
    torch.testing.assert_close(other.segments, one.segments.flip(2))
    torch.testing.assert_close((other.audio, other.visual), (one.visual, one.audio))
    torch.testing.assert_close(other.video, one.video)


def test_ablation_rows_differ_only_in_their_blocks() -> None:
    sizes = {name: sum(p.numel() for p in CMPIE(config).parameters()) for name, config in configs(2).items()}
    han, sa, full = sizes["han"], sizes["segment_attention"], sizes["cmpie"]
    assert han == 4_569_675 - 2 * 25 - 2 * 512  # the authors' used parameters less the ones a softmax ignores
    assert sizes["without_visual"] == sizes["without_audio"] == full
    assert full - sa == 2 * (4 * 512 * 512 + 3 * 512 + 2 * 512)
    assert sa - han == sum(p.numel() for p in CMPIE(SYSTEMS["han"].config).hans.parameters()) + (
        10 * 5 + 5
    ) + (5 * 10 + 10)


@pytest.mark.parametrize(
    "changes",
    [{}, {"cma_concat": "features"}, {"cma_form": "residual"}, {"cma_form": "projected"}, {"heads": 4}],
)
def test_modalities_that_share_a_block_may_ask_it_together(changes: dict) -> None:
    """Eq. 8-11: 2T queries at once read what each modality's T queries read alone."""
    config = override(ModelConfig(), SMALL | changes)
    torch.manual_seed(0)
    together = CrossModalAggregation(config).eval()
    (block,) = together.blocks
    features = torch.randn(3, 2, 10, config.dim)
    context = torch.cat(features.unbind(1), dim=together.concat_axis)
    values, weights = together(features)
    for m, modality in enumerate(("audio", "visual")):
        alone = block(features[:, m], context)
        torch.testing.assert_close((values[:, m], weights[modality]), tuple(alone))


@pytest.mark.parametrize(("row", "kept"), [("without_visual", "audio"), ("without_audio", "visual")])
def test_ablations_keep_the_modality_that_the_caption_says(row: str, kept: str) -> None:
    weights = build(SYSTEMS[row].config).eval()(*inputs()).weights
    assert {name for name in weights if ".cma." in name} == {f"h.cma.{kept}", f"s.cma.{kept}"}


def test_two_hans_are_the_mean_of_two_hans() -> None:
    model = build(SYSTEMS["two_hans"].config).eval()
    features = model.front_end(*inputs())
    one, two = (han(features)[0] for han in model.hans)
    assert (one - two).abs().max() > 1e-3
    torch.testing.assert_close(model(*inputs()).segments, model.head((one + two) / 2)[0])
    assert {"h.self", "s.self"} <= model(*inputs()).weights.keys()


def test_han_behind_sa_is_han_of_gated_features() -> None:
    model = build(SYSTEMS["han_behind_sa"].config).eval()
    gated, gates = model.segment_attention(model.front_end(*inputs()).unbind(1))
    parsed = model(*inputs())
    torch.testing.assert_close(parsed.segments, model.head(model.hans[0](torch.stack(gated, 1))[0])[0])
    torch.testing.assert_close(parsed.weights["sa.segment"], gates["segment"])
    behind, plain = (
        sum(p.numel() for p in CMPIE(c).parameters())
        for c in (SYSTEMS["han_behind_sa"].config, SYSTEMS["han"].config)
    )
    assert behind - plain == 115
