"""The hybrid attention network (Eq. 2-3): every segment reads its own modality and the other one.

Audio and visual features are stacked on axis M, since one layer's weights serve both modalities; the other
modality is then `features.flip(M)`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cmpie_lite.attention import MultiHeadAttention, scaled_dot_product_attention
from cmpie_lite.support.dropout import Dropout


def hybrid_attention(features: Float[Tensor, "B M T D"]) -> Float[Tensor, "B M T D"]:
    """Eq. 2-3 as printed, without a single parameter.

    f̂_t^a = f_t^a + δ_attn(f_t^a, F^a, F^a) + δ_attn(f_t^a, F^v, F^v), and the same with a and v exchanged.

    Example:
        >>> hybrid_attention(torch.ones(1, 2, 10, 4))[0, 0, 0].tolist()
        [3.0, 3.0, 3.0, 3.0]
    """
    other = features.flip(1)
    own = scaled_dot_product_attention(features, features, features).values
    return features + own + scaled_dot_product_attention(features, other, other).values


class HANLayer(nn.Module):
    """One layer as HAN's authors coded Eq. 2-3: projections, dropout, norms and a feed-forward network.

    h   = LN1(x + drop(cross(x, other)) + drop(self(x)))
    out = LN2(h + drop(W2 drop(relu(W1 h))))
    """

    def __init__(self, dim: int = 512, heads: int = 1, ffn_dim: int = 512, dropout: float = 0.1) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(dim, heads, dropout)
        self.cross_attention = MultiHeadAttention(dim, heads, dropout)
        self.linear1 = nn.Linear(dim, ffn_dim)
        self.linear2 = nn.Linear(ffn_dim, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)

    def forward(
        self, features: Float[Tensor, "B 2 T D"]
    ) -> tuple[Float[Tensor, "B 2 T D"], dict[str, Tensor]]:
        """Both directions read the layer's original inputs; returns features and {self, cross} weights."""
        cross = self.cross_attention(features, features.flip(1))
        own = self.self_attention(features, features)
        hidden = self.norm1(features + self.dropout(cross.values) + self.dropout(own.values))
        fed = self.linear2(self.dropout(torch.relu(self.linear1(hidden))))
        return self.norm2(hidden + self.dropout(fed)), {"self": own.weights, "cross": cross.weights}


class HAN(nn.Module):
    """`layers` hybrid attention layers, each reading what the one below wrote.

    The authors' encoder re-feeds the raw input to every layer, so that layers below the last are lost; with
    the one layer that everybody uses there is no difference.
    """

    def __init__(
        self, dim: int = 512, heads: int = 1, ffn_dim: int = 512, dropout: float = 0.1, layers: int = 1
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(HANLayer(dim, heads, ffn_dim, dropout) for _ in range(layers))

    def forward(
        self, features: Float[Tensor, "B 2 T D"]
    ) -> tuple[Float[Tensor, "B 2 T D"], dict[str, Tensor]]:
        """Returns the aggregated features f̂ and the last layer's attention weights (B, M, T, T)."""
        weights: dict[str, Tensor] = {}
        for layer in self.layers:
            features, weights = layer(features)
        return features, weights
