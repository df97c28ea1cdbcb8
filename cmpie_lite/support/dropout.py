"""Dropout, with masks that a CPU draws quickly.

PyTorch draws one random number an element, on one thread: a tenth of a training step of HAN on two cores.
Here one 64-bit number serves four elements, which makes a mask about twice as cheap.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

STEPS = 2**16  # a mask is drawn from integers of 16 bits, so probabilities are multiples of 1 / STEPS
# Older versions of vmap have no rule for a view of another dtype, and the seeds axis needs one. PyTorch is
# asked for the rule, since trying it where there is none takes seconds; if it cannot be asked, it has none.
_ASK = getattr(torch._C, "_dispatch_has_kernel_for_dispatch_key", None)
VMAP_KNOWS_VIEWS = bool(_ASK and _ASK("aten::view.dtype", "FuncTorchBatched"))


class Dropout(nn.Module):
    """y = x m / E[m], with m = 0 where an element is dropped and 1 elsewhere; y = x outside training.

    On a CPU p is rounded to a multiple of 2^-16 (0.1 becomes 0.10001), and E[m] is that of the rounded p, so
    that y has the mean x, up to the rounding of its dtype. Elsewhere it is PyTorch's own dropout. Masks come
    from PyTorch's generator.

    Args:
        p: probability of dropping an element, in [0, 1).
    Raises:
        ValueError: if p is outside [0, 1).
    Example:
        >>> torch.equal(Dropout(0.5).eval()(torch.ones(3)), torch.ones(3))
        True
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0.0 <= p < 1.0:
            raise ValueError(f"p = {p}, expected a probability in [0, 1).")
        self.p = p

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Zeros with probability p and the rest divided by 1 - p while training; else the input."""
        if not self.training or self.p == 0.0:
            return x
        if x.device.type != "cpu":
            return nn.functional.dropout(x, self.p)
        dropped = min(round(self.p * STEPS), STEPS - 1)
        kept = random_integers(x.numel()).view(x.shape) >= dropped - STEPS // 2
        return x * (kept.to(x.dtype) / (1.0 - dropped / STEPS))

    def extra_repr(self) -> str:
        """What a printed module shows: p."""
        return f"p={self.p}"


def random_integers(number: int) -> Tensor:
    """So many uniform integers of 16 bits, four of them cut from each 64-bit number that is drawn."""
    wide = torch.randint(-(2**63), 2**63 - 1, (-(-number // 4),))  # without its largest value, one in 2^64
    if VMAP_KNOWS_VIEWS:
        return wide.view(torch.int16)[:number]
    quarters = [(wide >> bits).to(torch.int16) for bits in (0, 16, 32, 48)]  # the same numbers, more slowly
    return torch.stack(quarters, dim=-1).flatten()[:number]
