"""The command line's words: what each command takes, and how names and values are read."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from cmpie_lite.data.llp_sim import SIZES
from cmpie_lite.decoding import HANS, THRESHOLD, Gate
from cmpie_lite.errors import ConfigError, DataError
from cmpie_lite.experiments import controlled, grid_command
from cmpie_lite.experiments.settings import Settings
from cmpie_lite.support.streams import Words, path_word
from cmpie_lite.support.text import shown
from cmpie_lite.support.typed import load_json
from cmpie_lite.systems.rows import SYSTEMS

DEFAULTS = Settings()


def parser(description: str | None = None) -> argparse.ArgumentParser:
    """The command line's words."""
    top = Words(prog="python -m cmpie_lite", description=description)
    commands = top.add_subparsers(dest="command", required=True)
    help_ = {
        "train": "train, test and record one model per seed",
        "evaluate": "score a trained model on a split, beside the trivial references",
        "grid": "many systems and seeds, or readings, and a report of them",
        "controlled": "one knob of LLP-sim at a time: when each block helps",
        "parse": "a video to a table of audible and visible events",
    }
    own = (train_words, evaluate_words, grid_command.add_words, controlled.add_words, parse_words)
    words = {name: commands.add_parser(name, help=text) for name, text in help_.items()}
    for command, add in zip(words.values(), own, strict=True):
        add(command)
    for command in (words["train"], words["grid"], words["controlled"]):
        command.add_argument("--epochs", type=int, default=DEFAULTS.epochs)
        command.add_argument("--precision", default=DEFAULTS.precision, help="float32, tf32 or bfloat16")
        add_set(command, "override config or recipe fields")
        command.add_argument("--output-dir", default="", help="of runs and reports; default: out")
    for command in (words["grid"], words["controlled"]):
        run_words(command)
    for command in (words["train"], words["controlled"]):
        add_set(command, "fields of LLP-sim (SimConfig)", "--knobs")
    for command in (words["train"], words["evaluate"], words["grid"]):
        command.add_argument("--dataset", default=DEFAULTS.dataset, help="auto, sim or llp")
        packed = "a packed store (data_fetch pack); default: data/llp"
        command.add_argument("--data-dir", default="", help=packed)
        command.add_argument("--preset", default=DEFAULTS.preset, help=f"size of LLP-sim: {', '.join(SIZES)}")
    for command in words.values():
        command.add_argument("--device", default=DEFAULTS.device, help="auto, cpu, cuda, cuda:1 ...")
    return top


def run_words(words: argparse.ArgumentParser) -> None:
    """Add how many runs are made, and where their report goes."""
    words.add_argument("--workers", type=int, default=0, help="local processes; default: one per core")
    words.add_argument("--scheduler", default="", help="address of a running Dask scheduler, tcp://host:8786")
    words.add_argument("--together", action="store_true", help="all seeds of a row at once, in this process")
    place = "where the report goes, such as book/results/table2.json; default: in out"
    words.add_argument("--report", type=path_word, help=place)


def train_words(words: argparse.ArgumentParser) -> None:
    """Add what only `train` takes."""
    words.add_argument("--model", default=DEFAULTS.model, help=f"one of: {', '.join(SYSTEMS)}")
    words.add_argument("--seeds", type=int, nargs="+", default=list(DEFAULTS.seeds))


def evaluate_words(words: argparse.ArgumentParser) -> None:
    """Add what only `evaluate` takes."""
    words.add_argument("run_dir", type=path_word, help="folder of a trained run, or its best.safetensors")
    words.add_argument("--split", choices=("val", "test"), default="test")
    words.add_argument("--threshold", type=float, default=THRESHOLD, help="of videos and of segments")
    words.add_argument("--gate", choices=get_args(Gate), default=HANS.gate, help="who may have events at all")
    others = "also the same predictions as other papers decode them"
    words.add_argument("--protocols", action="store_true", help=others)


def parse_words(words: argparse.ArgumentParser) -> None:
    """Add what only `parse` takes."""
    words.add_argument("video", type=path_word, help="a video file (needs the extra 'extract')")
    words.add_argument("--run-dir", type=path_word, required=True, help="folder of a trained run")
    start = "second from which ten are parsed, and events count"
    words.add_argument("--start", type=float, default=0.0, help=start)
    words.add_argument("--silent-audio", action="store_true", help="take a video without sound as silent")
    words.add_argument("--weights", default="published", help="of the extractors: published, random or tiny")
    words.add_argument("--weights-dir", type=path_word, help="folder of the published extractors' files")
    words.add_argument("--threshold", type=float, default=THRESHOLD)
    words.add_argument("--output-dir", type=path_word, default=Path("out/parse"))


def add_set(words: argparse.ArgumentParser, purpose: str, option: str = "--set") -> None:
    """Add an option `--set NAME=VALUE ...`, which may be given more than once; `assignments` reads it."""
    words.add_argument(option, nargs="+", action="extend", default=[], metavar="NAME=VALUE", help=purpose)


def assignment(text: str, option: str = "--set") -> tuple[str, Any]:
    """ "heads=4" to ("heads", 4); values are JSON, and words that are not JSON are strings."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"{option} {shown(text)}, expected NAME=VALUE such as heads=4.")
    try:
        return name, load_json(value)
    except DataError:
        return name, value


def assignments(texts: Sequence[str], option: str = "--set") -> dict[str, Any]:
    """What `--set`, or another such option, gives, name by name; a name twice is a mistake."""
    pairs = [assignment(text, option) for text in texts]
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f"{option} gives {', '.join(twice)} more than once, expected one value for each name."
        )
    return dict(pairs)
