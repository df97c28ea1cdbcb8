"""One experiment from its settings: the command line and the training notebook run this same code."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

import cmpie_lite
from cmpie_lite.config import TrainConfig
from cmpie_lite.data.llp_sim import SIZES, simulate
from cmpie_lite.data.llp_sim_config import SimConfig
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.data.store_files import MANIFEST, open_store
from cmpie_lite.errors import ConfigError, DataError
from cmpie_lite.support.devices import DEVICES, is_device_name
from cmpie_lite.support.fields import as_told_of, check_fields, override, require, spell_out_paths
from cmpie_lite.support.names import did_you_mean
from cmpie_lite.support.text import shown
from cmpie_lite.support.typed import load_json
from cmpie_lite.systems.build import Config
from cmpie_lite.systems.rows import SYSTEMS

MOST_SEEDS: Final = 1000
JSON_EXAMPLES: dict[str, str] = {  # what papermill's -p passes on as text
    "seeds": "[1, 2, 3]",
    "systems": '["han", "cmpie"]',
    "overrides": '{"sa_axis": "channel", "heads": 4}',
    "knobs": '{"corrupt": 0.2, "num_test": 2000}',
    "study": '["corrupt", "place"]',
    "readings": '["cma_form=projected"]',
}


@dataclass(frozen=True)
class RunSettings:
    """What a reader may choose of one run as of many; names and types are checked, no machine is touched."""

    preset: Literal["smoke", "small", "full"] = "small"  # size of LLP-sim; real LLP has its own
    epochs: int = 40
    seeds: Sequence[int] = (1,)
    dataset: Literal["auto", "sim", "llp"] = "auto"
    data_dir: str = ""  # of a packed store; empty: data/llp in the project
    device: str = "auto"
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    output_dir: str = ""  # empty: out in the project
    knobs: Mapping[str, Any] = field(default_factory=dict)  # fields of SimConfig that LLP-sim has otherwise

    def __post_init__(self) -> None:
        check_fields(self)
        spell_out_paths(self, "data_dir", "output_dir")
        numbers = isinstance(self.seeds, list | tuple) and all(type(s) is int for s in self.seeds)
        require(
            self, "seeds", bool(numbers and self.seeds), "a list of at least one integer, such as [1, 2, 3]"
        )
        require(self, "seeds", len(set(self.seeds)) == len(self.seeds), "different integers")
        require(self, "seeds", len(self.seeds) <= MOST_SEEDS, f"at most {MOST_SEEDS} integers")
        named = isinstance(self.overrides, Mapping) and all(type(name) is str for name in self.overrides)
        require(self, "overrides", named, "names and values, such as {'heads': 4}")
        require(self, "device", is_device_name(self.device), DEVICES)
        named = isinstance(self.knobs, Mapping) and all(type(name) is str for name in self.knobs)
        require(self, "knobs", named, "names and values, such as {'corrupt': 0.2}")
        _ = self.simulator

    @property
    def simulator(self) -> SimConfig:
        """LLP-sim as the preset and the knobs make it.

        Raises:
            ConfigError: a knob is no field of SimConfig, or has an impossible value.
        """
        with as_told_of("knobs"):
            return override(SIZES[self.preset], self.knobs)


@dataclass(frozen=True)
class Settings(RunSettings):
    """What a reader may choose of one system's runs, one run per seed.

    Every value is checked on construction, and no machine is touched: whether the device is there, and the
    data fill a batch, is checked where a run starts, which may be elsewhere.
    """

    model: str = "cmpie"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "model", self.model in SYSTEMS, "one of " + ", ".join(map(repr, SYSTEMS)))
        self.check_overrides()
        for seed in self.seeds:
            self.recipe(seed)

    def check_overrides(self) -> None:
        """Check that every override is a field of the system's config or recipe, and its config possible.

        Raises:
            ConfigError: as `config`.
        """
        _ = self.config

    @property
    def config(self) -> Config:
        """The system's config with the overrides that are its fields.

        Raises:
            ConfigError: an override is a field of neither config nor recipe, or makes the config impossible.
        """
        base = SYSTEMS[self.model].config
        ours = {name for c in (base, TrainConfig) for name in (f.name for f in fields(c))}
        for name in self.overrides:
            if name not in ours:
                raise ConfigError(
                    f"overrides: {shown(name)} is a field of neither {type(base).__name__} nor TrainConfig."
                    f"{did_you_mean(name, ours)} Fields: {', '.join(sorted(ours))}."
                )
        mine = {f.name for f in fields(base)}
        with as_told_of("overrides"):
            return override(base, {name: value for name, value in self.overrides.items() if name in mine})

    def recipe(self, seed: int) -> TrainConfig:
        """The system's recipe with epochs, precision, seed and the overrides that are its fields.

        Raises:
            ConfigError: an override of what has a setting of its own, or a value that is impossible.
        """
        base = SYSTEMS[self.model].recipe
        ours = {f.name for f in fields(base)}
        named = {"epochs": self.epochs, "precision": self.precision, "seed": seed}
        for name in named.keys() & self.overrides.keys():
            place = "seeds" if name == "seed" else name
            raise ConfigError(f"overrides: set {name!r} through the setting {place!r} instead.")
        base = override(base, named)
        with as_told_of("overrides"):
            return override(base, {name: x for name, x in self.overrides.items() if name in ours})


def notebook_parameters(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that a notebook's parameter cells assign, with their values.

    Parameter cells begin with "# Parameters": the notebook's own and the one that papermill injects.
    Papermill injects an unknown `-p` name like any other, only warns, and runs on with the defaults; here it
    shows.

    Args:
        variables: the notebook's `globals()`, with IPython's `In`.
    """
    names: list[str] = []
    for source in variables.get("In", ()):
        if source.lstrip().startswith("# Parameters"):
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    names.append(node.id)
    return {name: variables[name] for name in names}


def settings_from(names: Mapping[str, Any]) -> Settings:
    """Settings from names and values, such as `notebook_parameters(globals())`.

    `seeds` may be a number n, for 1 ... n; lists and `overrides` may be JSON, which `-p` passes on as text.

    Raises:
        ConfigError: if a name is unknown, or a value has the wrong type or is impossible.
    """
    return Settings(**known_fields(Settings, names))


def known_fields(kind: type, names: Mapping[str, Any]) -> dict[str, Any]:
    """Names and values that are fields of a settings class; seeds, systems and overrides spelled out.

    Raises:
        ConfigError: if a name is no field of the class, or seeds, systems or overrides cannot be read.
    """
    known = [f.name for f in fields(kind)]
    for name, value in names.items():
        if name not in known:
            raise ConfigError(
                f"unknown parameter {shown(name)} = {shown(value)}.{did_you_mean(name, known)} "
                f"Parameters: {', '.join(known)}."
            )
    given = dict(names)
    for name in ("overrides", "knobs"):
        if given.get(name) == "":
            given[name] = {}
    for name, example in JSON_EXAMPLES.items():
        if isinstance(given.get(name), str):
            try:
                given[name] = load_json(given[name])
            except DataError as error:
                why = str(error).removeprefix("it ")
                raise ConfigError(
                    f"{name} = {shown(given[name])} {why}: expected such as '{example}'."
                ) from error
    if type(given.get("seeds")) is int:
        require_count(given["seeds"])
        given["seeds"] = list(range(1, given["seeds"] + 1))
    return given


def require_count(seeds: int) -> None:
    """Raise ConfigError unless `seeds` is a number of seeds."""
    if not 1 <= seeds <= MOST_SEEDS:
        raise ConfigError(
            f"seeds = {shown(seeds)}, expected a number of seeds >= 1 and <= {MOST_SEEDS}, or a list such as "
            "[1, 2, 3]."
        )


def home() -> Path:
    """The checkout that this package lies in, or the current folder where it was installed without one."""
    root = Path(cmpie_lite.__file__).resolve().parent.parent
    checkout = (root / "pyproject.toml").is_file() and (root / "notebooks").is_dir()
    return root if checkout else Path.cwd()


def store_folder(settings: Settings) -> Path | None:
    """The folder of the packed store that the settings ask for; None where they ask for LLP-sim.

    "auto" is the store in data_dir; without a data_dir the one in data/llp where it is there, else LLP-sim.
    """
    folder = Path(settings.data_dir) if settings.data_dir else home() / "data" / "llp"
    there = bool(settings.data_dir) or (folder / MANIFEST).exists()
    return folder if settings.dataset == "llp" or (settings.dataset == "auto" and there) else None


def open_data(settings: Settings) -> FeatureStore:
    """The data set that the settings ask for (`store_folder`).

    Raises:
        DataError: if they ask for a packed store, and the folder holds none.
        ConfigError: if they turn knobs of LLP-sim, and ask for a packed store.
    """
    folder = store_folder(settings)
    if folder and settings.knobs:
        raise ConfigError(
            f"knobs = {dict(settings.knobs)!r} with the packed store in {folder}: knobs are LLP-sim's. "
            "Leave them out, or set dataset to 'sim'."
        )
    try:
        return open_store(folder) if folder else simulate(settings.simulator)
    except DataError as error:
        given = settings.data_dir and f"data_dir = {settings.data_dir!r}: "
        raise DataError(f"{given}{error}") from error


def output_folder(output_dir: str) -> Path:
    """The folder that holds runs and reports: output_dir, or out in the project where that is empty."""
    return Path(output_dir) if output_dir else home() / "out"


def run_folder(settings: Settings, store: FeatureStore, seed: int) -> Path:
    """output_dir/<source>-<digest>/<model>[,<override>=<value>...]/seed<n>: one run, one folder."""
    changed = [f"{name}={value}" for name, value in sorted(settings.overrides.items())]
    if settings.precision != "float32":
        changed.append(settings.precision)
    data = f"{store.source}-{store.digest[:8]}".replace(" ", "_").replace("/", "_")
    system = ",".join([settings.model, *changed])
    return output_folder(settings.output_dir) / data / system / f"seed{seed}"
