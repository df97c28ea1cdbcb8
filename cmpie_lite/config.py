"""Frozen configurations: every reading of the paper is a field.

The paper leaves much open (see the book's ambiguity register). Each open question is one field of
`ModelConfig`; its default is our reading, its alternatives are the other readings. Nothing else in the
package decides between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cmpie_lite.errors import ConfigError
from cmpie_lite.support.fields import DEEPEST, WIDEST, check_fields, require, require_whole


@dataclass(frozen=True)
class ModelConfig:
    """HAN, CM-PIE, every ablation between them, and the controls that tell their parts from each other.

    The four switches choose the row of Table 2; the fields below them are the ambiguities.

    Raises:
        ConfigError: a value that its field does not allow, or readings that exclude each other; the message
            names them.
    """

    # --- which blocks (rows of Table 2 and their controls) ---
    streams: int = 2  # how many HANs run side by side and are averaged (Eq. 12-13)
    segment_attention: bool = True  # the last stream is: features -> SA (Eq. 4-7) -> HAN
    cma_audio: bool = True  # cross-modal aggregation of the audio features (Eq. 8, 10)
    cma_visual: bool = True  # cross-modal aggregation of the visual features (Eq. 9, 11)
    # --- what the paper leaves open (default first) ---
    front_end: Literal["han", "mlp"] = "han"  # project, join, project; or join, then an MLP
    sa_axis: Literal["segment", "global", "channel", "both"] = "segment"  # what a weight is for, from what
    sa_squeeze: Literal["standardised", "mean", "sum"] = "standardised"  # text: "average"; Eq. 4: a sum
    sa_layers: int = 2  # linear layers of phi; ReLU between, Sigmoid last
    sa_reduction: int = 2  # hidden width of phi = width // sa_reduction (sa_axis="global" has its own, 16)
    sa_sharing: Literal["shared", "per_modality"] = "shared"  # one phi (as Eq. 4 and 5 print it) or two
    sa_input: Literal["projected", "raw", "aggregated"] = "projected"  # after or before the projection; HAN's
    han_sharing: Literal["two", "one"] = "two"  # one HAN per stream, or one for both
    cma_concat: Literal["tokens", "features"] = "tokens"  # 2T keys of D, or T keys of 2D
    cma_form: Literal["residual_norm", "residual", "projected", "printed"] = "residual_norm"  # around Eq. 1
    cma_sharing: Literal["per_stream", "modality", "per_modality"] = "per_stream"  # whom a CMA block serves
    heads: int = 1
    dropout: float = 0.1
    # --- sizes ---
    dim: int = 512
    ffn_dim: int = 512
    han_layers: int = 1  # 0: no second reads another; the linear parser of chapter 0

    def __post_init__(self) -> None:
        check_fields(self)
        require(self, "streams", self.streams in (1, 2), "1 or 2")
        for name in ("sa_reduction", "heads", "dim", "ffn_dim"):
            require_whole(self, name, 1, WIDEST)
        require_whole(self, "sa_layers", 1, DEEPEST)
        require_whole(self, "han_layers", 0, DEEPEST)
        require(self, "dropout", 0.0 <= self.dropout < 1.0, "a number in [0, 1)")
        require(self, "heads", self.dim % self.heads == 0, f"a divisor of dim = {self.dim}")
        require(self, "sa_reduction", self.sa_reduction <= 10, "at most 10, the number of segments")
        if self.sa_input == "raw" and self.sa_axis != "segment":
            raise ConfigError(
                f"sa_input='raw' with sa_axis={self.sa_axis!r}: raw audio and visual features have different "
                "widths, so only sa_axis='segment' is possible before the projection."
            )
        if self.sa_axis == "global" and self.sa_reduction != 2:
            raise ConfigError(
                f"sa_axis='global' with sa_reduction={self.sa_reduction}: this reading has the reduction of "
                "squeeze-and-excitation, 16. Leave sa_reduction at 2, which is for ten segments."
            )
        if self.segment_attention and self.sa_input == "aggregated" and self.streams == 1:
            raise ConfigError(
                "sa_input='aggregated' with streams=1: SA then reads what the first stream's HAN wrote, and "
                "there is none beside its own. Use streams=2, or sa_input='projected'."
            )
        if self.cma_form == "printed" and self.cma_concat == "features":
            raise ConfigError(
                "cma_form='printed' with cma_concat='features': without projections a query of D cannot meet "
                "keys of 2D. Use cma_concat='tokens', or another cma_form."
            )


@dataclass(frozen=True)
class TrainConfig:
    """The recipe of HAN's authors; the paper states none."""

    epochs: int = 40
    batch_size: int = 16
    learning_rate: float = 3e-4
    lr_step: int = 10  # epochs between drops of the learning rate
    lr_gamma: float = 0.1  # factor of each drop
    visual_smoothing: float = 0.1  # visual targets become (1 - s) y + s / 2
    seed: int = 1
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    compile: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("epochs", "batch_size", "lr_step"):
            require_whole(self, name, 1, 10**6)
        require(self, "learning_rate", 0.0 < self.learning_rate < 1.0, "a number in (0, 1)")
        require(self, "lr_gamma", 0.0 < self.lr_gamma <= 1.0, "a number in (0, 1]")
        require(self, "visual_smoothing", 0.0 <= self.visual_smoothing < 1.0, "a number in [0, 1)")
        require(self, "seed", 0 <= self.seed < 2**31, "an integer in [0, 2**31)")
