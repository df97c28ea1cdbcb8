"""The assembled model: front end, two streams of HAN, SA, CMA, their mean, and MMIL pooling.

`CMPIE(config)` is CM-PIE, HAN and every ablation between them; which one is a matter of the frozen config.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cmpie_lite.aggregation import CrossModalAggregation
from cmpie_lite.config import ModelConfig
from cmpie_lite.decoding import Predictions
from cmpie_lite.han import HAN
from cmpie_lite.labels import AUDIO_DIM, FRAMES_PER_SEGMENT, NUM_SEGMENTS, VISUAL_2D_DIM, VISUAL_3D_DIM
from cmpie_lite.pooling import MMILPooling
from cmpie_lite.segment_attention import SegmentAttention

AUTOCAST = {torch.float16, torch.bfloat16, torch.float32}  # the types that autocast converts


class ParseOutput(NamedTuple):
    """A batch parsed: probabilities in [0, 1], save `video`, which may pass 1 (see `Pooled`), and weights."""

    video: Float[Tensor, "B C"]
    audio: Float[Tensor, "B C"]
    visual: Float[Tensor, "B C"]
    segments: Float[Tensor, "B T M C"]
    weights: dict[str, Tensor]
    extras: dict[str, Tensor] = {}  # noqa: RUF012 - a model's own losses while it trains, weighted

    def predictions(self) -> Predictions:
        """The probabilities without the weights, on the device of the model: what `decode` reads."""
        return Predictions(self.video, self.audio, self.visual, self.segments)


class FrontEnd(nn.Module):
    """Project encoder features to D and fuse the two visual ones.

    audio: W_a x. visual, as HAN's authors coded it: W_f [W_2d mean_8(x_2d) ; W_3d x_3d]; as the paper words
    it ("mlp"): W_2 relu(W_1 [mean_8(x_2d) ; x_3d]). Frames may come 8 per segment (B, 8T, 2048) or already
    pooled (B, T, 2048): both forms read their mean, so the result is the same.
    """

    def __init__(self, dim: int = 512, form: Literal["han", "mlp"] = "han") -> None:
        super().__init__()
        self.audio = nn.Linear(AUDIO_DIM, dim)
        self.form = form
        if form == "han":
            self.visual_2d = nn.Linear(VISUAL_2D_DIM, dim)
            self.visual_3d = nn.Linear(VISUAL_3D_DIM, dim)
            self.fusion = nn.Linear(2 * dim, dim)
        else:
            joined = nn.Linear(VISUAL_2D_DIM + VISUAL_3D_DIM, dim)
            self.mlp = nn.Sequential(joined, nn.ReLU(), nn.Linear(dim, dim))

    def forward(
        self,
        audio: Float[Tensor, "B T Da"],
        visual_2d: Float[Tensor, "B F D2"],
        visual_3d: Float[Tensor, "B T D3"],
    ) -> Float[Tensor, "B 2 T D"]:
        """Returns the two modalities stacked on axis M."""
        check_inputs(audio, visual_2d, visual_3d, self.audio.weight.dtype)
        frames = pool_frames(visual_2d)
        if self.form == "han":
            visual = self.fusion(torch.cat([self.visual_2d(frames), self.visual_3d(visual_3d)], dim=-1))
        else:
            visual = self.mlp(torch.cat([frames, visual_3d], dim=-1))
        return torch.stack([self.audio(audio), visual], dim=1)


def pool_frames(visual_2d: Float[Tensor, "B F D2"]) -> Float[Tensor, "B T D2"]:
    """Mean over each segment's 8 frames; features that are already one per segment pass unchanged."""
    if visual_2d.shape[1] == NUM_SEGMENTS:
        return visual_2d
    return visual_2d.unflatten(1, (NUM_SEGMENTS, FRAMES_PER_SEGMENT)).mean(dim=2)


def check_inputs(audio: Tensor, visual_2d: Tensor, visual_3d: Tensor, dtype: torch.dtype) -> None:
    """Raise ValueError, naming the tensor, unless these are T = 10 segments of features.

    Args:
        dtype: of the model's parameters, which the features must have too, save where autocast converts them.
    """
    frames = (NUM_SEGMENTS, NUM_SEGMENTS * FRAMES_PER_SEGMENT)
    expected = {
        "audio": (audio, (NUM_SEGMENTS,), AUDIO_DIM),
        "visual_2d": (visual_2d, frames, VISUAL_2D_DIM),
        "visual_3d": (visual_3d, (NUM_SEGMENTS,), VISUAL_3D_DIM),
    }
    for name, (x, steps, width) in expected.items():
        if x.ndim != 3 or x.shape[1] not in steps or x.shape[2] != width:
            lengths = " or ".join(map(str, steps))
            raise ValueError(f"{name} has shape {tuple(x.shape)}, expected (videos, {lengths}, {width}).")
        converted = {x.dtype, dtype} <= AUTOCAST and torch.is_autocast_enabled(x.device.type)
        if x.dtype != dtype and not converted:
            raise ValueError(
                f"{name} is {x.dtype}, expected {dtype} like the model: convert it with .to({dtype})."
            )


class CMPIE(nn.Module):
    """CM-PIE (or HAN, or an ablation) as `config` describes it.

    features -> HAN -> CMA = ĝ^h, features -> SA -> HAN -> CMA = ĝ^s, g̃ = Mean(ĝ^h, ĝ^s) (Eq. 12-13), MMIL
    pooling. Switched-off blocks are not constructed, so every parameter is used. With one stream there is no
    mean; with `sa_input="aggregated"` SA reads what the HAN of stream h wrote.

    Example:
        >>> model = CMPIE(ModelConfig())
        >>> parsed = model(torch.rand(1, 10, 128), torch.rand(1, 10, 2048), torch.rand(1, 10, 512))
        >>> tuple(parsed.segments.shape)
        (1, 10, 2, 25)
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        alone = ("s",) if config.segment_attention else ("h",)
        self.streams = ("h", "s") if config.streams == 2 else alone
        hans = config.streams if config.han_sharing == "two" else 1
        cmas = 1 if config.cma_sharing == "modality" else config.streams
        aggregates = config.cma_audio or config.cma_visual
        self.front_end = FrontEnd(config.dim, config.front_end)
        self.segment_attention = SegmentAttention(config) if config.segment_attention else None
        self.hans = nn.ModuleList(
            HAN(config.dim, config.heads, config.ffn_dim, config.dropout, config.han_layers)
            for _ in range(hans)
        )
        self.aggregations = nn.ModuleList(
            CrossModalAggregation(config) for _ in range(cmas if aggregates else 0)
        )
        self.head = MMILPooling(config.dim)

    def forward(
        self,
        audio: Float[Tensor, "B T Da"],
        visual_2d: Float[Tensor, "B F D2"],
        visual_3d: Float[Tensor, "B T D3"],
    ) -> ParseOutput:
        """Parse a batch of videos.

        Weights returned: `temporal`, `modality` (B, T, M, C); `h.self`, `h.cross`, `s.self`, `s.cross`
        (B, M, T, T); `sa.segment` or `sa.global` (B, M, T), `sa.channel` (B, M, D); `h.cma.audio` ...
        `s.cma.visual` (B, T, K). `s` is the stream behind SA, the only one of HAN behind SA; of two HANs
        without SA it is the second.

        Raises:
            ValueError: if a tensor's shape is not (videos, segments, features), or its dtype not that of the
                parameters; the message names it.
        """
        weights: dict[str, Tensor] = {}
        features = self.front_end(audio, visual_2d, visual_3d)
        parsed, aggregated = [], features
        for place, stream in enumerate(self.streams):
            x = features
            if stream == "s" and self.segment_attention is not None:
                x, gates = self._refine(features, aggregated, audio, visual_2d, visual_3d)
                weights.update({f"sa.{axis}": gate for axis, gate in gates.items()})
            x, maps = self.hans[min(place, len(self.hans) - 1)](x)
            aggregated = x
            if self.aggregations:
                x, reads = self.aggregations[min(place, len(self.aggregations) - 1)](x)
                maps.update({f"cma.{modality}": read for modality, read in reads.items()})
            weights.update({f"{stream}.{name}": map_ for name, map_ in maps.items()})
            parsed.append(x)
        fused = parsed[0] if len(parsed) == 1 else (parsed[0] + parsed[1]) / 2  # Eq. 12-13
        segments, pooled = self.head(fused)
        weights.update(temporal=pooled.temporal, modality=pooled.modality)
        return ParseOutput(pooled.video, pooled.audio, pooled.visual, segments, weights)

    def _refine(
        self, features: Tensor, aggregated: Tensor, audio: Tensor, visual_2d: Tensor, visual_3d: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The SA stream's input: projected features gated, HAN's gated, or raw ones gated, then projected."""
        assert self.segment_attention is not None
        if self.config.sa_input != "raw":
            read = features if self.config.sa_input == "projected" else aggregated
            refined, gates = self.segment_attention(read.unbind(dim=1))
            return torch.stack(refined, dim=1), gates
        visual = torch.cat([pool_frames(visual_2d), visual_3d], dim=-1)
        (audio, visual), gates = self.segment_attention([audio, visual])
        return self.front_end(audio, *visual.split([VISUAL_2D_DIM, VISUAL_3D_DIM], dim=-1)), gates
