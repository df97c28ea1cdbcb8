"""CM-CS+HAN, our reading: what two features have in common and what each has alone are learned apart.

Idea. Two views of one second share some content and each has some of its own. A *common* encoder, the same
for both, is to keep the first, a *specific* encoder of each the second; losses hold them to it. It is done
twice: between the 2D and the 3D visual feature, then between audio and visual. HAN's layer reads the result.

Maths, with i in {2d, 3d, audio}, m in {a, v}, σ the sigmoid, which bounds what CMD compares:
  p_i = LN(relu(W_i x_i))
  visual stage        c_i = σ(E_v p_i), s_i = σ(S_i p_i);  v = W_v [(c_2d + c_3d) / 2 ; s_2d ; s_3d]
  audio-visual stage  q_a = p_audio, q_v = LN(relu(v));  c_m = σ(E_av q_m), s_m = σ(S_m q_m)
                      f^m = W_m [c_m ; s_m];  then HAN's layer, MMIL pooling and HAN's loss
  added to the loss   similarity      Σ over stages of CMD_5 of the two common parts
                      difference      Σ over stages and pairs (c, s) of a feature, (s, s') of mean((Cᵀ S)²)
                      reconstruction  mean over features of MSE(D(c + s), p), p held fixed

Published: the row in CM-PIE's Table 1, and one sentence of its related work: common and specific
characteristics are learned between 2D and 3D visual features, and between visual and audio ones. Built here
as Domain Separation Networks (Bousmalis et al., NIPS 2016) and MISA (Hazarika et al., ACM MM 2020) do it,
with a hundredth of the latter's weights (1, 0.3, 1). The task's loss is a mean over 25 labels of which most
are 0, and beside the weights as they are the network learned to make both parts constant and nothing else
(LLP-sim, D = 128: no event in any clip). `UNKNOWN` says what nobody outside can know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cmpie_lite.han import HAN
from cmpie_lite.labels import AUDIO_DIM, VISUAL_2D_DIM, VISUAL_3D_DIM
from cmpie_lite.model import ParseOutput, check_inputs, pool_frames
from cmpie_lite.pooling import MMILPooling
from cmpie_lite.support.fields import WIDEST, check_fields, require, require_whole

UNKNOWN: Final = (
    "No code is public and its text was not at hand. Unknown are: which losses make a feature common or "
    "specific, or whether attention does; moment matching or an adversary; whether features are "
    "reconstructed; whether HAN stands before or behind; the rates; whether labels are refined. Ours is built"
    " as Domain Separation Networks and MISA are."
)
ORDER: Final = 5  # the highest moment that CMD compares


@dataclass(frozen=True)
class CMCSConfig:
    """Stages, weights of the added losses (0 leaves a loss out), and sizes; those of HAN's layer are HAN's.

    Raises:
        ConfigError: a value that its field does not allow; the message names it.
    """

    stages: Literal["both", "visual", "audio_visual", "none"] = "both"
    similarity: float = 0.01
    difference: float = 0.003
    reconstruction: float = 0.01
    heads: int = 1
    dropout: float = 0.1
    dim: int = 512
    ffn_dim: int = 512

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("similarity", "difference", "reconstruction"):
            require(self, name, 0.0 <= getattr(self, name) < float("inf"), "a number >= 0")
        for name in ("heads", "dim", "ffn_dim"):
            require_whole(self, name, 1, WIDEST)
        require(self, "heads", self.dim % self.heads == 0, f"a divisor of dim = {self.dim}")
        require(self, "dropout", 0.0 <= self.dropout < 1.0, "a number in [0, 1)")


def central_moment_discrepancy(
    x: Float[Tensor, "N D"], y: Float[Tensor, "M D"], order: int = ORDER
) -> Float[Tensor, ""]:
    """CMD_K = ‖E x - E y‖ + Σ_{k=2..K} ‖E (x - E x)^k - E (y - E y)^k‖, for features in [0, 1].

    It compares the two sets, not row with row: a second may be audible before it is visible. Source:
    Zellinger et al., ICLR 2017.
    """
    means = x.mean(dim=0), y.mean(dim=0)
    moments = [means[0] - means[1]]
    for k in range(2, order + 1):
        moments.append(((x - means[0]) ** k).mean(dim=0) - ((y - means[1]) ** k).mean(dim=0))
    return torch.stack([torch.linalg.vector_norm(gap) for gap in moments]).sum()


def overlap(x: Float[Tensor, "N D"], y: Float[Tensor, "N D"]) -> Float[Tensor, ""]:
    """mean((Xᵀ Y)²), rows centred over the batch and divided by their length, which takes no gradient."""
    x, y = (z - z.mean(dim=0) for z in (x, y))
    x, y = (z / (torch.linalg.vector_norm(z, dim=1, keepdim=True).detach() + 1e-6) for z in (x, y))
    return (x.T @ y).square().mean()


class Parts(NamedTuple):
    """A stage's view of two features, (B, T, D) each: what is common, what is specific, what was given."""

    common: list[Tensor]
    specific: list[Tensor]
    given: list[Tensor]


class Stage(nn.Module):
    """One common encoder for two features, and a specific one for each; decoders where they are asked for."""

    def __init__(self, dim: int, decoded: bool) -> None:
        super().__init__()
        self.common = nn.Linear(dim, dim)
        self.specific = nn.ModuleList(nn.Linear(dim, dim) for _ in range(2))
        self.decoders = nn.ModuleList(nn.Linear(dim, dim) for _ in range(2 * decoded))

    def forward(self, features: Sequence[Float[Tensor, "B T D"]]) -> Parts:
        """Take two features apart."""
        common = [torch.sigmoid(self.common(x)) for x in features]
        specific = [torch.sigmoid(s(x)) for s, x in zip(self.specific, features, strict=True)]
        return Parts(common, specific, list(features))

    def similarity(self, parts: Parts) -> Tensor:
        """How far the two common parts lie apart, over all segments of the batch."""
        one, other = (full(x).flatten(0, 1) for x in parts.common)
        return central_moment_discrepancy(one, other)

    def difference(self, parts: Parts) -> Tensor:
        """How much each specific part repeats of its common part, and of the other specific part."""
        pairs = [*zip(parts.common, parts.specific, strict=True), *combinations(parts.specific, 2)]
        return torch.stack([overlap(*(full(x).flatten(0, 1) for x in pair)) for pair in pairs]).sum()

    def reconstruction(self, parts: Parts) -> Tensor:
        """How badly common and specific part together give back what was taken apart."""
        errors = [
            (full(decode(c + s)) - full(x).detach()).square().mean()
            for decode, c, s, x in zip(self.decoders, *parts, strict=True)
        ]
        return torch.stack(errors).mean()


def full(x: Tensor) -> Tensor:
    """In full precision: fifth powers of a bfloat16 are noise."""
    return x if x.dtype == torch.float64 else x.float()


class CMCS(nn.Module):
    """CM-CS+HAN.

    Example:
        >>> model = CMCS(CMCSConfig())
        >>> parsed = model(torch.rand(1, 10, 128), torch.rand(1, 10, 2048), torch.rand(1, 10, 512))
        >>> sorted(parsed.extras)
        ['difference', 'reconstruction', 'similarity']
    """

    def __init__(self, config: CMCSConfig) -> None:
        super().__init__()
        self.config = config
        dim, decoded = config.dim, config.reconstruction > 0
        names = ("similarity", "difference", "reconstruction")
        asked = names if config.stages != "none" else ()
        self.extra_losses = tuple(name for name in asked if getattr(config, name) > 0)
        widths = {"visual_2d": VISUAL_2D_DIM, "visual_3d": VISUAL_3D_DIM, "audio": AUDIO_DIM}
        self.project = nn.ModuleDict({name: block(width, dim) for name, width in widths.items()})
        self.visual_stage = Stage(dim, decoded) if config.stages in ("both", "visual") else None
        self.fusion = nn.Linear((3 if self.visual_stage else 2) * dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.audio_visual_stage = Stage(dim, decoded) if config.stages in ("both", "audio_visual") else None
        merged = 2 if self.audio_visual_stage else 0
        self.merge = nn.ModuleList(nn.Linear(2 * dim, dim) for _ in range(merged))
        self.han = HAN(dim, config.heads, config.ffn_dim, config.dropout)
        self.head = MMILPooling(dim)

    def forward(
        self,
        audio: Float[Tensor, "B T Da"],
        visual_2d: Float[Tensor, "B F D2"],
        visual_3d: Float[Tensor, "B T D3"],
    ) -> ParseOutput:
        """Parse a batch; while training, `extras` holds the added losses, each times its weight.

        Weights returned: `temporal`, `modality` (B, T, M, C); `self`, `cross` (B, M, T, T).

        Raises:
            ValueError: if a tensor's shape is not (videos, segments, features), or its dtype not that of the
                parameters; the message names it.
        """
        check_inputs(audio, visual_2d, visual_3d, self.fusion.weight.dtype)
        given = {"visual_2d": pool_frames(visual_2d), "visual_3d": visual_3d, "audio": audio}
        heard, flat, moving = (
            self.project[name](given[name]) for name in ("audio", "visual_2d", "visual_3d")
        )
        taken_apart: list[tuple[Stage, Parts]] = []

        views = [flat, moving]
        if self.visual_stage is not None:
            parts = self.visual_stage(views)
            taken_apart.append((self.visual_stage, parts))
            views = [(parts.common[0] + parts.common[1]) / 2, *parts.specific]
        seen = self.norm(torch.relu(self.fusion(torch.cat(views, dim=-1))))

        features = [heard, seen]
        if self.audio_visual_stage is not None:
            parts = self.audio_visual_stage(features)
            taken_apart.append((self.audio_visual_stage, parts))
            joined = (torch.cat(pair, dim=-1) for pair in zip(parts.common, parts.specific, strict=True))
            features = [merge(x) for merge, x in zip(self.merge, joined, strict=True)]

        aggregated, weights = self.han(torch.stack(features, dim=1))
        segments, pooled = self.head(aggregated)
        weights.update(temporal=pooled.temporal, modality=pooled.modality)
        extras = self.extras(taken_apart) if self.training else {}
        return ParseOutput(pooled.video, pooled.audio, pooled.visual, segments, weights, extras)

    def extras(self, taken_apart: Sequence[tuple[Stage, Parts]]) -> dict[str, Tensor]:
        """The added losses by name, weighted: sums over the stages, reconstruction their mean."""
        losses: dict[str, Tensor] = {}
        for name in self.extra_losses:
            each = torch.stack([getattr(stage, name)(parts) for stage, parts in taken_apart])
            reduced = each.mean() if name == "reconstruction" else each.sum()
            losses[name] = getattr(self.config, name) * reduced
        return losses


def block(width: int, dim: int) -> nn.Sequential:
    """LN(relu(W x))."""
    return nn.Sequential(nn.Linear(width, dim), nn.ReLU(), nn.LayerNorm(dim))
