"""What the cells of the book's notebooks need beside the model: checks, a plot style, a footer.

Every check prints one line, so that a notebook's committed outputs say what was shown to hold:

    ok     Eq. 1: rows sum to one
    to do  Exercise 1.2

A check that fails raises, and says what it received, what was expected and what to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def check(name: str, value: Any, expected: Any, atol: float = 1e-6) -> None:
    """Print "ok" where value equals expected up to `atol`; "to do" where value is `...`.

    Takes numbers, booleans, tensors, arrays and (nested) lists or tuples of them. Strings must be equal.

    Raises:
        AssertionError: if shape or values differ; the message shows the largest difference and where it is.
    Example:
        >>> check("one third", 0.333333, 1 / 3, atol=1e-5)
        ok     one third
        >>> check("Exercise 1.1", ..., 3)
        to do  Exercise 1.1
    """
    if value is ...:
        print(f"to do  {name}")
        return
    problem = difference(value, expected, atol)
    if problem:
        raise AssertionError(f"{name}: {problem}")
    print(f"ok     {name}")


def check_same(
    name: str,
    functions: Mapping[str, Callable[..., Any]],
    inputs: Sequence[Tensor],
    atol: float = 1e-9,
) -> None:
    """Check that all functions agree with the last one on these inputs, and so do their gradients.

    Functions take the inputs in order and return one tensor or a tuple of them.

    Raises:
        AssertionError: naming the function that differs, and whether value or gradient does.
    """
    *others, reference = functions
    value, gradient = value_and_gradients(functions[reference], inputs)
    for other in others:
        found, slope = value_and_gradients(functions[other], inputs)
        for kind, one, two in (("value", found, value), ("gradient", slope, gradient)):
            problem = difference(one, two, atol)
            if problem:
                raise AssertionError(f"{name}: the {kind} of {other} is not that of {reference}: {problem}")
    print(f"ok     {name}: {' = '.join(functions)}, forward and gradient")


def value_and_gradients(function: Callable[..., Any], inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The function's values in one flat tensor, and the gradients of a fixed weighted sum of them.

    The weights are cosines, so that no output's error can hide behind another's.
    """
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    result = function(*leaves)
    parts = result if isinstance(result, tuple | list) else (result,)
    flat = torch.cat([part.flatten() for part in parts])
    weights = torch.cos(torch.arange(flat.numel(), dtype=flat.dtype, device=flat.device))
    slopes = torch.autograd.grad((weights * flat).sum(), leaves, allow_unused=True)
    gradients = [
        torch.zeros_like(x) if slope is None else slope for x, slope in zip(leaves, slopes, strict=True)
    ]
    return flat.detach(), torch.cat([slope.flatten() for slope in gradients])


def difference(value: Any, expected: Any, atol: float, *, told: bool = True) -> str:
    """What is wrong with value, in words; empty where it equals expected up to `atol`.

    Where not `told`, the words do not give the expected numbers away, only where value is wrong and how.
    """
    if value is None:
        return "received None. Does the function end without `return`?"
    if isinstance(value, str) or isinstance(expected, str):
        right = f"expected {expected!r}" if told else "which is not right"
        return "" if value == expected else f"received {value!r}, {right}."
    try:
        a, b = (to_tensor(x) for x in (value, expected))
    except (TypeError, ValueError, RuntimeError):
        return f"received {type(value).__name__}, expected numbers or a tensor."
    if a.shape != b.shape:
        turned = a.ndim > 1 and a.shape == b.transpose(-1, -2).shape
        hint = " The last two axes are exchanged: is a transpose missing?" if turned else ""
        return f"received shape {tuple(a.shape)}, expected {tuple(b.shape)}.{hint}"
    if not a.numel() or bool(torch.isclose(a, b, rtol=0, atol=atol, equal_nan=True).all()):
        return ""
    if bool(a.isnan().any()):
        return "received nan. Look for a division by zero, or a logarithm or root of a negative number."
    gap = (a - b).abs().nan_to_num(torch.inf)
    place = tuple(int(i) for i in torch.unravel_index(gap.argmax(), gap.shape))
    where = f" at {list(place)}" if place else ""
    if not told:
        side = "small" if a[place] < b[place] else "large"
        return f"received {float(a[place]):.6g}{where}, which is too {side}."
    return (
        f"received {float(a[place]):.6g}, expected {float(b[place]):.6g}{where}: they differ by "
        f"{float(gap[place]):.2g}, and {atol:g} is allowed."
    )


def to_tensor(value: Any) -> Tensor:
    """Numbers, arrays and lists of tensors as one tensor of float64."""
    if isinstance(value, list | tuple) and any(isinstance(item, Tensor) for item in value):
        return torch.stack([to_tensor(item) for item in value])
    return torch.as_tensor(value).detach().to("cpu", torch.float64)
