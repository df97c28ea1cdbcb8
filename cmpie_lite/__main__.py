"""python -m cmpie_lite train | evaluate | parse | grid | controlled: what the notebooks do, without them."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

import cmpie_lite.support.start  # noqa: F401 - first: before torch is loaded
from cmpie_lite.experiments import controlled, grid_command
from cmpie_lite.experiments.commands import run_evaluate, run_train
from cmpie_lite.experiments.parse import (
    EVENTS,
    ParseSettings,
    cautions,
    event_table,
    events_folder,
    parse_features,
    write_events,
)
from cmpie_lite.experiments.run_files import so_far
from cmpie_lite.experiments.run_many import GridError
from cmpie_lite.experiments.words import assignments, parser
from cmpie_lite.support.devices import check_device
from cmpie_lite.support.files import check_writable
from cmpie_lite.support.reading import told
from cmpie_lite.support.streams import keep_streams, run_to_the_last_word
from cmpie_lite.support.text import clipped, printable
from cmpie_lite.training.loop import load_model


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors of the reader's making are one line on stderr and exit status 2."""
    keep_streams()
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = parser(__doc__).parse_args(words)
    return run_to_the_last_word(lambda: run(options, words))


def run(options: argparse.Namespace, words: Sequence[str]) -> int:
    """Run the command that the words ask for."""
    try:
        if options.command in ("grid", "controlled"):
            command = shlex.join(["python", "-m", "cmpie_lite", *words])
            command = printable(command, keep="")  # it goes into a report
            study = grid_command if options.command == "grid" else controlled
            if options.command == "controlled":
                options.knobs = assignments(options.knobs, "--knobs")
            return study.run(options, assignments(options.set), command)
        return {"train": run_train, "evaluate": run_evaluate, "parse": run_parse}[options.command](options)
    except BrokenPipeError:
        raise
    except (ValueError, OSError, GridError) as error:
        print(printable(f"cmpie_lite {options.command}: {clipped(told(error))}"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            f"cmpie_lite {options.command}: stopped; start it again and it goes on from there.",
            file=sys.stderr,
        )
        return 130


def run_parse(options: argparse.Namespace) -> int:
    """A video to a table of audible and visible events."""
    from cmpie_lite.support.extras import need
    from data_fetch.extract.video import extract_video
    from data_fetch.extract.weights import load_networks

    for package in ("av", "PIL"):  # now, not after the networks are loaded
        need(package, "extract")
    names = ("threshold", "start", "weights")  # and these, and the folder that is written at the end
    ParseSettings(**{name: getattr(options, name) for name in names})
    device = check_device(options.device)
    model, facts = load_model(options.run_dir, device)
    how = [facts, options.weights, options.threshold]
    folder = events_folder(options.output_dir, options.video, options.start, how)
    check_writable(folder, *EVENTS)
    networks = load_networks(options.weights, device, folder=options.weights_dir)
    features = extract_video(options.video, networks, start=options.start, silent_audio=options.silent_audio)
    parsed = parse_features(model, features.audio, features.visual_2d, features.visual_3d)
    for caution in cautions(facts.get("source"), networks.trained):
        print(f"WARNING: {caution}")
    for note in filter(None, (so_far(options.run_dir, facts.get("epoch")), *features.notes)):
        print(printable(f"note: {note}"))
    events = event_table(parsed, (printable(options.video.name, keep=""),), options.threshold)
    print(events.to_string(index=False) if len(events) else "no events above the threshold")
    print(printable(f"written: {' '.join(map(str, write_events(folder, events)))}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
