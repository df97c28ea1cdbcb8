"""Small trained models that ship with the package, so that a chapter can show what its block has learned.

They have width 64 and were trained on LLP-sim, the book's simulated data (`python -m book.tools.make_small`).
They show how the blocks behave there; that is no result on LLP, nor of models of the paper's width.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any, Final

import pandas as pd
import torch
from torch import nn

from cmpie_lite.data.llp_sim import SMALL, simulate_split
from cmpie_lite.data.store import Split
from cmpie_lite.model import ParseOutput
from cmpie_lite.support.fields import override
from cmpie_lite.training.loop import load_model

FOLDER: Final = "trained"
LADDER: Final = "ladder.json"
STORED: Final = ("han", "segment_attention", "cmpie")  # whose weights ship; the first seed's


def stored(name: str) -> Path:
    """Where a file of the trained models lies."""
    return Path(str(resources.files("cmpie_lite.notebook").joinpath(FOLDER, name)))


def small_model(name: str) -> nn.Module:
    """A small trained model in evaluation mode.

    Args:
        name: "han", "segment_attention" or "cmpie".

    Raises:
        ValueError: there is no such model.
    """
    if name not in STORED:
        raise ValueError(f"name = {name!r}, expected one of {', '.join(STORED)}.")
    usual = torch.get_default_dtype()  # chapters that prove things compute in float64
    torch.set_default_dtype(torch.float32)
    try:
        return load_model(stored(f"{name}.safetensors"))[0]
    finally:
        torch.set_default_dtype(usual)


def parse_clips(name: str, clips: Split) -> ParseOutput:
    """What a small trained model says of some clips, attention weights included."""
    with torch.inference_mode():
        return small_model(name)(clips.audio, clips.visual_2d, clips.visual_3d)


def small_clips(count: int = 200) -> Split:
    """The first clips of LLP-sim's test split: none of the small models was trained on them."""
    return simulate_split("test", override(SMALL, {"num_test": count}))


def ladder() -> tuple[pd.DataFrame, dict[str, Any]]:
    """A row per small model and seed: system and ten scores (fractions); and how they were made."""
    facts = json.loads(stored(LADDER).read_text(encoding="utf8"))
    return pd.DataFrame(facts.pop("runs")), facts
