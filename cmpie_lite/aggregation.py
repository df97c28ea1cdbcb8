"""Cross-modal aggregation (Eq. 8-11): each modality reads the concatenation of both."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cmpie_lite.attention import Attention, MultiHeadAttention, scaled_dot_product_attention
from cmpie_lite.config import ModelConfig
from cmpie_lite.labels import MODALITIES, NUM_MODALITIES
from cmpie_lite.support.dropout import Dropout


class PrintedAttention(nn.Module):
    """Eq. 1 and nothing else: the literal reading of Eq. 8-11, without projections."""

    def forward(self, query: Float[Tensor, "B T D"], context: Float[Tensor, "B K D"]) -> Attention:
        """What each query reads from the context, and the weights of that."""
        return scaled_dot_product_attention(query, context, context)


class ResidualAttention(nn.Module):
    """x + drop(attention(x, context)), a feature moved towards what it reads, not replaced by it.

    With `norm` a LayerNorm follows: the post-norm form that surrounds attention in HAN.
    """

    def __init__(self, attention: MultiHeadAttention, dim: int, dropout: float, norm: bool) -> None:
        super().__init__()
        self.attention = attention
        self.norm = nn.LayerNorm(dim) if norm else nn.Identity()
        self.dropout = Dropout(dropout)

    def forward(self, query: Float[Tensor, "B T D"], context: Float[Tensor, "B K E"]) -> Attention:
        """Each query moved towards what it reads from the context, and the weights of that."""
        values, weights = self.attention(query, context)
        return Attention(self.norm(query + self.dropout(values)), weights)


def attention_block(config: ModelConfig) -> nn.Module:
    """One CMA block, in the form that `config.cma_form` asks for."""
    if config.cma_form == "printed":
        return PrintedAttention()
    context_dim = config.dim if config.cma_concat == "tokens" else NUM_MODALITIES * config.dim
    attention = MultiHeadAttention(config.dim, config.heads, config.dropout, context_dim)
    if config.cma_form == "projected":
        return attention
    return ResidualAttention(attention, config.dim, config.dropout, norm=config.cma_form == "residual_norm")


class CrossModalAggregation(nn.Module):
    """The CMA block of one stream, or of both where `cma_sharing` is "modality".

    ĝ_t^m = δ_attn(f̂_t^m, F̂^a ⊕ F̂^v, F̂^a ⊕ F̂^v) for m in {a, v} (Eq. 8-9 for the HAN stream, 10-11 for the SA
    stream). ⊕ concatenates along tokens (2T keys of width D) or features (T keys of width 2D). A modality
    that the configuration leaves out (Table 2, "w/o V" and "w/o A") passes through unchanged. Modalities that
    share a block ask it together, 2T queries at once: its keys and values are the same for both.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.concat_axis = -2 if config.cma_concat == "tokens" else -1
        served = [m for m, use in enumerate((config.cma_audio, config.cma_visual)) if use]
        self.askers = [served] if config.cma_sharing == "per_stream" else [[m] for m in served]
        self.blocks = nn.ModuleList(attention_block(config) for _ in self.askers)

    def forward(
        self, features: Float[Tensor, "B 2 T D"]
    ) -> tuple[Float[Tensor, "B 2 T D"], dict[str, Tensor]]:
        """Returns ĝ stacked like the input, and {"audio" and/or "visual": weights (B, T, K)}."""
        aggregated = list(features.unbind(dim=1))
        context = torch.cat(aggregated, dim=self.concat_axis)
        weights = {}
        for block, modalities in zip(self.blocks, self.askers, strict=True):
            values, maps = block(torch.cat([aggregated[m] for m in modalities], dim=-2), context)
            shares = (x.chunk(len(modalities), dim=-2) for x in (values, maps))
            for modality, value, map_ in zip(modalities, *shares, strict=True):
                aggregated[modality], weights[MODALITIES[modality]] = value, map_
        return torch.stack(aggregated, dim=1), weights
