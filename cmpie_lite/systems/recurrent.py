"""What AVE and AVSDN share: a bidirectional LSTM, audio-guided attention, and parsing branches.

The LSTM is written out, one step per segment. PyTorch's own has no batching rule under `torch.vmap`, on which
the seeds axis rests; at T = 10 the loop is short, and both directions share each step's matrix product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cmpie_lite.labels import AUDIO_DIM, NUM_CLASSES, VISUAL_2D_DIM, VISUAL_3D_DIM
from cmpie_lite.model import ParseOutput, check_inputs, pool_frames
from cmpie_lite.support.fields import WIDEST, check_fields, require_whole


@dataclass(frozen=True)
class RecurrentConfig:
    """Sizes of AVE and AVSDN; the defaults are those of the public code for the AVE task."""

    dim: int = 512  # width of the visual tokens
    attention_dim: int = 49  # width in which audio and tokens are compared
    hidden: int = 128  # of each direction of an LSTM
    branch_dim: int = 64  # hidden width of a parsing branch

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("dim", "attention_dim", "hidden", "branch_dim"):
            require_whole(self, name, 1, WIDEST)


class State(NamedTuple):
    """An LSTM's memory; axis 0 is the direction (forward, backward)."""

    hidden: Float[Tensor, "2 B H"]
    cell: Float[Tensor, "2 B H"]


class BiLSTM(nn.Module):
    """One LSTM forward in time, one backward; their hidden states side by side.

    i, f, g, o = W x_t + U h_{t-1} + b;  c_t = σ(f) c_{t-1} + σ(i) tanh(g);  h_t = σ(o) tanh(c_t)

    PyTorch adds two biases to the same sum; here it is one. Initialised as PyTorch's, uniform in ±1/√H.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.empty(2, width, 4 * hidden))
        self.recurrent = nn.Parameter(torch.empty(2, hidden, 4 * hidden))
        self.bias = nn.Parameter(torch.empty(2, 1, 4 * hidden))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / math.sqrt(hidden), 1 / math.sqrt(hidden))

    def forward(
        self, x: Float[Tensor, "B T W"], state: State | None = None
    ) -> tuple[Float[Tensor, "B T H2"], State]:
        """Read x from both ends, from `state` on (None: zeros); returns (B, T, 2H) and the final state."""
        both = torch.stack([x, x.flip(1)])
        given = (both.flatten(1, 2) @ self.input + self.bias).unflatten(1, x.shape[:2])
        zeros = given.new_zeros(2, x.shape[0], self.recurrent.shape[1])
        hidden, cell = (zeros, zeros) if state is None else state
        steps = []
        for given_now in given.unbind(dim=2):
            i, f, g, o = (given_now + hidden @ self.recurrent).chunk(4, dim=-1)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            hidden = o.sigmoid() * cell.tanh()
            steps.append(hidden)
        forward, backward = torch.stack(steps, dim=2)
        return torch.cat([forward, backward.flip(1)], dim=-1), State(hidden, cell)


class AudioGuidedAttention(nn.Module):
    """Let the sound of a segment choose among its visual tokens.

    α = softmax_i wᵀ tanh(W_v relu(U_v v_i) + W_a relu(U_a a)),  v = Σ_i α_i v_i

    In AVE the tokens v_i are the 49 regions of a 7 x 7 map. Here they are two, the segment's 2D and its 3D
    feature, each projected to D: all that features pooled to one frame per segment leave to choose from.

    Each is normed before and after its projection. Features of networks that end in a ReLU are positive:
    a first few steps of Adam on thousands of them at once move every token together and far, the LSTM
    behind saturates, and without the norms the visual branch never learned anything.
    """

    def __init__(self, dim: int, attention_dim: int) -> None:
        super().__init__()
        self.visual_2d, self.visual_3d = (
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, dim), nn.LayerNorm(dim))
            for width in (VISUAL_2D_DIM, VISUAL_3D_DIM)
        )
        self.token = nn.Linear(dim, dim)
        self.guide = nn.Linear(AUDIO_DIM, dim)
        self.from_token = nn.Linear(dim, attention_dim, bias=False)
        self.from_guide = nn.Linear(dim, attention_dim, bias=False)
        self.score = nn.Linear(attention_dim, 1, bias=False)

    def forward(
        self,
        audio: Float[Tensor, "B T Da"],
        visual_2d: Float[Tensor, "B F D2"],
        visual_3d: Float[Tensor, "B T D3"],
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B T 2"]]:
        """Returns the attended visual feature of each segment, and the weights of (2D, 3D)."""
        frames = self.visual_2d(pool_frames(visual_2d))
        tokens = torch.stack([frames, self.visual_3d(visual_3d)], dim=-2)
        guide = self.from_guide(torch.relu(self.guide(audio))).unsqueeze(-2)
        scores = self.score(torch.tanh(self.from_token(torch.relu(self.token(tokens))) + guide))
        weights = torch.softmax(scores, dim=-2)
        return (weights * tokens).sum(dim=-2), weights.squeeze(-1)


class Branch(nn.Module):
    """A parsing branch: p = σ(W₂ relu(W₁ relu(h))), one probability per segment and class."""

    def __init__(self, width: int, hidden: int, classes: int = NUM_CLASSES) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(), nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    def forward(self, features: Float[Tensor, "B T W"]) -> Float[Tensor, "B T C"]:
        """Probabilities of the classes in each segment."""
        return torch.sigmoid(self.layers(features))


def max_pooled(
    audio: Float[Tensor, "B T C"],
    visual: Float[Tensor, "B T C"],
    joint: Float[Tensor, "B T C"],
    weights: dict[str, Tensor],
) -> ParseOutput:
    """Multiple-instance learning by the maximum: a video has an event if one of its segments has.

    The joint branch speaks for the video (and thereby gates), the other two for their modality.
    """
    segments = torch.stack([audio, visual], dim=2)
    return ParseOutput(joint.amax(1), audio.amax(1), visual.amax(1), segments, weights)


class RecurrentParser(nn.Module):
    """What AVE and AVSDN have in common: attention in front, a parsing branch for each reading behind.

    A system adds its readers in `__init__`, then its branches with `add_branches`, and says in `read` what
    each branch gets.
    """

    audio_branch: Branch
    visual_branch: Branch
    joint_branch: Branch

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config = config
        self.attention = AudioGuidedAttention(config.dim, config.attention_dim)

    def add_branches(self, joint: int) -> None:
        """Add the three branches; that of the joint reading takes features of width `joint`."""
        self.audio_branch = Branch(2 * self.config.hidden, self.config.branch_dim)
        self.visual_branch = Branch(2 * self.config.hidden, self.config.branch_dim)
        self.joint_branch = Branch(joint, self.config.branch_dim)

    def read(self, audio: Tensor, visual: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the audio, the visual and the joint branch get: (B, T, W) each."""
        raise NotImplementedError

    def forward(
        self,
        audio: Float[Tensor, "B T Da"],
        visual_2d: Float[Tensor, "B F D2"],
        visual_3d: Float[Tensor, "B T D3"],
    ) -> ParseOutput:
        """Parse a batch. Weights returned: `guided` (B, T, 2), the shares of the 2D and the 3D token.

        Raises:
            ValueError: if a tensor's shape is not (videos, segments, features); the message names it.
        """
        check_inputs(audio, visual_2d, visual_3d, self.attention.guide.weight.dtype)
        visual, weights = self.attention(audio, visual_2d, visual_3d)
        heard, seen, joint = self.read(audio, visual)
        branches = self.audio_branch(heard), self.visual_branch(seen), self.joint_branch(joint)
        return max_pooled(*branches, {"guided": weights})
