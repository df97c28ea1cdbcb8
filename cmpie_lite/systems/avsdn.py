"""AVSDN: encode the whole video, then read its segments again knowing it (sequence to sequence).

Idea. Two encoders read the audio and the visual sequence to their end. Their final states, fused, are the
memory with which a decoder starts to read the segments: global content is merged into local content.

Maths. s^a, s^v = final (h, c) of BiLSTM(a), BiLSTM(v), with v attended as in AVE. With x = relu(s^a),
y = relu(s^v), for h and c alike:

    m = (U_a x + U_v y) / 2,   s = (tanh(x + m) + tanh(y + m)) / 2,   U = Linear, tanh, Linear

d^a = BiLSTM(a; s), d^v = BiLSTM(v; s), d = BiLSTM([a; v]; s); p^a, p^v, p = branches of d^a, d^v, d; each bag
is the maximum over its segments.

Published (Lin, Li and Wang, ICASSP 2019, and a public reimplementation for the AVE task): the encoders, the
fusion of states, the joint decoder over [a; v] (hidden 128 throughout). On LLP it ran "with additional
audio-visual parsing branches" (MGN's description of HAN's comparison); neither code nor sizes are published.

Our reading, therefore:
- one decoder more for each modality, starting at the same fused state, so that the added branches too have
  the global content merged into their local content;
- visual tokens, sigmoids, maximum over time, loss and recipe as in our AVE: the two differ in nothing but
  what gives them their names. The public reimplementation instead multiplies a segment's relevance into one
  classification of the whole video, which fits a task with one event per video.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cmpie_lite.labels import AUDIO_DIM
from cmpie_lite.systems.recurrent import BiLSTM, RecurrentConfig, RecurrentParser, State


@dataclass(frozen=True)
class AVSDNConfig(RecurrentConfig):
    """Sizes of AVSDN."""


class StateFusion(nn.Module):
    """(tanh(x + m) + tanh(y + m)) / 2 with m = (U_a x + U_v y) / 2: a residual block over two states."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.audio, self.visual = (
            nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, hidden)) for _ in range(2)
        )

    def forward(
        self, audio: Float[Tensor, "2 B H"], visual: Float[Tensor, "2 B H"]
    ) -> Float[Tensor, "2 B H"]:
        """The fused hidden (or cell) state of both directions."""
        audio, visual = torch.relu(audio), torch.relu(visual)
        merged = (self.audio(audio) + self.visual(visual)) / 2
        return (torch.tanh(audio + merged) + torch.tanh(visual + merged)) / 2


class AVSDN(RecurrentParser):
    """AVSDN with parsing branches.

    Example:
        >>> parsed = AVSDN(AVSDNConfig())(
        ...     torch.rand(1, 10, 128), torch.rand(1, 10, 2048), torch.rand(1, 10, 512))
        >>> tuple(parsed.segments.shape)
        (1, 10, 2, 25)
    """

    def __init__(self, config: AVSDNConfig) -> None:
        super().__init__(config)
        self.audio_encoder = BiLSTM(AUDIO_DIM, config.hidden)
        self.visual_encoder = BiLSTM(config.dim, config.hidden)
        self.fusion = StateFusion(config.hidden)
        self.audio_decoder = BiLSTM(AUDIO_DIM, config.hidden)
        self.visual_decoder = BiLSTM(config.dim, config.hidden)
        self.joint_decoder = BiLSTM(AUDIO_DIM + config.dim, config.hidden)
        self.add_branches(2 * config.hidden)

    def read(self, audio: Tensor, visual: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Each sequence, and both side by side, by a decoder that knows how both ended."""
        _, heard = self.audio_encoder(audio)
        _, seen = self.visual_encoder(visual)
        memory = State(self.fusion(heard.hidden, seen.hidden), self.fusion(heard.cell, seen.cell))
        audio_read, _ = self.audio_decoder(audio, memory)
        visual_read, _ = self.visual_decoder(visual, memory)
        joint_read, _ = self.joint_decoder(torch.cat([audio, visual], dim=-1), memory)
        return audio_read, visual_read, joint_read
