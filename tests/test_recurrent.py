"""What AVE and AVSDN are made of: LSTMs, guided attention, bags, the fusion of states."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cmpie_lite.systems.avsdn import StateFusion
from cmpie_lite.systems.recurrent import AudioGuidedAttention, BiLSTM, State
from tests.making_models import inputs
from tests.making_systems import SMALL, influence, make


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
