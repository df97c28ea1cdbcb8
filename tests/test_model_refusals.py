"""What a model refuses: shapes, dtypes, impossible configurations; all others run and learn."""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cmpie_lite.config import ModelConfig
from cmpie_lite.errors import ConfigError
from cmpie_lite.losses import weak_label_loss
from cmpie_lite.model import CMPIE
from cmpie_lite.support.fields import override
from cmpie_lite.systems.rows import SYSTEMS
from tests.making_models import build, inputs


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


def test_configs_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig().heads = 2  # type: ignore[misc]
