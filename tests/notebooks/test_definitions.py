"""The chapters' own definitions equal the package: loop = vectorised = package, value and gradient.

Definitions are read from the .ipynb files by their syntax; nothing else of a notebook runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from chapters import ROOT, definitions
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cmpie_lite.attention import scaled_dot_product_attention
from cmpie_lite.notebook import check_same

quickly = settings(max_examples=15, deadline=None, derandomize=True)
small = st.integers(1, 5)
seeds = st.integers(0, 2**20)


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
