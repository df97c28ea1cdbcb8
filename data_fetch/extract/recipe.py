"""How features are made: one recipe for every video of a folder, and the networks that it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cmpie_lite.data.llp_names import LATEST
from cmpie_lite.errors import DataError
from cmpie_lite.support.devices import DEVICES, is_device_name
from cmpie_lite.support.extras import need
from cmpie_lite.support.text import shown
from data_fetch.extract.quick import PRECISIONS
from data_fetch.extract.weights import KINDS, Networks, load_networks, published_path
from data_fetch.sources import WEIGHTS


@dataclass(frozen=True)
class ExtractionRecipe:
    """How features are made; the same for every video of a folder.

    Raises:
        DataError: a number that cannot be, a device that has another name.
    """

    weights: str = "published"
    seed: int = 0
    device: str = "cpu"
    folder: Path | None = None
    start: float = 0.0
    silent_audio: bool = False
    batch_size: int = 16
    precision: str = "float32"  # of the networks' arithmetic
    threads: int = 0  # of torch in each process; 0 leaves torch's own choice

    def __post_init__(self) -> None:
        for name, holds, expected in (
            ("seed", 0 <= self.seed < 2**63, "0 to 2**63 - 1"),
            ("start", 0 <= self.start <= LATEST, f"seconds >= 0 and <= {LATEST:g}"),
            ("batch_size", 1 <= self.batch_size <= 10_000, "1 to 10000 frames"),
            ("device", is_device_name(self.device), DEVICES),
            ("threads", self.threads >= 0, "0 or more"),
            ("precision", self.precision in PRECISIONS, "one of " + ", ".join(PRECISIONS)),
        ):
            if not holds:
                raise DataError(f"{name} = {shown(getattr(self, name))}, expected {expected}.")

    def describe(self, source: str) -> str:
        """What features made in this way of `source` are, in a line without what goes without saying."""
        text = source
        if self.start:
            text += f", from {float(self.start)} s on"
        if self.silent_audio:
            text += ", silent where they have no sound"
        if self.weights != "published":
            text += f", RANDOM extractors ({self.weights}, seed {self.seed})"
        if self.precision != "float32":
            text += f", in {self.precision}"
        return text


@lru_cache(maxsize=1)
def _networks(weights: str, seed: int, device: str, folder: Path | None, precision: str) -> Networks:
    """One set of networks per process, however many videos it sees."""
    return load_networks(weights, device, seed, folder, precision)


def networks_of(recipe: ExtractionRecipe) -> Networks:
    """The networks of a recipe, built once per process."""
    return _networks(recipe.weights, recipe.seed, recipe.device, recipe.folder, recipe.precision)


def check_recipe(recipe: ExtractionRecipe, *, local: bool) -> None:
    """Find out now, not once per video, that a package, weights or a device cannot be had."""
    if local:
        need("av", "extract")
    if recipe.weights not in KINDS:
        raise DataError(f"weights = {recipe.weights!r}, expected one of {', '.join(KINDS)}.")
    if recipe.weights == "published":
        for name in WEIGHTS:
            published_path(name, recipe.folder)
    if local:
        load_networks("tiny", recipe.device, precision=recipe.precision)
