"""`python -m data_fetch COMMAND`: from nothing to packed features, and from any mp4 to features."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cmpie_lite.errors import DataError
from data_fetch.layout import SOURCE_FILE
from data_fetch.sources import FEATURES_URL, RAW_HOST

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".flv", ".mpg", ".ts", ".3gp")


def run_annotations(args: argparse.Namespace) -> int:
    from cmpie_lite.data.annotations import fault_table, read_annotations
    from data_fetch.fetch.annotations import fetch_annotations

    fetch_annotations(args.out, args.version, args.base_url)
    for version in ("2020", "2024") if args.version == "both" else (args.version,):
        table = fault_table(read_annotations(args.out, version))
        print(f"\n{args.out}, version {version}\n{table.to_string(index=False)}")
    return 0


def run_features(args: argparse.Namespace) -> int:
    from data_fetch.fetch.features import fetch_features

    ids = _ids(args.annotations, args.version)
    report = fetch_features(args.out, source=args.source, ids=ids, url=args.url)
    print(report)
    return 1 if report.missing else 0


def run_videos(args: argparse.Namespace) -> int:
    from cmpie_lite.data.annotations import read_annotations
    from data_fetch.fetch.videos import MANIFEST, fetch_videos

    ids = list(args.ids)
    if args.annotations:
        labels = read_annotations(args.annotations, args.version)
        ids += [video for split in args.splits for video in getattr(labels, split).ids]
    if not ids:
        raise DataError("no ids given. Name some with --ids, or a folder of annotations with --annotations.")
    rows = fetch_videos(ids, args.out, sleep=args.sleep, retry_gone=args.retry_gone)
    return _summary(rows, args.out / MANIFEST)


def run_extract(args: argparse.Namespace) -> int:
    from data_fetch.extract.videos import MANIFEST, ExtractionRecipe, extract_many
    from data_fetch.layout import read_origin

    paths = [path for given in args.videos for path in _chosen(given, args.ids)]
    if not paths:
        raise DataError("no videos given or found. Name files, or folders of files.")
    recipe = ExtractionRecipe(
        weights=args.weights,
        seed=args.seed,
        device=args.device,
        folder=args.weights_dir,
        start=args.start,
        silent_audio=args.silent_audio,
        batch_size=args.batch_size,
    )
    if args.weights != "published":
        print(f"WARNING: {args.weights} extractors: the features are NOT those a trained model expects.")
    source = args.source or read_origin(paths[0].parent / SOURCE_FILE) or "own videos"
    alone = len(paths) == 1 and args.scheduler is None and args.workers is None
    workers = 0 if alone else args.workers
    rows = extract_many(paths, args.out, recipe, workers=workers, scheduler=args.scheduler, source=source)
    return _summary(rows, args.out / MANIFEST)


def run_pack(args: argparse.Namespace) -> int:
    from cmpie_lite.data.annotations import read_annotations
    from data_fetch.pack.store import pack

    labels = read_annotations(args.annotations, args.version)
    on_missing: Literal["error", "skip"] = "skip" if args.skip_missing else "error"
    print(pack(args.features, labels, args.out, on_missing=on_missing, source=args.source))
    return 0


def run_render(args: argparse.Namespace) -> int:
    from data_fetch.render.clips import render_set

    counts = {"train": args.train, "val": args.val, "test": args.test}
    scenes = render_set(args.out, counts, seed=args.seed, size=args.size, fps=args.fps)
    print(f"{len(scenes)} clips in {args.out / 'videos'}, their labels in {args.out / 'annotations'}")
    return 0


def _ids(folder: Path | None, version: str) -> list[str]:
    from cmpie_lite.data.annotations import read_annotations
    from cmpie_lite.data.llp_names import feature_name

    if folder is None:
        return []
    labels = read_annotations(folder, version)
    return [feature_name(v) for split in (labels.train, labels.val, labels.test) for v in split.ids]


def _chosen(given: Path, ids: Sequence[str] | None) -> list[Path]:
    """A file itself; of a folder its videos, or those of these ids."""
    from data_fetch.extract.video import video_id

    if not given.is_dir():
        return [given]
    files = (path for path in given.glob("[!.]*") if path.suffix.lower() in VIDEO_SUFFIXES)
    wanted = {video_id(f"{name}.mp4") for name in ids or ()}
    return sorted(path for path in files if not wanted or video_id(path) in wanted)


def _summary(rows: Sequence[dict[str, str]], manifest: Path) -> int:
    """Print how many ended how, and the first that did not end well; 1 where any did not."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    print(", ".join(f"{count} {status}" for status, count in sorted(counts.items())) + f"; see {manifest}")
    poor = [row for row in rows if row["status"] != "ok"]
    for row in poor[:5]:
        print(f"  {row['id']}: {row.get('notes') or row.get('reason')}")
    return 1 if poor else 0


Command = argparse.ArgumentParser
Versions = ("2020", "2024")


def _annotations(command: Command) -> None:
    command.add_argument("--out", type=Path, default=Path("data/annotations"))
    command.add_argument("--version", choices=(*Versions, "both"), default="both")
    command.add_argument("--base-url", default=RAW_HOST, help="where the repository's raw files are")


def _features(command: Command) -> None:
    command.add_argument("--out", type=Path, default=Path("data/feats"))
    command.add_argument(
        "--from", dest="source", type=Path, help="an archive or folder that you have already"
    )
    command.add_argument("--annotations", type=Path, help="folder of annotations: which videos to expect")
    command.add_argument("--version", choices=Versions, default="2024")
    command.add_argument("--url", default=FEATURES_URL)


def _videos(command: Command) -> None:
    command.add_argument("--ids", nargs="*", default=[], help="LLP ids, such as BjCEufrlXm4_20_30")
    command.add_argument("--annotations", type=Path, help="folder of annotations: all ids of --splits")
    command.add_argument("--splits", nargs="*", choices=("train", "val", "test"), default=["test"])
    command.add_argument("--version", choices=Versions, default="2024")
    command.add_argument("--out", type=Path, default=Path("data/videos"))
    command.add_argument("--sleep", type=float, default=5.0, help="seconds between two videos")
    command.add_argument("--retry-gone", action="store_true", help="ask again for videos that were gone")


def _extract(command: Command) -> None:
    command.add_argument("videos", nargs="+", type=Path, help="video files, or folders of them")
    command.add_argument("--ids", nargs="*", help="of folders, only the videos of these ids")
    command.add_argument("--out", type=Path, default=Path("data/extracted"))
    command.add_argument("--weights", choices=("published", "random", "tiny"), default="published")
    command.add_argument("--weights-dir", type=Path, help="folder of the published weights' files")
    command.add_argument("--seed", type=int, default=0, help="of random weights")
    command.add_argument("--device", default="cpu")
    command.add_argument("--batch-size", type=int, default=16, help="frames at once")
    command.add_argument("--start", type=float, default=0.0, help="first second of the ten")
    command.add_argument("--silent-audio", action="store_true", help="take videos without sound as silent")
    command.add_argument("--workers", type=int, help="processes; 0 for none; default one per two cores")
    command.add_argument("--scheduler", help="address of a Dask scheduler, tcp://host:8786")
    command.add_argument("--source", help="what the videos are, as tables will name them")


def _pack(command: Command) -> None:
    command.add_argument("features", type=Path, help="folder of vggish, res152 and r2plus1d_18")
    command.add_argument("--annotations", type=Path, default=Path("data/annotations"))
    command.add_argument("--version", choices=Versions, default="2024")
    command.add_argument("--out", type=Path, default=Path("data/llp"))
    command.add_argument("--skip-missing", action="store_true", help="leave out videos without features")
    command.add_argument("--source", help="name of the data; default: what the folder says, or LLP")


def _render(command: Command) -> None:
    command.add_argument("--out", type=Path, default=Path("data/rendered"))
    for split, count in (("train", 60), ("val", 20), ("test", 30)):
        command.add_argument(f"--{split}", type=int, default=count, help=f"number of {split} clips")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--size", type=int, default=64, help="width and height in pixels")
    command.add_argument("--fps", type=float, default=24.0)


COMMANDS = {  # name -> what runs it, its options, what it does
    "annotations": (run_annotations, _annotations, "Fetch LLP's annotation files and count their faults."),
    "features": (run_features, _features, "Fetch and unpack LLP's features (8 GB), check every array."),
    "videos": (run_videos, _videos, "Fetch raw clips with yt-dlp, cut to their ten seconds."),
    "extract": (run_extract, _extract, "Extract features of videos into the official layout."),
    "pack": (run_pack, _pack, "Pack features of the official layout into a store for training."),
    "render": (run_render, _render, "Render clips of known events, with annotations in LLP's format."),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m data_fetch", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (run, add_options, text) in COMMANDS.items():
        command = commands.add_parser(
            name, help=text, description=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        command.set_defaults(run=run)
        add_options(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; errors that a reader can mend are printed without a traceback, exit status 2."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except (ValueError, OSError) as error:  # ValueError: all of this project's own
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
