"""HAN against golden figures of the authors' code; their weights; configs that were stored before a field."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cmpie_lite.config import ModelConfig
from cmpie_lite.errors import CheckpointError, ConfigError
from cmpie_lite.losses import weak_label_loss
from cmpie_lite.model import CMPIE
from cmpie_lite.support.fields import override
from cmpie_lite.systems.build import YOUNGER, config_from_facts, config_to_facts
from cmpie_lite.systems.han_weights import load_authors_state_dict
from cmpie_lite.systems.rows import SYSTEMS


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
