"""The extractors made quick, with the values that they have: norms folded, channels last, half precision.

A batch norm behind a convolution is, outside of training, an affine map of its output, and can be folded into
the convolution's own weights: W' = g W / s and b' = beta + g (b - m) / s, with the norm's scale g and shift
beta, and s^2 = running variance + eps, m = running mean. Values change by rounding alone.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

PRECISIONS: Final[dict[str, torch.dtype]] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LAST: Final = {4: torch.channels_last, 5: torch.channels_last_3d}  # memory formats by number of axes
CPU_INFO: Final = Path("/proc/cpuinfo")


class Quick(nn.Module):
    """A network in evaluation mode, its norms folded, in a precision; it takes and gives float32."""

    def __init__(self, network: nn.Module, precision: str) -> None:
        super().__init__()
        self.dtype = PRECISIONS[precision]
        self.network = fold_norms(network).to(self.dtype).requires_grad_(False)
        for axes, layout in LAST.items():
            for parameter in self.network.parameters():
                if parameter.ndim == axes:
                    parameter.data = parameter.data.contiguous(memory_format=layout)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.to(self.dtype, memory_format=LAST[x.ndim])).float()


def fold_norms(network: nn.Module) -> nn.Module:
    """A copy of a network in evaluation mode in which no batch norm is left.

    Each norm of our networks stands right behind the convolution that it belongs to, in the order in which
    modules were registered.

    Raises:
        ValueError: a norm stands behind something else.
    """
    folded = copy.deepcopy(network).eval()
    leaves = [(name, module) for name, module in folded.named_modules() if not list(module.children())]
    for (place, convolution), (norm_place, norm) in pairwise(leaves):
        if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d):
            if not isinstance(convolution, nn.Conv2d | nn.Conv3d):
                raise ValueError(f"{norm_place} stands behind {place}, expected a convolution there.")
            folded.set_submodule(place, fuse_conv_bn_eval(convolution, norm))
            folded.set_submodule(norm_place, nn.Identity())
    return folded


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 by itself; others emulate it, more slowly than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu" and CPU_INFO.exists():
        flags = set(CPU_INFO.read_text(encoding="utf8", errors="replace").split())
        return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})
    return False
