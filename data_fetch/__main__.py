"""`python -m data_fetch COMMAND`: from nothing to packed features, and from any mp4 to features."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import cmpie_lite.support.start  # noqa: F401 - first: before torch is loaded
from cmpie_lite.data.llp_names import VIDEO_ID
from cmpie_lite.support.reading import told
from cmpie_lite.support.streams import Words, keep_streams, path_word, run_to_the_last_word
from data_fetch.commands import (
    run_annotations,
    run_extract,
    run_features,
    run_pack,
    run_render,
    run_verify,
    run_videos,
    show,
)
from data_fetch.sources import FEATURES_URL, RAW_HOST

Command = argparse.ArgumentParser
Versions = ("2020", "2024")


def _annotations(command: Command) -> None:
    command.add_argument("--out", type=path_word, default=Path("data/annotations"))
    command.add_argument("--version", choices=(*Versions, "both"), default="both")
    command.add_argument("--base-url", default=RAW_HOST, help="where the repository's raw files are")


def _features(command: Command) -> None:
    command.add_argument("--out", type=path_word, default=Path("data/feats"))
    text = "archives (one, or the several that came), or a folder, that you have already"
    command.add_argument("--from", dest="sources", type=_path, nargs="+", default=[], help=text)
    command.add_argument(
        "--annotations", type=path_word, help="folder of annotations: which videos to expect"
    )
    command.add_argument("--version", choices=Versions, default="2024")
    command.add_argument("--url", default=FEATURES_URL)


def _videos(command: Command) -> None:
    command.add_argument(
        "--ids", nargs="*", type=_word, default=[], help="LLP ids, such as BjCEufrlXm4_20_30"
    )
    command.add_argument("--annotations", type=path_word, help="folder of annotations: all ids of --splits")
    command.add_argument("--splits", nargs="*", choices=("train", "val", "test"), default=["test"])
    command.add_argument("--version", choices=Versions, default="2024")
    command.add_argument("--out", type=path_word, default=Path("data/videos"))
    command.add_argument("--sleep", type=float, default=5.0, help="seconds between two videos")
    command.add_argument("--retry-gone", action="store_true", help="ask again for videos that were gone")


def _extract(command: Command) -> None:
    command.add_argument("videos", nargs="+", type=_path, help="video files, or folders of them")
    command.add_argument("--ids", nargs="*", type=_word, help="of folders, only the videos of these ids")
    command.add_argument("--out", type=path_word, default=Path("data/extracted"))
    command.add_argument("--weights", choices=("published", "random", "tiny"), default="published")
    command.add_argument("--weights-dir", type=path_word, help="folder of the published weights' files")
    command.add_argument("--seed", type=int, default=0, help="of random weights")
    command.add_argument("--device", default="cpu")
    command.add_argument("--batch-size", type=int, default=16, help="frames at once")
    help_ = "of the networks' arithmetic; bfloat16 is about twice as fast where the processor has it"
    command.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help=help_)
    command.add_argument("--start", type=float, default=0.0, help="first second of the ten")
    command.add_argument("--silent-audio", action="store_true", help="take videos without sound as silent")
    command.add_argument("--workers", type=int, help="processes; 0 for none; default one per two cores")
    command.add_argument("--scheduler", help="address of a Dask scheduler, tcp://host:8786")
    command.add_argument("--source", help="what the videos are, as tables will name them")


def _pack(command: Command) -> None:
    command.add_argument("features", type=path_word, help="folder of vggish, res152 and r2plus1d_18")
    command.add_argument("--annotations", type=path_word, default=Path("data/annotations"))
    command.add_argument("--version", choices=Versions, default="2024")
    command.add_argument("--out", type=path_word, default=Path("data/llp"))
    command.add_argument("--skip-missing", action="store_true", help="leave out videos without features")
    command.add_argument("--source", help="name of the data; default: what the folder says, or LLP")


def _verify(command: Command) -> None:
    command.add_argument("store", type=path_word, help="folder of a packed store")


def _render(command: Command) -> None:
    command.add_argument("--out", type=path_word, default=Path("data/rendered"))
    for split, count in (("train", 60), ("val", 20), ("test", 30)):
        command.add_argument(f"--{split}", type=int, default=count, help=f"number of {split} clips")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--size", type=int, default=128, help="width and height in pixels")
    command.add_argument("--fps", type=float, default=24.0)


COMMANDS = {  # name -> what runs it, its options, what it does
    "annotations": (run_annotations, _annotations, "Fetch LLP's annotation files and count their faults."),
    "features": (run_features, _features, "Fetch and unpack LLP's features (8 GB), check every array."),
    "videos": (run_videos, _videos, "Fetch raw clips with yt-dlp, cut to their ten seconds."),
    "extract": (run_extract, _extract, "Extract features of videos into the official layout."),
    "pack": (run_pack, _pack, "Pack features of the official layout into a store for training."),
    "verify": (run_verify, _verify, "Read a packed store once and compare it with its checksums."),
    "render": (run_render, _render, "Render clips of known events, with annotations in LLP's format."),
}


def _parser() -> argparse.ArgumentParser:
    parser = Words(prog="python -m data_fetch", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (run, add_options, text) in COMMANDS.items():
        command = commands.add_parser(
            name, help=text, description=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        command.set_defaults(run=run)
        add_options(command)
    return parser


def _guarded(word: str) -> str:
    """A word of the command line, behind a space where it is an id or a file that begins with a dash."""
    match = VIDEO_ID.fullmatch(word)
    is_id = match is not None and match[2] is not None
    is_file = not word.startswith("--") and word != "-h" and os.path.exists(word)
    named = word.startswith("-") and (is_id or is_file)
    return f" {word}" if named else word  # argparse takes no word with a space for an option


def _word(text: str) -> str:
    """The word as it was given."""
    return text[1:] if text.startswith(" -") else text


def _path(text: str) -> Path:
    return path_word(_word(text))


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; errors that a reader can mend are printed without a traceback, exit status 2."""
    keep_streams()
    args = _parser().parse_args(list(map(_guarded, sys.argv[1:] if argv is None else argv)))
    return run_to_the_last_word(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    try:
        return int(args.run(args))
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:  # ValueError: all of this project's own
        show(f"error: {told(error)}", sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
