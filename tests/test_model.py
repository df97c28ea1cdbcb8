"""HAN against golden figures of the authors' code, and properties of every configuration."""

from __future__ import annotations

import dataclasses
import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cmpie_lite.aggregation import CrossModalAggregation
from cmpie_lite.config import ModelConfig
from cmpie_lite.errors import CheckpointError, ConfigError
from cmpie_lite.losses import weak_label_loss
from cmpie_lite.model import CMPIE
from cmpie_lite.support.fields import override
from cmpie_lite.systems.han_weights import load_authors_state_dict
from cmpie_lite.systems.rows import SYSTEMS, configs

READINGS = {
    "sa_axis": ("channel", "both"),
    "sa_squeeze": ("sum",),
    "sa_layers": (1, 3),
    "sa_reduction": (1, 5),
    "sa_sharing": ("per_modality",),
    "sa_input": ("raw",),
    "han_sharing": ("one",),
    "cma_concat": ("features",),
    "cma_form": ("residual_norm", "printed"),
    "cma_sharing": ("per_modality",),
    "heads": (4,),
    "han_layers": (2,),
}
CONFIGS = configs(2) | {
    f"{field}={value}": override(ModelConfig(), {field: value})
    for field, values in READINGS.items()
    for value in values
}
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
    model = build(config)
    parsed = model(*inputs())
    loss = weak_label_loss(parsed.audio, parsed.visual, parsed.video, torch.eye(25)[:3]).total
    loss.backward()
    largest = {
        name: 0.0 if p.grad is None else float(p.grad.abs().max()) for name, p in model.named_parameters()
    }
    dead = [name for name, size in largest.items() if size < 1e-9]
    assert not dead


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
    assert full - sa == 2 * (4 * 512 * 512 + 3 * 512)
    assert sa - han == sum(p.numel() for p in CMPIE(SYSTEMS["han"].config).hans.parameters()) + (
        10 * 5 + 5
    ) + (5 * 10 + 10)


@pytest.mark.parametrize(
    "changes", [{}, {"cma_concat": "features"}, {"cma_form": "residual_norm"}, {"heads": 4}]
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
        ({"sa_axis": "time"}, "'segment', 'channel', 'both'"),
        ({"heads": 2.0}, "type int"),
        ({"headz": 2}, "Did you mean 'heads'"),
    ]:
        with pytest.raises(ConfigError, match=match):
            override(ModelConfig(), changes)


def test_every_pair_of_readings_builds_or_is_refused_clearly() -> None:
    fields = [(field, value) for field, values in READINGS.items() for value in values]
    built = 0
    for (f, v), (g, w) in product(fields, fields):
        try:
            config = override(ModelConfig(), {f: v, g: w} | SMALL)
        except ConfigError:
            continue
        built += CMPIE(config)(*inputs(1)).video.shape == (1, 25)
    assert built >= len(fields) ** 2 - 8


def test_authors_weights_are_refused_where_they_do_not_fit() -> None:
    with pytest.raises(CheckpointError, match="is not HAN"):
        load_authors_state_dict(CMPIE(ModelConfig()), {})
    with pytest.raises(CheckpointError, match="Missing"):
        load_authors_state_dict(CMPIE(SYSTEMS["han"].config), {"fc_a.weight": torch.zeros(3, 3)})


def test_configs_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig().heads = 2  # type: ignore[misc]
