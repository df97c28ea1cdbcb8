"""What each command of `python -m data_fetch` does, from its options to its exit status.

1 means that something could not be had, 0 that all is there.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TextIO

from cmpie_lite.errors import DataError
from cmpie_lite.support.text import printable
from cmpie_lite.support.turns import at_work
from data_fetch.layout import SOURCE_FILE, features_folder

OURS = (SOURCE_FILE, "videos.csv")  # in folders of clips that were made or fetched here
VIDEO_SUFFIXES = frozenset(
    ".mp4 .m4v .mov .qt .mkv .webm .avi .flv .f4v .mpg .mpeg .m2v .ts .mts .m2ts .vob .wmv .asf .3gp .3g2 "
    ".ogv .ogm .mxf .dv .divx .rm .rmvb .amv .y4m".split()
)


def run_annotations(args: argparse.Namespace) -> int:
    """Fetch the annotations of LLP and print what is wrong with them."""
    from cmpie_lite.data.annotations import fault_table, read_annotations
    from data_fetch.fetch.annotations import fetch_annotations

    fetch_annotations(args.out, args.version, args.base_url)
    for version in ("2020", "2024") if args.version == "both" else (args.version,):
        table = fault_table(read_annotations(args.out, version))
        show(f"\n{args.out}, version {version}\n{table.to_string(index=False)}")
    return 0


def run_features(args: argparse.Namespace) -> int:
    """Fetch and unpack the archive of features."""
    from data_fetch.fetch.features import fetch_features

    ids = _ids(args.annotations, args.version)
    _say_who_works(*map(features_folder, filter(Path.is_dir, args.sources)))
    report = fetch_features(args.out, sources=args.sources, ids=ids, url=args.url)
    show(report)
    return 1 if report.missing else 0


def run_videos(args: argparse.Namespace) -> int:
    """Fetch videos and cut them to their ten seconds."""
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
    """Make features of videos."""
    from cmpie_lite.support.devices import check_device
    from data_fetch.extract.quick import has_bfloat16
    from data_fetch.extract.recipe import ExtractionRecipe
    from data_fetch.extract.videos import MANIFEST, extract_many
    from data_fetch.layout import read_origin

    _say_who_works(*args.videos)
    paths, absent = _chosen(args.videos, args.ids)
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
        precision=args.precision,
    )
    if args.weights != "published":
        print(f"WARNING: {args.weights} extractors: the features are NOT those a trained model expects.")
    here = args.scheduler is None
    if args.precision == "bfloat16" and here and not has_bfloat16(check_device(args.device)):
        print("WARNING: this processor has no bfloat16 of its own: float32 is faster here.")
    source = args.source or read_origin(paths[0].parent / SOURCE_FILE) or "own videos"
    alone = len(paths) == 1 and args.scheduler is None and args.workers is None
    workers = 0 if alone else args.workers
    rows = extract_many(paths, args.out, recipe, workers=workers, scheduler=args.scheduler, source=source)
    missing = [
        {"id": name, "status": "not found", "notes": "no video of this id is there"} for name in absent
    ]
    return _summary([*rows, *missing], args.out / MANIFEST)


def run_pack(args: argparse.Namespace) -> int:
    """Pack features and annotations into a store."""
    from cmpie_lite.data.annotations import read_annotations
    from data_fetch.pack.store import pack

    _say_who_works(features_folder(args.features))
    labels = read_annotations(args.annotations, args.version)
    if labels.faults:
        found = ", ".join(f"{n} x {kind}" for kind, n in Counter(f.problem for f in labels.faults).items())
        show(f"{args.annotations}: read around {len(labels.faults)} faults: {found}")
    on_missing: Literal["error", "skip"] = "skip" if args.skip_missing else "error"
    show(pack(args.features, labels, args.out, on_missing=on_missing, source=args.source))
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Read a store once, against its checksums."""
    from cmpie_lite.data.store_files import open_store

    store = open_store(args.store, verify=True)
    counts = ", ".join(f"{len(split)} {name}" for name, split in store.splits.items())
    show(f"{args.store}: {store.source}, {counts} videos, whole, digest {store.digest}")
    return 0


def run_render(args: argparse.Namespace) -> int:
    """Draw clips of known events."""
    from data_fetch.render.clips import render_set

    counts = {"train": args.train, "val": args.val, "test": args.test}
    scenes = render_set(args.out, counts, seed=args.seed, size=args.size, fps=args.fps)
    show(f"{len(scenes)} clips in {args.out / 'videos'}, their labels in {args.out / 'annotations'}")
    return 0


def _say_who_works(*folders: Path) -> None:
    """Say where another command is still at work in a folder that is read now, or in the one above."""
    for folder in folders:
        if at_work(folder) or at_work(folder.absolute().parent):
            show(
                f"{folder}: another process is at work there: what it adds from now on is not taken. Run "
                "this command again once it has ended."
            )


def _ids(folder: Path | None, version: str) -> list[str]:
    from cmpie_lite.data.annotations import read_annotations
    from cmpie_lite.data.llp_names import feature_name

    if folder is None:
        return []
    labels = read_annotations(folder, version)
    return [feature_name(v) for split in (labels.train, labels.val, labels.test) for v in split.ids]


def _chosen(given: Sequence[Path], ids: Sequence[str] | None) -> tuple[list[Path], list[str]]:
    """Files themselves; of folders the videos, or those of these ids; and the ids of which there is none.

    What of a folder is left out is said.
    """
    from data_fetch.extract.results import video_id

    wanted = {video_id(f"{name}.mp4"): name for name in ids or ()}
    chosen: list[Path] = []
    for path in given:
        if not path.is_dir():
            chosen.append(path)
            continue
        inside = sorted(file for file in path.iterdir() if not file.name.startswith("."))
        videos = [file for file in inside if file.suffix.lower() in VIDEO_SUFFIXES and not file.is_dir()]
        chosen += [file for file in videos if not wanted or video_id(file) in wanted]
        known = {*videos, *(file.with_suffix(kind) for file in videos for kind in (".vtt", ".png"))}
        others = [file.name for file in inside if file not in known and file.name not in OURS]
        if others:
            first = ", ".join(others[:5]) + ", ..." * (len(others) > 5)
            show(f"{path}: left out {first} (not named as videos are). To take files or folders, name them.")
    return chosen, [name for key, name in wanted.items() if key not in map(video_id, chosen)]


def _summary(rows: Sequence[dict[str, str]], manifest: Path) -> int:
    """Print how many ended how, and the first that did not end well; 1 where any did not."""
    counts = Counter(row["status"] for row in rows)
    show(", ".join(f"{count} {status}" for status, count in sorted(counts.items())) + f"; see {manifest}")
    poor = [row for row in rows if row["status"] != "ok"]
    for row in poor[:5]:
        show(f"  {row['id']}: {row.get('notes') or row.get('reason')}")
    return 1 if poor else 0


def show(text: object, file: TextIO | None = None) -> None:
    """Print what may hold names of files, without what a terminal would obey."""
    print(printable(str(text)), file=file)
