"""python -m cmpie_lite train | evaluate | parse | grid | controlled: what the notebooks do, without them."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # or they take the cores from other processes

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, get_args

from cmpie_lite.data.llp_sim import SIZES
from cmpie_lite.decoding import HANS, THRESHOLD, DecodeConfig, Gate
from cmpie_lite.errors import ConfigError, DataError
from cmpie_lite.experiments import controlled, grid
from cmpie_lite.experiments.parse import (
    cautions,
    event_table,
    events_folder,
    parse_features,
    write_events,
)
from cmpie_lite.experiments.run_many import GridError
from cmpie_lite.experiments.run_one import run_experiment
from cmpie_lite.experiments.settings import Settings, open_data, run_folder, settings_from, store_folder
from cmpie_lite.metrics import ParsingScores
from cmpie_lite.results.metric_tables import trivial_references
from cmpie_lite.support.devices import check_device
from cmpie_lite.support.streams import keep_streams
from cmpie_lite.support.text import clipped, printable, shown
from cmpie_lite.systems.rows import SYSTEMS
from cmpie_lite.training.evaluate import predict, score, score_by_protocol
from cmpie_lite.training.loop import load_model

DEFAULTS = Settings()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors of the reader's making are one line on stderr and exit status 2."""
    keep_streams()
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(words)
    try:
        if options.command in ("grid", "controlled"):
            command = shlex.join(["python", "-m", "cmpie_lite", *words])
            study = grid if options.command == "grid" else controlled
            if options.command == "controlled":
                options.knobs = assignments(options.knobs, "--knobs")
            return study.run(options, assignments(options.set), command)
        return options.run(options)
    except (ValueError, OSError, GridError) as error:
        print(printable(f"cmpie_lite {options.command}: {clipped(str(error))}"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            f"cmpie_lite {options.command}: stopped; start it again and it goes on from there.",
            file=sys.stderr,
        )
        return 130


class Words(argparse.ArgumentParser):
    """A command line whose errors do not repeat all of what was given."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(clipped(message, 400)))


def parser() -> argparse.ArgumentParser:
    """The command line's words."""
    top = Words(prog="python -m cmpie_lite", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)

    one = commands.add_parser("train", help="train, test and record one model per seed")
    one.add_argument("--model", default=DEFAULTS.model, help=f"one of: {', '.join(SYSTEMS)}")
    one.add_argument("--seeds", type=int, nargs="+", default=list(DEFAULTS.seeds))
    one.set_defaults(run=run_train)

    two = commands.add_parser(
        "evaluate", help="score a trained model on a split, beside the trivial references"
    )
    two.add_argument("run_dir", type=Path, help="folder of a trained run, or its best.safetensors")
    two.add_argument("--split", choices=("val", "test"), default="test")
    two.add_argument("--threshold", type=float, default=THRESHOLD, help="of videos and of segments")
    two.add_argument("--gate", choices=get_args(Gate), default=HANS.gate, help="who may have events at all")
    two.add_argument(
        "--protocols", action="store_true", help="also the same predictions as other papers decode them"
    )
    two.set_defaults(run=run_evaluate)

    four = commands.add_parser("grid", help="many systems and seeds, or readings, and a report of them")
    grid.add_words(four)

    five = commands.add_parser("controlled", help="one knob of LLP-sim at a time: when each block helps")
    controlled.add_words(five)

    for command in (one, four, five):
        command.add_argument("--epochs", type=int, default=DEFAULTS.epochs)
        command.add_argument("--precision", default=DEFAULTS.precision, help="float32, tf32 or bfloat16")
        add_set(command, "override config or recipe fields")
    for command in (one, five):
        add_set(command, "fields of LLP-sim (SimConfig)", "--knobs")
    for command in (one, four, five):
        command.add_argument("--output-dir", default="", help="of runs and reports; default: out")
    for command in (one, two, four):
        command.add_argument("--dataset", default=DEFAULTS.dataset, help="auto, sim or llp")
        command.add_argument(
            "--data-dir", default="", help="a packed store (data_fetch pack); default: data/llp"
        )
        command.add_argument("--preset", default=DEFAULTS.preset, help=f"size of LLP-sim: {', '.join(SIZES)}")

    three = commands.add_parser("parse", help="a video to a table of audible and visible events")
    three.add_argument("video", type=Path, help="a video file (needs the extra 'extract')")
    three.add_argument("--run-dir", type=Path, required=True, help="folder of a trained run")
    three.add_argument(
        "--start", type=float, default=0.0, help="second from which ten are parsed, and events count"
    )
    three.add_argument("--silent-audio", action="store_true", help="take a video without sound as silent")
    three.add_argument("--weights", default="published", help="of the extractors: published, random or tiny")
    three.add_argument("--weights-dir", type=Path, help="folder of the published extractors' files")
    three.add_argument("--threshold", type=float, default=THRESHOLD)
    three.add_argument("--output-dir", type=Path, default=Path("out/parse"))
    three.set_defaults(run=run_parse)

    for command in (one, two, three, four, five):
        command.add_argument("--device", default=DEFAULTS.device, help="auto, cpu, cuda, cuda:1 ...")
    return top


def run_train(options: argparse.Namespace) -> int:
    names = ("model", "epochs", "seeds", "precision", "output_dir", "dataset", "data_dir", "preset", "device")
    given = {"overrides": assignments(options.set), "knobs": assignments(options.knobs, "--knobs")}
    settings = settings_from({name: getattr(options, name) for name in names} | given)
    store = open_data(settings)
    print(banner(store.source, settings))
    for result in run_experiment(settings, store, progress=True):
        seconds, epoch = result.record["seconds"], result.record["best_epoch"]
        print(f"\n{settings.model}, seed {result.seed}: best epoch {epoch}, {seconds:.0f} s of training")
        print(table({"test": ParsingScores(**result.record["test"])}))
        print(f"record: {run_folder(settings, store, result.seed) / 'record.json'}")
    return 0


def run_evaluate(options: argparse.Namespace) -> int:
    model, facts = load_model(options.run_dir, options.device)
    settings = replace(DEFAULTS, dataset=options.dataset, data_dir=options.data_dir, preset=options.preset)
    store = open_data(settings)
    print(banner(store.source, settings))
    if facts.get("data") != store.digest:
        print("NOTE: this model was trained on other data than it is scored on here.")
    split = store.splits[options.split]
    if split.dense_audio is None or split.dense_visual is None:
        raise DataError(f"the {options.split} split has no dense labels to score against.")
    predictions = predict(model, split)
    how = DecodeConfig(options.gate, options.threshold, options.threshold)
    scores = {"model": score(predictions, split, how)}
    if options.protocols:
        scores |= {f"as {name}": x for name, x in score_by_protocol(predictions, split).items()}
    references = trivial_references(split.weak, split.dense_audio, split.dense_visual)
    print(table(scores | references))
    return 0


def run_parse(options: argparse.Namespace) -> int:
    from cmpie_lite.support.extras import need
    from data_fetch.extract.video import extract_video
    from data_fetch.extract.weights import load_networks

    for package in ("av", "PIL"):  # now, not after the networks are loaded
        need(package, "extract")
    device = check_device(options.device)
    model, facts = load_model(options.run_dir, device)
    networks = load_networks(options.weights, device, folder=options.weights_dir)
    features = extract_video(options.video, networks, start=options.start, silent_audio=options.silent_audio)
    parsed = parse_features(model, features.audio, features.visual_2d, features.visual_3d)
    for caution in cautions(facts.get("source"), networks.trained):
        print(f"WARNING: {caution}")
    for note in features.notes:
        print(printable(f"note: {note}"))
    events = event_table(parsed, (printable(options.video.name, keep=""),), options.threshold)
    print(events.to_string(index=False) if len(events) else "no events above the threshold")
    folder = events_folder(options.output_dir, options.video, options.start)
    print(printable(f"written: {' '.join(map(str, write_events(folder, events)))}"))
    return 0


def add_set(words: argparse.ArgumentParser, purpose: str, option: str = "--set") -> None:
    """Add an option `--set NAME=VALUE ...`, which may be given more than once; `assignments` reads it."""
    words.add_argument(option, nargs="+", action="extend", default=[], metavar="NAME=VALUE", help=purpose)


def assignment(text: str, option: str = "--set") -> tuple[str, Any]:
    """ "heads=4" to ("heads", 4); values are JSON, and words that are not JSON are strings."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"{option} {shown(text)}, expected NAME=VALUE such as heads=4.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
    except RecursionError:
        raise ConfigError(f"{option} {shown(text)} is nested too deep, expected one plain value.") from None


def assignments(texts: Sequence[str], option: str = "--set") -> dict[str, Any]:
    """What `--set`, or another such option, gives, name by name; a name twice is a mistake."""
    pairs = [assignment(text, option) for text in texts]
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f"{option} gives {', '.join(twice)} more than once, expected one value for each name."
        )
    return dict(pairs)


def banner(source: str, settings: Settings) -> str:
    """The data source, loud where it is not LLP; the preset where the data were simulated just now."""
    if source == "LLP":
        return "data: LLP"
    size = "" if store_folder(settings) else f", preset {settings.preset}"
    return f"data: {source}{size}.  THIS IS NOT LLP: its scores say nothing about the paper's."


def table(rows: dict[str, ParsingScores]) -> str:
    """The ten scores in percent, segment level above event level."""
    kinds = ("audio", "visual", "av", "type", "event")
    lines = [f"{'':28}" + "".join(f"{kind:>8}" for kind in kinds)]
    for name, scores in rows.items():
        for level in ("segment", "event"):
            values = (100 * scores.as_dict()[f"{level}_{kind}"] for kind in kinds)
            lines.append(f"{name + ' ' + level:28}" + "".join(f"{value:8.1f}" for value in values))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
