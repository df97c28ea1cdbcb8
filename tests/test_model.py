"""HAN against golden figures of the authors' code, and properties of every configuration."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cmpie_lite.aggregation import CrossModalAggregation
from cmpie_lite.config import ModelConfig
from cmpie_lite.errors import CheckpointError, ConfigError
from cmpie_lite.losses import weak_label_loss
from cmpie_lite.model import CMPIE, FrontEnd
from cmpie_lite.segment_attention import SegmentAttention, squeeze
from cmpie_lite.support.fields import override
from cmpie_lite.systems.build import YOUNGER, config_from_facts, config_to_facts
from cmpie_lite.systems.han_weights import load_authors_state_dict
from cmpie_lite.systems.rows import SYSTEMS, configs

READINGS = {
    "front_end": ("mlp",),
    "sa_axis": ("global", "channel", "both"),
    "sa_squeeze": ("sum", "standardised"),
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
SMALL = {"dim": 32, "ffn_dim": 16}


def inputs(n: int = 3, seed: int = 0, frames: int = 10) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return (
        torch.rand(n, 10, 128, generator=g),
        torch.rand(n, frames, 2048, generator=g),
        torch.rand(n, 10, 512, generator=g),
    )


def build(config: ModelConfig, seed: int = 0) -> CMPIE:
    torch.manual_seed(seed)
    return CMPIE(override(config, SMALL))


def authors_state(spec: dict) -> dict[str, Tensor]:
    rng = np.random.default_rng(spec["seed"])
    state = {}
    for name, shape in spec["parameters"]:
        x = rng.standard_normal(shape).astype(np.float32)
        if ".norm" in name:
            x = 1 + 0.1 * x if name.endswith("weight") else 0.1 * x
        else:
            x = x / np.sqrt(shape[1]) if len(shape) > 1 else 0.1 * x
        state[name] = torch.from_numpy(x.astype(np.float32))
    return state


def golden_inputs(seed: int, n: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(seed + 1)
    audio = rng.standard_normal((n, 10, 128)).astype(np.float32)
    visual_2d = np.abs(rng.standard_normal((n, 80, 2048))).astype(np.float32)
    visual_3d = np.abs(rng.standard_normal((n, 10, 512))).astype(np.float32)
    labels = (rng.random((n, 25)) < 0.1).astype(np.float32)
    labels[:, 0] = 1
    return tuple(map(torch.from_numpy, (audio, visual_2d, visual_3d, labels)))  # type: ignore[return-value]


@pytest.mark.shared
def test_han_equals_the_authors_forward_losses_and_gradients(shared: Path) -> None:
    spec = json.loads((shared / "golden/han_forward.json").read_text())
    expected = np.load(shared / "golden/han_forward.npz")
    model = CMPIE(SYSTEMS["han"].config).eval()
    load_authors_state_dict(model, authors_state(spec))
    *features, labels = golden_inputs(spec["seed"])
    parsed = model(*features)
    ours = {
        "global_prob": parsed.video, "audio_prob": parsed.audio,
        "visual_prob": parsed.visual, "frame_prob": parsed.segments,
    }  # fmt: skip
    assert set(expected.files) == set(ours)
    for name, probs in ours.items():
        np.testing.assert_allclose(probs.detach().numpy(), expected[name], rtol=0, atol=1e-5, err_msg=name)

    loss = weak_label_loss(parsed.audio, parsed.visual, parsed.video, labels)
    for name in ("audio", "visual", "video", "total"):
        assert getattr(loss, name).item() == pytest.approx(spec["loss"][name], abs=1e-5), name
    loss.total.backward()
    compared = compare_gradients(model, spec["grad_norms"])
    assert compared == len(spec["grad_norms"]) - 2  # the two pooling biases that a softmax does not see


def compare_gradients(model: CMPIE, golden: dict[str, float]) -> int:
    """Compare each golden norm with ours; a packed in_proj is compared with its three parts together."""
    ours = {name: p.grad for name, p in model.named_parameters()}
    layer = "hans.0.layers.0"
    names = {
        "fc_prob": "head.classifier", "fc_frame_att": "head.temporal", "fc_av_att": "head.modality",
        "fc_a": "front_end.audio", "fc_v": "front_end.visual_2d", "fc_st": "front_end.visual_3d",
        "fc_fusion": "front_end.fusion",
        "hat_encoder.layers.0.linear1": f"{layer}.linear1",
        "hat_encoder.layers.0.linear2": f"{layer}.linear2",
        "hat_encoder.layers.0.norm1": f"{layer}.norm1", "hat_encoder.layers.0.norm2": f"{layer}.norm2",
        "hat_encoder.layers.0.self_attn.out_proj": f"{layer}.self_attention.out",
        "hat_encoder.layers.0.cm_attn.out_proj": f"{layer}.cross_attention.out",
    }  # fmt: skip
    compared = 0
    for name, expected in golden.items():
        stem, kind = name.rsplit(".", 1)
        if kind.startswith("in_proj"):
            attention = "self_attention" if "self_attn" in stem else "cross_attention"
            wanted = [f"{layer}.{attention}.{part}.{kind[8:]}" for part in ("query", "key", "value")]
        else:
            wanted = [f"{names[stem]}.{kind}"]
        parts = [ours[w] for w in wanted if w in ours]
        if not parts:
            assert abs(expected) < 1e-6, f"{name} was left out although the authors' gradient is {expected}"
            continue
        norm = float(torch.cat([g.flatten() for g in parts]).norm())
        assert norm == pytest.approx(expected, rel=1e-4, abs=1e-6), name
        compared += 1
    return compared


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
    model = build(config).eval()
    audio, frames, visual_3d = inputs(frames=80)
    pooled = frames.reshape(3, 10, 8, 2048).mean(2)
    torch.testing.assert_close(
        model(audio, frames, visual_3d).predictions(), model(audio, pooled, visual_3d).predictions()
    )


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


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("fault", ["steps", "width", "rank"])
def test_wrong_shapes_are_named(position: int, fault: str) -> None:
    x = list(inputs())
    x[position] = {"steps": x[position][:, :9], "width": x[position][..., :-1], "rank": x[position][0]}[fault]
    name = ("audio", "visual_2d", "visual_3d")[position]
    with pytest.raises((ValueError, TypeError), match=name):
        build(SYSTEMS["han"].config)(*x)


@pytest.mark.parametrize("position", range(3))
def test_wrong_dtypes_are_named(position: int) -> None:
    x = list(inputs())
    x[position] = x[position].double()
    name = ("audio", "visual_2d", "visual_3d")[position]
    for autocast in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            with pytest.raises(ValueError, match=rf"{name} is torch\.float64, expected torch\.float32"):
                build(SYSTEMS["han"].config)(*x)


@pytest.mark.parametrize("config", [SYSTEMS["han"].config, ModelConfig(), ModelConfig(sa_input="raw")])
def test_dtypes_that_work_are_let_through(config: ModelConfig) -> None:
    x, kinds = inputs(), (torch.bfloat16, torch.float32, torch.float64)
    for kind in kinds:
        assert build(config).to(kind)(*(f.to(kind) for f in x)).video.dtype == kind
    with torch.autocast("cpu", torch.bfloat16):
        assert build(SYSTEMS["han"].config)(*(f.half() for f in x)).segments.shape == (3, 10, 2, 25)
        for kind in kinds[:2]:
            assert build(config)(*(f.to(kind) for f in x)).segments.shape == (3, 10, 2, 25)


def test_impossible_configurations_are_refused() -> None:
    for changes, match in [
        ({"sa_input": "raw", "sa_axis": "channel"}, "sa_axis='segment'"),
        ({"cma_form": "printed", "cma_concat": "features"}, "cma_concat='tokens'"),
        ({"heads": 3}, "divisor of dim"),
        ({"dropout": 1.0}, r"\[0, 1\)"),
        ({"sa_axis": "time"}, "'segment', 'global', 'channel', 'both'"),
        ({"sa_input": "raw", "sa_axis": "global"}, "sa_axis='segment'"),
        ({"sa_axis": "global", "sa_reduction": 5}, "Leave sa_reduction at 2"),
        ({"sa_input": "aggregated", "streams": 1}, "Use streams=2"),
        ({"streams": 3}, "ModelConfig.streams = 3, expected 1 or 2"),
        ({"heads": 2.0}, "type int"),
        ({"headz": 2}, "Did you mean 'heads'"),
    ]:
        with pytest.raises(ConfigError, match=match):
            override(ModelConfig(), changes)


WORDS = {
    f.name: get_args(get_type_hints(ModelConfig)[f.name])
    for f in dataclasses.fields(ModelConfig)
    if get_origin(get_type_hints(ModelConfig)[f.name]) is Literal
}
NUMBERS = {
    "streams": (1, 2), "segment_attention": (True, False),
    "cma_audio": (True, False), "cma_visual": (True, False),
    "sa_layers": (1, 2, 3), "sa_reduction": (1, 2, 5), "heads": (1, 4), "han_layers": (1, 2),
}  # fmt: skip


def possible(c: dict) -> bool:
    """Whether the readings of a combination exclude each other, said once more and in other words."""
    before_projection = c["sa_input"] == "raw" and c["sa_axis"] != "segment"
    nothing_to_read = c["sa_input"] == "aggregated" and c["segment_attention"] and c["streams"] == 1
    wide_keys = c["cma_form"] == "printed" and c["cma_concat"] == "features"
    two_reductions = c["sa_axis"] == "global" and c["sa_reduction"] != 2
    return not (before_projection or nothing_to_read or wide_keys or two_reductions)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in (WORDS | NUMBERS).items()}))
def test_every_combination_is_refused_clearly_or_runs_and_learns(changes: dict) -> None:
    if not possible(changes):
        with pytest.raises(ConfigError, match="="):
            override(ModelConfig(), changes)
        return
    torch.manual_seed(0)
    model = CMPIE(override(ModelConfig(), changes | {"dim": 16, "ffn_dim": 8}))
    parsed = model(*inputs(2))
    assert parsed.segments.shape == (2, 10, 2, 25)
    weak_label_loss(parsed.audio, parsed.visual, parsed.video, torch.eye(25)[:2]).total.backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None]
    expected = {"h", "s"} if changes["streams"] == 2 else {"s" if changes["segment_attention"] else "h"}
    assert {name.split(".")[0] for name in parsed.weights if name.endswith("self")} == expected


# --- readings that are not the default, each against its definition ---


def test_a_global_gate_squeezes_the_segments_and_still_weighs_them() -> None:
    """Eq. 4-7 with the printed sum: φ takes D numbers to T weights."""
    torch.manual_seed(0)
    config = ModelConfig(sa_axis="global", dim=64)
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


def test_a_mean_of_signed_channels_tells_the_gate_nothing_and_a_standardised_one_does() -> None:
    """Why the third squeeze is there: at D = 512 the untrained gate is the same for every clip."""
    torch.manual_seed(0)
    clips = torch.nn.Linear(128, 512)(torch.rand(64, 10, 128)).detach()
    spread = {}
    for how in ("mean", "standardised"):
        torch.manual_seed(1)
        gate = SegmentAttention(ModelConfig(sa_squeeze=how))([clips])[1]["segment"]
        spread[how] = gate.detach().std(dim=0).mean().item()
    assert spread["mean"] < 0.01 < 0.03 < spread["standardised"]


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


# --- controls ---


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


# --- runs of before ---


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ({}, {"cma_form": "projected"}),
        ({"segment_attention": False, "cma_audio": False, "cma_visual": False}, {"streams": 1}),
        ({"segment_attention": False}, {"streams": 1}),
    ],
)
def test_configs_stored_before_a_field_was_there_mean_what_they_meant(then: dict, now: dict) -> None:
    stored = {**config_to_facts(ModelConfig()), "cma_form": "projected", **then}
    for younger in YOUNGER["ModelConfig"]:
        del stored[younger]
    expected = override(ModelConfig(), {"cma_form": "projected"} | then | now)
    assert config_from_facts(stored) == expected
    assert config_from_facts(config_to_facts(expected)) == expected
    with pytest.raises(ConfigError, match="without heads"):
        config_from_facts({name: value for name, value in stored.items() if name != "heads"})


def test_authors_weights_are_refused_where_they_do_not_fit() -> None:
    with pytest.raises(CheckpointError, match="is not HAN"):
        load_authors_state_dict(CMPIE(ModelConfig()), {})
    with pytest.raises(CheckpointError, match="Missing"):
        load_authors_state_dict(CMPIE(SYSTEMS["han"].config), {"fc_a.weight": torch.zeros(3, 3)})


def test_configs_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig().heads = 2  # type: ignore[misc]
