"""The chapters' own definitions equal the package: loop = vectorised = package, value and gradient.

Definitions are read from the .ipynb files by their syntax; nothing else of a notebook runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from chapters import ROOT, definitions
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call

from cmpie_lite.aggregation import CrossModalAggregation
from cmpie_lite.attention import scaled_dot_product_attention
from cmpie_lite.config import ModelConfig
from cmpie_lite.han import HANLayer, hybrid_attention
from cmpie_lite.model import CMPIE
from cmpie_lite.notebook.checks import check_same
from cmpie_lite.segment_attention import SegmentAttention

quickly = settings(max_examples=15, deadline=None, derandomize=True)
small = st.integers(1, 5)
seeds = st.integers(0, 2**20)


@cache
def chapter(stem: str) -> dict[str, Any]:
    return definitions(ROOT / "notebooks" / f"{stem}.ipynb")


def randn(seed: int, *shapes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def agree(functions: dict[str, Callable[..., Any]], inputs: list[Tensor]) -> None:
    check_same("notebook and package", functions, inputs, atol=1e-9)


# ---------- 1 · attention ----------


def attention_forms(definitions: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    return {
        "loop": definitions["attention_loop"],
        "vectorised": definitions["attention"],
        "package": lambda Q, K, V: scaled_dot_product_attention(Q, K, V).values,
    }


@quickly
@given(small, small, small, small, seeds)
def test_attention(queries: int, keys: int, d: int, width: int, seed: int) -> None:
    """Eq. 1: loop = vectorised = package, value and gradient."""
    agree(attention_forms(chapter("01_attention")), randn(seed, (queries, d), (keys, d), (keys, width)))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("exps.sum(dim=-1", "exps.sum(dim=-2"), ("/ math.sqrt(d)\n    exps", "/ d\n    exps")],
)
def test_a_changed_definition_is_noticed(tmp_path: Path, right: str, wrong: str) -> None:
    """Eq. 1 with another softmax axis or another root: the comparison above must fail."""
    original = ROOT / "notebooks" / "01_attention.ipynb"
    notebook = json.loads(original.read_text(encoding="utf8"))
    changed = 0
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and right in source and "def attention(" in source:
            cell["source"], changed = source.replace(right, wrong), changed + 1
    assert changed == 1
    copy = tmp_path / original.name
    copy.write_text(json.dumps(notebook), encoding="utf8")
    with pytest.raises(AssertionError, match="the value of vectorised"):
        agree(attention_forms(definitions(copy)), randn(0, (3, 4), (5, 4), (5, 2)))


# ---------- with parameters: the package's module as a function of inputs and parameters ----------


def parameters(module: nn.Module) -> tuple[list[str], list[Tensor]]:
    names, tensors = zip(*module.named_parameters(), strict=True)
    return list(names), [x.detach() for x in tensors]


def as_function(
    module: nn.Module, wrap: Callable[[Tensor], Any] = lambda x: x[None]
) -> Callable[..., Tensor]:
    """x, *parameters -> the first thing that the module returns for one clip."""
    names, _ = parameters(module)

    def function(x: Tensor, *values: Tensor) -> Tensor:
        return functional_call(module, dict(zip(names, values, strict=True)), (wrap(x),))[0][0]

    return function


# ---------- 2 · hybrid attention ----------


@quickly
@given(small, small, seeds)
def test_hybrid_attention(T: int, d: int, seed: int) -> None:
    """Eq. 2-3 as printed: loop = vectorised = package, value and gradient."""
    own = chapter("02_han")
    functions = {
        "loop": lambda F: own["hybrid_loop"](F[0], F[1]),
        "vectorised": own["hybrid"],
        "package": lambda F: hybrid_attention(F[None])[0],
    }
    agree(functions, randn(seed, (2, T, d)))


@quickly
@given(small, small, small, seeds)
def test_han_layer(T: int, d: int, ffn: int, seed: int) -> None:
    """Eq. 2-3 as HAN's authors coded them: notebook = package, also the gradient of every parameter."""
    own = chapter("02_han")
    torch.manual_seed(seed)
    layer = HANLayer(d + 1, ffn_dim=ffn).double().eval()
    names, tensors = parameters(layer)
    functions = {
        "notebook": lambda F, *p: own["han_layer"](F, dict(zip(names, p, strict=True))),
        "package": as_function(layer),
    }
    check_same("HAN layer", functions, [*randn(seed, (2, T, d + 1)), *tensors], atol=1e-6)


# ---------- 3 · segment-based attention ----------


@quickly
@given(small, st.sampled_from([1, 2, 5]), seeds)
def test_segment_attention(d: int, reduction: int, seed: int) -> None:
    """Eq. 4-7 by segment: loop = vectorised = package, value and gradient. T is ten, as in the package."""
    own = chapter("03_segment_attention")
    torch.manual_seed(seed)
    module = SegmentAttention(ModelConfig(sa_squeeze="mean", sa_reduction=reduction)).double()
    functions = {
        "loop": own["segment_attention_loop"],
        "vectorised": own["segment_attention"],
        "package": as_function(module, lambda x: [x[None]]),
    }
    agree(functions, [*randn(seed, (10, d)), *parameters(module)[1]])


@quickly
@given(small, small, small, seeds)
def test_segment_attention_of_any_length(T: int, d: int, hidden: int, seed: int) -> None:
    """Eq. 4-7: the loop and the vectorised form agree for every number of segments."""
    own = chapter("03_segment_attention")
    functions = {"loop": own["segment_attention_loop"], "vectorised": own["segment_attention"]}
    agree(functions, randn(seed, (T, d), (hidden, T), (hidden,), (T, hidden), (T,)))


@quickly
@given(st.integers(2, 6), small, seeds)
def test_channel_attention(d: int, T: int, seed: int) -> None:
    """Eq. 4-7 by channel, as printed: notebook = package, value and gradient, for any number of segments."""
    torch.manual_seed(seed)
    module = SegmentAttention(ModelConfig(sa_axis="channel", sa_squeeze="mean", dim=d)).double()
    functions = {
        "vectorised": chapter("03_segment_attention")["channel_attention"],
        "package": as_function(module, lambda x: [x[None]]),
    }
    agree(functions, [*randn(seed, (T, d)), *parameters(module)[1]])


@quickly
@given(st.integers(2, 40), seeds)
def test_global_attention(d: int, seed: int) -> None:
    """Eq. 4-7 with the printed sum and one weight per segment: notebook = package, value and gradient."""
    torch.manual_seed(seed)
    module = SegmentAttention(ModelConfig(sa_axis="global", sa_squeeze="mean", dim=d)).double()
    functions = {
        "vectorised": chapter("03_segment_attention")["global_attention"],
        "package": as_function(module, lambda x: [x[None]]),
    }
    agree(functions, [*randn(seed, (10, d)), *parameters(module)[1]])


# ---------- 4 · cross-modal aggregation ----------


@quickly
@given(small, small, seeds)
def test_aggregation(T: int, d: int, seed: int) -> None:
    """Eq. 8-11 as printed: loop = vectorised = mixture = package, value and gradient."""
    own = chapter("04_cross_modal_aggregation")
    literal = CrossModalAggregation(ModelConfig(cma_form="printed", dim=d))
    functions = {
        "loop": lambda F: own["aggregation_loop"](F[0], F[1]),
        "vectorised": own["aggregate"],
        "mixture": own["mix"],
        "package": lambda F: literal(F[None])[0][0],
    }
    agree(functions, randn(seed, (2, T, d)))


@quickly
@given(small, small, seeds)
def test_aggregation_with_projections(T: int, d: int, seed: int) -> None:
    """Eq. 8-11 in our default form: notebook = package, also the gradient of every parameter."""
    own = chapter("04_cross_modal_aggregation")
    torch.manual_seed(seed)
    module = CrossModalAggregation(ModelConfig(dim=d)).double().eval()
    names, tensors = parameters(module)
    short = [name.removeprefix("blocks.0.") for name in names]
    functions = {
        "notebook": lambda F, *p: own["cma_block"](F, dict(zip(short, p, strict=True))),
        "package": as_function(module),
    }
    agree(functions, [*randn(seed, (2, T, d)), *tensors])


@quickly
@given(seeds)
def test_mean_of_the_streams(seed: int) -> None:
    """Eq. 12-13: what the model pools is the notebook's mean of what its two CMA blocks return."""
    torch.manual_seed(seed)
    model = CMPIE(ModelConfig(dim=8, ffn_dim=8)).eval()
    seen: dict[str, Tensor] = {}
    for name, block in zip("hs", model.aggregations, strict=True):
        block.register_forward_hook(lambda _m, _x, y, name=name: seen.update({name: y[0]}))
    model.head.register_forward_hook(lambda _m, x, _y: seen.update(pooled=x[0]))
    model(torch.rand(1, 10, 128), torch.rand(1, 10, 2048), torch.rand(1, 10, 512))
    fuse = chapter("04_cross_modal_aggregation")["fuse"]
    torch.testing.assert_close(seen["pooled"], fuse(seen["h"], seen["s"]), rtol=0, atol=1e-6)
    assert not torch.allclose(seen["h"], seen["s"])
