"""Scaled dot-product attention (Eq. 1) and its projected multi-head form; both return their weights.

The softmax is written out instead of calling a fused kernel: at T = 10 it costs nothing, it gives the maps
that the book plots, and it works under `torch.vmap` (the seeds axis).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cmpie_lite.support.dropout import Dropout


class Attention(NamedTuple):
    """What was read, and from where: `weights[..., q, k]` is the share of key k in query q's value."""

    values: Float[Tensor, "*batch Q D"]
    weights: Float[Tensor, "*batch Q K"]


def scaled_dot_product_attention(
    query: Float[Tensor, "*#batch Q D"],
    key: Float[Tensor, "*#batch K D"],
    value: Float[Tensor, "*#batch K V"],
) -> Attention:
    r"""Eq. 1: δ_attn(Q, K, V) = Softmax(Q Kᵀ / √d) V.

    The softmax runs over the keys, so each query's weights are non-negative and sum to one.

    Args:
        query: what asks, one row per query; d is its last size.
        key: what is compared with the queries.
        value: what is averaged; one row per key.
    Raises:
        ValueError: if query and key differ in width, or key and value in number.
    Example:
        >>> q, kv = torch.zeros(1, 4), torch.tensor([[1., 0., 0., 0.], [3., 0., 0., 0.]])
        >>> scaled_dot_product_attention(q, kv, kv).values.tolist()
        [[2.0, 0.0, 0.0, 0.0]]
    """
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(
            f"query has width {query.shape[-1]} and key {key.shape[-1]}, expected the same: "
            "project both to one width first."
        )
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"{key.shape[-2]} keys but {value.shape[-2]} values, expected one value per key: take both "
            "from the same segments."
        )
    logits = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    weights = torch.softmax(logits, dim=-1)
    return Attention(weights @ value, weights)


class MultiHeadAttention(nn.Module):
    """Eq. 1 between learned projections, in `heads` parallel subspaces of width dim / heads.

    values = W_o concat_h δ_attn(W_q x + b_q, W_k c, W_v c + b_v). The key projection has no bias: it would
    add the same number q·b_k to every logit of a query, which the softmax does not see (see `SOFTMAX_BLIND`
    in `cmpie_lite.model`).

    Args:
        dim: width of the queries and of the result.
        heads: number of heads; must divide dim.
        dropout: probability of dropping an attention weight while training.
        context_dim: width of the context; `dim` where not given.
    """

    def __init__(
        self, dim: int, heads: int = 1, dropout: float = 0.0, context_dim: int | None = None
    ) -> None:
        super().__init__()
        if heads < 1 or dim % heads:
            raise ValueError(f"heads = {heads} for dim = {dim}: expected a positive divisor of dim.")
        context_dim = dim if context_dim is None else context_dim
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(context_dim, dim, bias=False)
        self.value = nn.Linear(context_dim, dim)
        self.out = nn.Linear(dim, dim)
        self.dropout = Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier over the stacked projections, zero biases: PyTorch's own where context_dim = dim."""
        for projection in (self.query, self.key, self.value):
            bound = math.sqrt(6 / (projection.in_features + 3 * projection.out_features))
            nn.init.uniform_(projection.weight, -bound, bound)
        for linear in (self.query, self.value, self.out):
            nn.init.zeros_(linear.bias)

    def forward(self, query: Float[Tensor, "*#b Q D"], context: Float[Tensor, "*#b K E"]) -> Attention:
        """Let each query row read the context; weights are averaged over heads for plotting."""
        query, key, value = (
            x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)
            for x in (self.query(query), self.key(context), self.value(context))
        )
        _, weights = scaled_dot_product_attention(query, key, value)
        read = (self.dropout(weights) @ value).transpose(-3, -2).flatten(-2)
        return Attention(self.out(read), weights.mean(dim=-3))
