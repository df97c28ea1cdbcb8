"""MM-Pyramid: attention and convolution in windows that double from level to level, then a choice of levels.

Idea. Events last from one second to ten. Level i sees 2^i segments to either side, in attention and in a
dilated convolution; every segment then weights what the levels found.

Maths, at level i (x audio or visual, x' the other modality):

    layer(q, c)  h = q + drop(attn_i(LN(q), c, c));  h + drop(W₂ drop(relu(W₁ LN(h))))
    read         s = layer_x(x, x),  r = layer(x, x'),  y = σ(G₁[s; r]) s + σ(G₂[s; r]) r
    write        x ← relu(y + conv₁(relu(conv₃(y, dilation 2^i))))

attn_i lets segment t read t' only where |t - t'| <= 2^i. Self-attention, gates and convolution are one per
modality; the cross layer serves both directions. In the end, for each segment, u = layer([x_0 ... x_3]) over
its level tokens, x = Σ_i σ(w · u_i) u_i, and HAN's head. The front end is HAN's too.

Published (Yu et al., ACM MM 2022, and their code for this task): all of the above, 8 heads, 4 levels, dropout
0.1 on attention weights and 0.2 elsewhere, keys and values un-normed; Adam 1e-4, else HAN's recipe and loss.

Given the same weights, probabilities equal those of their code, and so do the gradients that were compared
(to 1e-15 in double precision). We leave out biases that a softmax does not see and norms that never run, and
initialise projections as PyTorch's own attention does.

The order of modalities (`order`). Their code stacks [visual, audio] and then reads index 0 as audio, in the
loss (only the second modality's labels are smoothed) and in evaluation. "swapped" reproduces that: what it
calls audio events is read off the visual stream. "named" reads each stream by its name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cmpie_lite.attention import Attention, MultiHeadAttention
from cmpie_lite.labels import NUM_MODALITIES, NUM_SEGMENTS
from cmpie_lite.model import FrontEnd, ParseOutput
from cmpie_lite.pooling import MMILPooling
from cmpie_lite.support.dropout import Dropout
from cmpie_lite.support.fields import DEEPEST, WIDEST, check_fields, require, require_whole


@dataclass(frozen=True)
class MMPyramidConfig:
    """Sizes of MM-Pyramid (defaults: its authors') and the order in which modalities are read."""

    order: Literal["named", "swapped"] = "named"
    levels: int = 4
    heads: int = 8
    attention_dropout: float = 0.1
    dropout: float = 0.2
    dim: int = 512
    ffn_dim: int = 512

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("levels", "heads", "dim", "ffn_dim"):
            require_whole(self, name, 1, DEEPEST if name == "levels" else WIDEST)
        for name in ("attention_dropout", "dropout"):
            require(self, name, 0.0 <= getattr(self, name) < 1.0, "a number in [0, 1)")
        require(self, "heads", self.dim % self.heads == 0, f"a divisor of dim = {self.dim}")


class BandedAttention(MultiHeadAttention):
    """Multi-head attention in which segment t reads t' only where |t - t'| <= reach."""

    band: Tensor

    def __init__(self, dim: int, heads: int, dropout: float, reach: int) -> None:
        super().__init__(dim, heads, dropout)
        place = torch.arange(NUM_SEGMENTS)
        outside = (place[:, None] - place).abs() > reach
        self.register_buffer(
            "band", torch.zeros(outside.shape).masked_fill(outside, -math.inf), persistent=False
        )

    def forward(self, query: Float[Tensor, "*#b T D"], context: Float[Tensor, "*#b T D"]) -> Attention:
        """Let each segment read the context in its band; weights are averaged over heads for plotting."""
        query, key, value = (
            x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)
            for x in (self.query(query), self.key(context), self.value(context))
        )
        logits = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1]) + self.band
        weights = torch.softmax(logits, dim=-1)
        read = (self.dropout(weights) @ value).transpose(-3, -2).flatten(-2)
        return Attention(self.out(read), weights.mean(dim=-3))


class Layer(nn.Module):
    """Attention and a feed-forward network, each normed before and added after; the context is not normed."""

    def __init__(self, config: MMPyramidConfig, attention: MultiHeadAttention) -> None:
        super().__init__()
        self.attention = attention
        self.norm1 = nn.LayerNorm(config.dim)
        self.norm2 = nn.LayerNorm(config.dim)
        self.linear1 = nn.Linear(config.dim, config.ffn_dim)
        self.linear2 = nn.Linear(config.ffn_dim, config.dim)
        self.dropout = Dropout(config.dropout)

    def forward(self, query: Float[Tensor, "*#b Q D"], context: Float[Tensor, "*#b K D"]) -> Attention:
        """Returns the query enriched by the context, and the attention weights."""
        read, weights = self.attention(self.norm1(query), context)
        hidden = query + self.dropout(read)
        fed = self.linear2(self.dropout(torch.relu(self.linear1(self.norm2(hidden)))))
        return Attention(hidden + self.dropout(fed), weights)


class TemporalBlock(nn.Module):
    """relu(x + conv₁(relu(conv₃(x)))); with dilation d, conv₃ sees x at t - d, t and t + d."""

    def __init__(self, dim: int, dilation: int) -> None:
        super().__init__()
        self.wide = nn.Conv1d(dim, dim, kernel_size=3, dilation=dilation, padding=dilation)
        self.narrow = nn.Conv1d(dim, dim, kernel_size=1)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """The segments with what the two convolutions write added to them."""
        channels_first = x.transpose(1, 2)
        written = self.narrow(torch.relu(self.wide(channels_first)))
        return torch.relu(channels_first + written).transpose(1, 2)


class Level(nn.Module):
    """One level of the pyramid: read in a band of 2^level segments, gate, write by dilated convolution."""

    def __init__(self, config: MMPyramidConfig, level: int) -> None:
        super().__init__()
        reach, dim = 2**level, config.dim

        def layer() -> Layer:
            return Layer(config, BandedAttention(dim, config.heads, config.attention_dropout, reach))

        self.own = nn.ModuleList(layer() for _ in range(NUM_MODALITIES))
        self.cross = layer()
        self.gates = nn.ModuleList(nn.Linear(2 * dim, 2 * dim) for _ in range(NUM_MODALITIES))  # G₁ and G₂
        self.blocks = nn.ModuleList(TemporalBlock(dim, reach) for _ in range(NUM_MODALITIES))

    def forward(
        self, features: Float[Tensor, "B 2 T D"]
    ) -> tuple[Float[Tensor, "B 2 T D"], dict[str, Tensor]]:
        """Both directions read the level's original inputs; returns features and {self, cross} weights."""
        cross = self.cross(features, features.flip(1))
        own = [layer(x, x) for layer, x in zip(self.own, features.unbind(1), strict=True)]
        written = []
        for s, r, gates, block in zip(own, cross.values.unbind(1), self.gates, self.blocks, strict=True):
            keep, take = torch.sigmoid(gates(torch.cat([s.values, r], dim=-1))).chunk(2, dim=-1)
            written.append(block(keep * s.values + take * r))
        weights = {"self": torch.stack([s.weights for s in own], dim=1), "cross": cross.weights}
        return torch.stack(written, dim=1), weights


class LevelFusion(nn.Module):
    """Of one modality: the levels of a segment read each other, then add up by a sigmoid weight each."""

    def __init__(self, config: MMPyramidConfig) -> None:
        super().__init__()
        attention = MultiHeadAttention(config.dim, config.heads, config.attention_dropout)
        self.layer = Layer(config, attention)
        self.weigh = nn.Linear(config.dim, 1)

    def forward(
        self, levels: Float[Tensor, "B T L D"]
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B T L"]]:
        """Returns the fused features and the weight in (0, 1) of each level."""
        tokens = self.layer(levels, levels).values
        weights = torch.sigmoid(self.weigh(tokens))
        return (weights * tokens).sum(dim=-2), weights.squeeze(-1)


class MMPyramid(nn.Module):
    """MM-Pyramid as `config` describes it.

    Example:
        >>> model = MMPyramid(MMPyramidConfig())
        >>> parsed = model(torch.rand(1, 10, 128), torch.rand(1, 10, 2048), torch.rand(1, 10, 512))
        >>> tuple(parsed.weights["levels"].shape)
        (1, 2, 10, 4)
    """

    def __init__(self, config: MMPyramidConfig) -> None:
        super().__init__()
        self.config = config
        self.front_end = FrontEnd(config.dim)
        self.levels = nn.ModuleList(Level(config, level) for level in range(config.levels))
        self.fusions = nn.ModuleList(LevelFusion(config) for _ in range(NUM_MODALITIES))
        self.head = MMILPooling(config.dim)

    def forward(
        self,
        audio: Float[Tensor, "B T Da"],
        visual_2d: Float[Tensor, "B F D2"],
        visual_3d: Float[Tensor, "B T D3"],
    ) -> ParseOutput:
        """Parse a batch of videos.

        Weights returned: `temporal`, `modality` (B, T, M, C); `0.self`, `0.cross` ... of each level
        (B, M, T, T); `levels` (B, M, T, L), in (0, 1). Only the first two follow a swapped order.

        Raises:
            ValueError: if a tensor's shape is not (videos, segments, features); the message names it.
        """
        features = self.front_end(audio, visual_2d, visual_3d)
        weights: dict[str, Tensor] = {}
        found = []
        for place, level in enumerate(self.levels):
            features, maps = level(features)
            weights.update({f"{place}.{name}": map_ for name, map_ in maps.items()})
            found.append(features)
        audio_levels, visual_levels = torch.stack(found, dim=-2).unbind(1)
        fused_audio, audio_weights = self.fusions[0](audio_levels)
        fused_visual, visual_weights = self.fusions[1](visual_levels)
        fused = torch.stack([fused_audio, fused_visual], dim=1)
        if self.config.order == "swapped":
            fused = fused.flip(1)
        segments, pooled = self.head(fused)
        weights["levels"] = torch.stack([audio_weights, visual_weights], dim=1)
        weights.update(temporal=pooled.temporal, modality=pooled.modality)
        return ParseOutput(pooled.video, pooled.audio, pooled.visual, segments, weights)
