"""AVE: audio-guided visual attention, one recurrent reader a modality, a parsing branch for each.

Idea. What sounds tells where to look: the audio of a segment weights the visual tokens of the same segment.
Two bidirectional LSTMs then read the audio and the attended visual sequence. They meet only in the joint
branch, after all reading is done (late fusion).

Maths. v_t = Σ_i α_{t,i} v_{t,i} with α from `AudioGuidedAttention`; h^a = BiLSTM(a), h^v = BiLSTM(v);
p^a = branch(h^a), p^v = branch(h^v), p = branch([h^a; h^v]); each bag is the maximum over its segments.

Published (Tian et al., ECCV 2018, and their code): the attention, the LSTMs (hidden 128), the joint
classifier through 64 units, the maximum over time; for another task: one audio-visual event a video. HAN's
authors ran it on LLP with added audio and visual branches, but published neither the code nor the sizes.

Our reading, therefore:
- two visual tokens, the 2D and the 3D feature of a segment, normed and projected, instead of 49 regions,
  which LLP's features lack;
- the added branches have the form of the joint one, and all three end in sigmoids, since events co-occur;
- the joint branch gives the video's probability, which gates segments when decoding;
- HAN's loss and, but for a learning rate of 3e-3, its recipe (the original: another loss, Adam 1e-3, batch
  64). At HAN's 3e-4 the gradient of a maximum over time, one segment's, hardly moves anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cmpie_lite.labels import AUDIO_DIM
from cmpie_lite.systems.recurrent import BiLSTM, RecurrentConfig, RecurrentParser


@dataclass(frozen=True)
class AVEConfig(RecurrentConfig):
    """Sizes of AVE."""


class AVE(RecurrentParser):
    """AVE with parsing branches.

    Example:
        >>> parsed = AVE(AVEConfig())(torch.rand(1, 10, 128), torch.rand(1, 10, 2048), torch.rand(1, 10, 512))
        >>> tuple(parsed.segments.shape)
        (1, 10, 2, 25)
    """

    def __init__(self, config: AVEConfig) -> None:
        super().__init__(config)
        self.audio_lstm = BiLSTM(AUDIO_DIM, config.hidden)
        self.visual_lstm = BiLSTM(config.dim, config.hidden)
        self.add_branches(4 * config.hidden)

    def read(self, audio: Tensor, visual: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Both sequences by themselves; they meet in the joint branch alone."""
        heard, _ = self.audio_lstm(audio)
        seen, _ = self.visual_lstm(visual)
        return heard, seen, torch.cat([heard, seen], dim=-1)
