"""Weights that HAN's own code has saved, under its names, put into our HAN."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from cmpie_lite.errors import CheckpointError
from cmpie_lite.model import CMPIE

# Parameters of the authors' HAN that no input can make matter, since a softmax does not see a shift. They are
# left out of this package's models: everything that remains receives a gradient.
SOFTMAX_BLIND = ("fc_frame_att.bias", "fc_av_att.bias", "the key third of every in_proj_bias")


# Modules of the authors' HAN that are constructed and saved but never run.
AUTHORS_UNUSED = ("audio_encoder.", "visual_encoder.", "cmt_encoder.", "hat_encoder.norm")


def load_authors_state_dict(model: CMPIE, state: Mapping[str, Tensor]) -> None:
    """Load weights saved under the parameter names of HAN's authors (`MMIL_Net`) into a HAN model.

    Parameters that the authors construct but never use (`AUTHORS_UNUSED`) and those that a softmax does not
    see (`SOFTMAX_BLIND`) are ignored; any other difference in names or shapes is an error, and then the
    model is left unchanged.

    Raises:
        CheckpointError: if the model is not a one-stream HAN, or names or shapes do not fit.
    """
    if len(model.hans) != 1 or model.segment_attention is not None or model.aggregations:
        raise CheckpointError(
            f"{model.config} is not HAN: the authors' weights fit only HAN's row "
            "(no segment attention, no aggregation)."
        )
    ours: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.startswith(AUTHORS_UNUSED) or name in SOFTMAX_BLIND:
            continue
        ours |= _translate(name, tensor)
    wanted = {name: tuple(p.shape) for name, p in model.state_dict().items()}
    given = {name: tuple(p.shape) for name, p in ours.items()}
    if wanted != given:
        missing = sorted(wanted.keys() - given.keys())
        unknown = sorted(given.keys() - wanted.keys())
        shapes = [f"{n}: {given[n]} for {wanted[n]}" for n in wanted if n in given and wanted[n] != given[n]]
        raise CheckpointError(
            f"not the weights of this HAN. Missing: {missing}; unknown: {unknown}; shapes: {shapes}. Give "
            "what the authors' code saves, and a model of the same widths."
        )
    model.load_state_dict(ours)


def _translate(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """One of the authors' parameters under our names; a packed in_proj becomes query, key and value."""
    renames = {
        r"^fc_a\.": "front_end.audio.",
        r"^fc_v\.": "front_end.visual_2d.",
        r"^fc_st\.": "front_end.visual_3d.",
        r"^fc_fusion\.": "front_end.fusion.",
        r"^fc_prob\.": "head.classifier.",
        r"^fc_frame_att\.": "head.temporal.",
        r"^fc_av_att\.": "head.modality.",
        r"^hat_encoder\.": "hans.0.",
        r"\.self_attn\.": ".self_attention.",
        r"\.cm_attn\.": ".cross_attention.",
        r"\.out_proj\.": ".out.",
    }
    for pattern, ours in renames.items():
        name = re.sub(pattern, ours, name)
    packed = re.fullmatch(r"(.*\.)in_proj_(weight|bias)", name)
    if not packed:
        return {name: tensor}
    prefix, kind = packed.groups()
    parts = dict(zip(("query", "key", "value"), tensor.chunk(3), strict=True))
    return {f"{prefix}{part}.{kind}": x for part, x in parts.items() if (part, kind) != ("key", "bias")}
