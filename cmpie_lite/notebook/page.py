"""What a page shows beside results: the style of its figures, loud banners, the footer, the example clip."""

from __future__ import annotations

import base64
import mimetypes
import platform
from collections.abc import Mapping
from html import escape
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from cmpie_lite.labels import NUM_SEGMENTS
from cmpie_lite.notebook.style import SETTINGS

if TYPE_CHECKING:
    from IPython.display import HTML

PACKAGES = ("torch", "numpy", "matplotlib", "ipywidgets", "cmpie-lite")


def plot_style() -> None:
    """Set the book's style for matplotlib."""
    import matplotlib

    settings: Any = matplotlib.rcParams
    settings.update(SETTINGS)


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


def player(video: Path, label: str, width: int = 320) -> HTML:
    """A video embedded in the page, with the poster (.png) and captions (.vtt) beside it, if any."""
    from IPython.display import HTML

    poster, captions = video.with_suffix(".png"), video.with_suffix(".vtt")
    name = escape(label)
    head = f'controls preload="metadata" width="{width}" title="{name}" aria-label="{name}"'
    if poster.is_file():
        head += f' poster="{_data_url(poster, "image/png")}"'
    inside = [f'<source src="{_data_url(video, mimetypes.guess_type(video.name)[0] or "video/mp4")}">']
    if captions.is_file():
        source = _data_url(captions, "text/vtt")
        inside.append(f'<track kind="captions" srclang="en" label="English" default src="{source}">')
    return HTML(f"<video {head}>{''.join(inside)}</video>")


def _data_url(file: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"


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
