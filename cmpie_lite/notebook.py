"""What the cells of the book's notebooks need beside the model: checks, a plot style, a footer.

Every check prints one line, so that a notebook's committed outputs say what was shown to hold:

    ok     Eq. 1: rows sum to one
    to do  Exercise 1.2

A check that fails raises, and says what it received, what was expected and what to look at.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib import metadata
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from cmpie_lite.labels import NUM_SEGMENTS

PACKAGES = ("torch", "numpy", "matplotlib", "ipywidgets", "cmpie-lite")

# Dark text on a white card: readable on a light and on a dark page. Nothing in it depends on the date.
STYLE: dict[str, Any] = {
    "figure.facecolor": "white",
    "figure.dpi": 110,
    "image.cmap": "cividis",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": "#1d2733",
    "axes.labelcolor": "#1d2733",
    "xtick.color": "#1d2733",
    "ytick.color": "#1d2733",
    "svg.hashsalt": "cmpie",
}


def plot_style() -> None:
    """Set the book's style for matplotlib, and let a cell that ends in a Figure show it."""
    import matplotlib
    from matplotlib import pyplot

    pyplot.close(pyplot.figure())  # loads the backend: a notebook's own draws Figures inline from now on
    settings: Any = matplotlib.rcParams
    settings.update(STYLE)


def check(name: str, value: Any, expected: Any, atol: float = 1e-6) -> None:
    """Print "ok" where value equals expected up to `atol`; "to do" where value is `...` or None.

    Takes numbers, booleans, tensors, arrays and (nested) lists or tuples of them. Strings must be equal.

    Raises:
        AssertionError: if shape or values differ; the message shows the largest difference and where it is.
    Example:
        >>> check("one third", 0.333333, 1 / 3, atol=1e-5)
        ok     one third
        >>> check("Exercise 1.1", ..., 3)
        to do  Exercise 1.1
    """
    if value is None or value is ...:
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


def difference(value: Any, expected: Any, atol: float) -> str:
    """What is wrong with value, in words; empty where it equals expected up to `atol`."""
    if isinstance(value, str) or isinstance(expected, str):
        return "" if value == expected else f"received {value!r}, expected {expected!r}."
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
    return (
        f"received {float(a[place]):.6g}, expected {float(b[place]):.6g}{where}: they differ by "
        f"{float(gap[place]):.2g}, and {atol:g} is allowed."
    )


def to_tensor(value: Any) -> Tensor:
    """Numbers, arrays and lists of tensors as one tensor of float64."""
    if isinstance(value, list | tuple) and any(isinstance(item, Tensor) for item in value):
        return torch.stack([to_tensor(item) for item in value])
    return torch.as_tensor(value).detach().to("cpu", torch.float64)


def source_banner(source: str, videos: Mapping[str, int]) -> None:
    """Show where the data come from; loud where it is not LLP."""
    counts = ", ".join(f"{count} {split}" for split, count in videos.items())
    text = f"Data: {source} ({counts} videos)."
    if source != "LLP":
        text += " THIS IS NOT LLP. Scores on it say nothing about the paper's numbers."
    banner(text, loud=source != "LLP")


def banner(text: str, loud: bool = True) -> None:
    """Show a sentence that must not be overlooked."""
    from IPython.display import display

    kind = "source-sim" if loud else "source-llp"
    html = f'<div class="{kind}" role="note"><p><strong>{escape(text, quote=False)}</strong></p></div>'
    display({"text/plain": text, "text/html": html}, raw=True)


def environment_footer() -> None:
    """Print Python, the packages and the device that made the outputs above."""
    versions = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{package} from the source tree")
    print(", ".join(versions))
    print(torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU")


class ExampleClip(NamedTuple):
    """A clip made by hand for figures: neither LLP nor LLP-sim, and no network has seen it."""

    features: Float[Tensor, "2 T D"]
    audio_labels: list[str]  # "3 Dog" for a segment in which a dog is heard, "7 –" for silence
    visual_labels: list[str]


# (modality, first segment, one past the last, class): the dog is seen for eight seconds and barks twice.
EXAMPLE_EVENTS = ((0, 0, 3, "Speech"), (0, 3, 5, "Dog"), (0, 8, 10, "Dog"), (1, 2, 10, "Dog"))


def example_clip(dim: int = 16, strength: float = 4.0, noise: float = 0.3, seed: int = 0) -> ExampleClip:
    """Features of a clip in which each class has a direction of its own, the same for ear and eye.

    A segment is `strength` times the directions of its classes, plus Gaussian noise. Real encoders do not
    share directions between modalities; training has to find projections that do.
    """
    generator = torch.Generator().manual_seed(seed)
    features = noise * torch.randn(2, NUM_SEGMENTS, dim, generator=generator, dtype=torch.float64)
    labels = [[f"{t} –" for t in range(NUM_SEGMENTS)] for _ in range(2)]
    channels = {name: i for i, name in enumerate(dict.fromkeys(event[3] for event in EXAMPLE_EVENTS))}
    for modality, first, last, name in EXAMPLE_EVENTS:
        features[modality, first:last, channels[name]] += strength
        labels[modality][first:last] = [f"{t} {name}" for t in range(first, last)]
    return ExampleClip(features, *labels)
