"""AVE, AVSDN and MM-Pyramid: the common interface, and what is particular to each."""

from __future__ import annotations

import dataclasses
import zlib
from itertools import pairwise

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from cmpie_lite.config import ModelConfig, TrainConfig
from cmpie_lite.errors import ConfigError
from cmpie_lite.losses import weak_label_loss
from cmpie_lite.results.published import published_scores
from cmpie_lite.support.fields import override
from cmpie_lite.systems.ave import AVEConfig
from cmpie_lite.systems.avsdn import AVSDNConfig, StateFusion
from cmpie_lite.systems.build import Config, build, config_from_facts, config_to_facts
from cmpie_lite.systems.cm_cs import CMCSConfig, central_moment_discrepancy, overlap
from cmpie_lite.systems.mm_pyramid import BandedAttention, MMPyramidConfig, TemporalBlock
from cmpie_lite.systems.recurrent import AudioGuidedAttention, BiLSTM, State
from cmpie_lite.systems.rows import SYSTEMS, System, paper_rows, systems_of
from cmpie_lite.training.loop import loss_names, loss_of

RECURRENT = {"dim": 32, "hidden": 8, "branch_dim": 16, "attention_dim": 8}
PYRAMID = {"dim": 32, "ffn_dim": 16}
SMALL: dict[str, Config] = {
    "ave": AVEConfig(**RECURRENT),
    "avsdn": AVSDNConfig(**RECURRENT),
    "mm_pyramid": MMPyramidConfig(**PYRAMID),
    "mm_pyramid_swapped": MMPyramidConfig(order="swapped", **PYRAMID),
    "cm_cs": CMCSConfig(**PYRAMID),
    "cm_cs_visual": CMCSConfig(stages="visual", **PYRAMID),
    "cm_cs_audio_visual": CMCSConfig(stages="audio_visual", **PYRAMID),
    "cm_cs_none": CMCSConfig(stages="none", **PYRAMID),
}
each_baseline = pytest.mark.parametrize("config", SMALL.values(), ids=SMALL)


def make(config: Config, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build(config)


def inputs(n: int = 3, seed: int = 0, frames: int = 10) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    shapes = ((n, 10, 128), (n, frames, 2048), (n, 10, 512))
    return tuple(torch.rand(shape, generator=g) for shape in shapes)  # type: ignore[return-value]


def influence(model: nn.Module, source: int, modality: int) -> Tensor:
    """(T, T): how much segment probabilities of a modality at t move with segment t' of one input.

    In double precision, so that what has no influence has none at all.
    """
    x = [f.double() for f in inputs(1)]
    x[source].requires_grad_()
    segments = model.double().eval()(*x).segments[0, :, modality].sum(-1)
    rows = [torch.autograd.grad(p, x[source], retain_graph=True)[0][0].abs().sum(-1) for p in segments]
    return torch.stack(rows)


# --- the interface ---


@each_baseline
def test_shapes_and_probabilities(config: Config) -> None:
    parsed = make(config).eval()(*inputs())
    assert parsed.segments.shape == (3, 10, 2, 25)
    assert {p.shape for p in parsed[:3]} == {(3, 25)}
    for probs in parsed.predictions():
        assert bool(((probs >= 0) & (probs <= 1)).all())
        assert probs.std().item() > 1e-4  # and they depend on something


@each_baseline
def test_every_parameter_receives_a_gradient(config: Config) -> None:
    model = make(config)
    parsed = model(*inputs())
    loss = weak_label_loss(parsed.audio, parsed.visual, parsed.video, torch.eye(25)[:3]).total
    sum(parsed.extras.values(), loss).backward()
    dead = [n for n, p in model.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-9]
    assert not dead


@each_baseline
def test_eighty_frames_equal_ten_pooled_segments(config: Config) -> None:
    model = make(config).eval()
    audio, frames, visual_3d = inputs(frames=80)
    pooled = frames.reshape(3, 10, 8, 2048).mean(2)
    torch.testing.assert_close(
        model(audio, frames, visual_3d).predictions(), model(audio, pooled, visual_3d).predictions()
    )


@each_baseline
def test_a_video_does_not_depend_on_its_batch(config: Config) -> None:
    model = make(config).eval()
    together = model(*inputs(3))
    alone = model(*(x[1:2] for x in inputs(3)))
    torch.testing.assert_close(alone.segments[0], together.segments[1])


@each_baseline
def test_stacked_models_answer_as_each_alone(config: Config) -> None:
    models = [make(config, seed).eval() for seed in range(3)]
    params, buffers = stack_module_state(models)
    x = inputs()

    def answer(params: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        return functional_call(models[0], (params, buffers), x).segments

    stacked = vmap(answer)(params, buffers)
    for model, segments in zip(models, stacked, strict=True):
        torch.testing.assert_close(segments, model(*x).segments)


@each_baseline
def test_wrong_shapes_are_named(config: Config) -> None:
    audio, visual_2d, visual_3d = inputs()
    with pytest.raises(ValueError, match="visual_2d has shape"):
        make(config)(audio, visual_2d[:, :9], visual_3d)


# --- what AVE and AVSDN are made of ---


@pytest.mark.parametrize("started", [False, True])
def test_lstm_equals_the_one_of_pytorch(started: bool) -> None:
    torch.manual_seed(0)
    ours, reference = BiLSTM(6, 5), nn.LSTM(6, 5, batch_first=True, bidirectional=True)
    for direction, suffix in enumerate(("", "_reverse")):
        for name, ours_by_direction in (("ih", ours.input), ("hh", ours.recurrent)):
            getattr(reference, f"weight_{name}_l0{suffix}").data = ours_by_direction[direction].T
        getattr(reference, f"bias_ih_l0{suffix}").data = ours.bias[direction, 0]
        getattr(reference, f"bias_hh_l0{suffix}").data.zero_()
    x, state = torch.randn(4, 10, 6), State(torch.randn(2, 4, 5), torch.randn(2, 4, 5))
    read, final = ours(x, state if started else None)
    expected, (hidden, cell) = reference(x, tuple(state) if started else None)
    torch.testing.assert_close(read, expected)
    torch.testing.assert_close(tuple(final), (hidden, cell))


def test_each_direction_of_an_lstm_is_causal() -> None:
    torch.manual_seed(0)
    lstm, x = BiLSTM(6, 5), torch.randn(1, 10, 6)
    moved = x.clone()
    moved[:, 4] += 1
    change = (lstm(moved)[0] - lstm(x)[0]).detach().abs()[0].unflatten(-1, (2, 5)).sum(-1)
    assert (change[:, 0] > 0).tolist() == [t >= 4 for t in range(10)]  # forward: from 4 on
    assert (change[:, 1] > 0).tolist() == [t <= 4 for t in range(10)]  # backward: up to 4


def test_guided_attention_equals_the_formula_and_looks_at_its_own_segment() -> None:
    torch.manual_seed(0)
    module, (audio, visual_2d, visual_3d) = AudioGuidedAttention(8, 5), inputs(1)
    attended, weights = module(audio, visual_2d, visual_3d)
    tokens = [module.visual_2d(visual_2d[0, 3]), module.visual_3d(visual_3d[0, 3])]
    guide = module.guide(audio[0, 3]).relu() @ module.from_guide.weight.T
    scores = torch.stack(
        [
            (v := module.token(token).relu() @ module.from_token.weight.T, (v + guide).tanh())[1]
            for token in tokens
        ]
    )
    alpha = torch.softmax(scores @ module.score.weight[0], dim=0)
    torch.testing.assert_close(weights[0, 3], alpha)
    torch.testing.assert_close(attended[0, 3], alpha[0] * tokens[0] + alpha[1] * tokens[1])
    audio[0, 3] += 1
    moved = (module(audio, visual_2d, visual_3d)[1] - weights).abs().sum(-1)[0] > 0
    assert moved.tolist() == [t == 3 for t in range(10)]


def test_guided_attention_does_not_see_how_large_visual_features_are() -> None:
    torch.manual_seed(0)
    module, (audio, visual_2d, visual_3d) = AudioGuidedAttention(8, 5), inputs()
    expected = module(audio, visual_2d, visual_3d)
    moved = module(audio, 3.0 * visual_2d + 1.0, 2.0 * visual_3d + 0.5)
    torch.testing.assert_close(moved, expected, atol=1e-3, rtol=1e-3)
    assert expected[0].square().mean().sqrt() < 1.1  # an LSTM behind it does not start saturated


def test_bags_are_the_maximum_of_their_segments() -> None:
    for config in (SMALL["ave"], SMALL["avsdn"]):
        parsed = make(config).eval()(*inputs())
        torch.testing.assert_close(parsed.audio, parsed.segments[:, :, 0].amax(1))
        torch.testing.assert_close(parsed.visual, parsed.segments[:, :, 1].amax(1))


def test_ave_hears_alone_but_looks_where_it_hears() -> None:
    model = make(SMALL["ave"])
    assert influence(model, source=1, modality=0).max() == 0  # visual features do not reach the audio branch
    assert influence(model, source=0, modality=1).min() > 0  # audio guides the visual one


def test_avsdn_merges_the_whole_video_into_every_segment_of_both_branches() -> None:
    model = make(SMALL["avsdn"])
    for source in range(3):
        for modality in range(2):
            assert influence(model, source, modality).min() > 0


def test_state_fusion_equals_the_formula() -> None:
    torch.manual_seed(0)
    fusion, a, v = StateFusion(4), torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    x, y = a.clamp(min=0), v.clamp(min=0)
    m = 0.5 * (fusion.audio(x) + fusion.visual(y))
    torch.testing.assert_close(fusion(a, v), 0.5 * ((x + m).tanh() + (y + m).tanh()))


# --- MM-Pyramid ---


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


# --- CM-CS ---


def slow_cmd(x: list[list[float]], y: list[list[float]]) -> float:
    """CMD of order 5 in plain numbers: moment by moment, coordinate by coordinate."""
    total, width = 0.0, len(x[0])
    mean = [[sum(row[d] for row in z) / len(z) for d in range(width)] for z in (x, y)]
    for k in range(1, 6):
        squares = 0.0
        for d in range(width):
            moments = [
                m[d] if k == 1 else sum((row[d] - m[d]) ** k for row in z) / len(z)
                for z, m in zip((x, y), mean, strict=True)
            ]
            squares += (moments[0] - moments[1]) ** 2
        total += squares**0.5
    return total


def test_cmd_equals_a_slow_one_and_is_blind_to_the_order_of_rows() -> None:
    g = torch.Generator().manual_seed(0)
    x, y = (torch.rand(n, 3, generator=g, dtype=torch.float64) ** p for n, p in ((7, 1), (5, 3)))
    assert central_moment_discrepancy(x, y).item() == pytest.approx(
        slow_cmd(x.tolist(), y.tolist()), abs=1e-12
    )
    assert central_moment_discrepancy(x, x.flip(0)).item() == pytest.approx(0, abs=1e-12)
    x.requires_grad_()
    central_moment_discrepancy(x, x.detach().clone()).backward()
    assert bool(x.grad.isfinite().all())  # at a distance of zero, too


def test_overlap_is_zero_for_parts_that_share_no_direction_and_equals_the_formula() -> None:
    g = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 6, 4, generator=g, dtype=torch.float64)
    total = 0.0
    rows = []
    for z in (x.tolist(), y.tolist()):
        mean = [sum(column) / 6 for column in zip(*z, strict=True)]
        centred = [[v - m for v, m in zip(row, mean, strict=True)] for row in z]
        rows.append([[v / (sum(w * w for w in row) ** 0.5 + 1e-6) for v in row] for row in centred])
    for i in range(4):
        for j in range(4):
            total += sum(a[i] * b[j] for a, b in zip(*rows, strict=True)) ** 2 / 16
    assert overlap(x, y).item() == pytest.approx(total, abs=1e-12)
    assert overlap(x, torch.ones(6, 4, dtype=torch.float64)).item() == pytest.approx(0, abs=1e-12)


def test_the_added_losses_of_cm_cs_are_those_of_its_config() -> None:
    names = {"similarity": 1.0, "difference": 0.3, "reconstruction": 1.0}
    full_model = make(CMCSConfig(**PYRAMID))
    assert set(full_model(*inputs()).extras) == set(full_model.extra_losses) == set(names)
    assert full_model.eval()(*inputs()).extras == {}  # nothing is added to what is only parsed
    for left_out in names:
        model = make(CMCSConfig(**PYRAMID, **{left_out: 0.0}))
        assert set(model(*inputs()).extras) == set(names) - {left_out}
    doubled = make(CMCSConfig(**PYRAMID, dropout=0.0, **{name: 2 * x for name, x in names.items()}))
    plain = make(CMCSConfig(**PYRAMID, dropout=0.0))
    for name, loss in plain(*inputs()).extras.items():
        assert loss.item() > 0
        torch.testing.assert_close(doubled(*inputs()).extras[name], 2 * loss)
    assert make(SMALL["cm_cs_none"]).extra_losses == ()


def test_the_common_encoder_of_cm_cs_is_one_for_both_and_the_specific_ones_are_two() -> None:
    stage = make(SMALL["cm_cs"]).visual_stage
    x = torch.rand(2, 10, 32)
    parts = stage([x, x])
    torch.testing.assert_close(parts.common[0], parts.common[1])
    assert (parts.specific[0] - parts.specific[1]).abs().max() > 1e-3


def test_the_loop_adds_a_models_own_losses_and_names_them() -> None:
    model = make(SMALL["cm_cs"])
    names = loss_names(model)
    assert names[3:] == ("loss_similarity", "loss_difference", "loss_reconstruction")
    torch.manual_seed(0)
    losses = loss_of(model, *inputs(), torch.eye(25)[:3], TrainConfig())
    torch.manual_seed(0)
    assert losses[3:].tolist() == pytest.approx([x.item() for x in model(*inputs()).extras.values()])
    assert loss_names(make(SMALL["ave"])) == ("loss_audio", "loss_visual", "loss_video")


# --- systems ---


def test_each_row_of_both_tables_is_a_system() -> None:
    """No row of the paper's stands with the paper's number alone, and no control has one."""
    for table in (1, 2):
        rows, built = list(published_scores(table)), list(paper_rows(table).values())
        assert set(built) == set(rows)
        assert all(rows.index(a) <= rows.index(b) for a, b in pairwise(built))  # in the paper's order
        assert all(SYSTEMS[name].rows or SYSTEMS[name].control_of for name in systems_of(table))
    assert len({system.title for system in SYSTEMS.values()}) == len(SYSTEMS)
    assert "Unknown are" in SYSTEMS["cm_cs"].unknown


def test_recipes_differ_in_nothing_but_the_learning_rates_that_are_documented() -> None:
    rates = {"mm_pyramid": 1e-4, "mm_pyramid_swapped": 1e-4, "ave": 3e-3, "avsdn": 3e-3}
    for name, system in SYSTEMS.items():
        assert system.recipe == TrainConfig(learning_rate=rates.get(name, 3e-4)), name


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_configs_survive_a_file(system: System) -> None:
    facts = config_to_facts(system.config)
    assert config_from_facts(facts) == system.config
    assert type(config_from_facts(facts)) is type(system.config)
    with pytest.raises(ConfigError, match="has no field 'depth'"):
        config_from_facts(facts | {"depth": 1})
    with pytest.raises(ConfigError, match="without dim"):
        config_from_facts({name: value for name, value in facts.items() if name != "dim"})


def test_unknown_systems_are_refused() -> None:
    with pytest.raises(ConfigError, match="'HAN', expected one of ModelConfig, AVEConfig"):
        config_from_facts({"system": "HAN"})

    @dataclasses.dataclass(frozen=True)
    class Unknown(ModelConfig):
        """A subclass may mean anything: it is not built as its parent."""

    with pytest.raises(ConfigError, match="type Unknown"):
        build(Unknown())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "changes", "match"),
    [
        (AVEConfig(), {"hidden": 0}, "hidden = 0, expected an integer >= 1"),
        (AVSDNConfig(), {"hidden": 1.5}, "hidden"),
        (MMPyramidConfig(), {"heads": 3}, "divisor of dim = 512"),
        (MMPyramidConfig(), {"order": "mixed"}, "order(.|\n)*'named', 'swapped'"),
        (MMPyramidConfig(), {"dropout": 1.0}, r"\[0, 1\)"),
    ],
)
def test_impossible_configurations_are_refused(config: Config, changes: dict, match: str) -> None:
    # A wrong type is caught by our own check, or here by the type checker of the tests.
    with pytest.raises((ConfigError, TypeCheckError), match=match):
        override(config, changes)
