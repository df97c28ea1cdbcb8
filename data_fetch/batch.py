"""Many videos on Dask: a local cluster of processes by default, any other by its scheduler's address.

Each task writes its own video's arrays, whole or not at all, and returns only a line about it. So a worker
that is lost takes no finished video with it, its unfinished ones run again elsewhere, and a second run does
only what is missing. All workers must see the same files.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import torch
from tqdm import tqdm

from cmpie_lite.errors import DataError
from cmpie_lite.many_runs import DASK, SCHEDULER_SECONDS
from data_fetch.extract import extract_video, is_done, video_id, write_features
from data_fetch.files import read_rows, whole_file, write_rows
from data_fetch.sources import SOURCE_FILE, WEIGHTS
from data_fetch.weights import KINDS, Networks, load_networks, published_path

MANIFEST: Final = "manifest.csv"
COLUMNS: Final = ("id", "status", "notes")  # status: ok, refused (the file's fault), failed (the machine's)


@dataclass(frozen=True)
class Recipe:
    """How features are made; the same for every video of a run."""

    weights: str = "published"
    seed: int = 0
    device: str = "cpu"
    folder: Path | None = None
    start: float = 0.0
    silent_audio: bool = False
    batch_size: int = 16
    threads: int = 0  # of torch in each process; 0 leaves torch's own choice


@lru_cache(maxsize=1)
def _networks(weights: str, seed: int, device: str, folder: Path | None) -> Networks:
    """One set of networks per process, however many videos it sees."""
    return load_networks(weights, device, seed, folder)


def extract_one(path: Path, out: Path, recipe: Recipe) -> dict[str, str]:
    """Extract one video and write its arrays; return its row of the manifest. Nothing is done twice."""
    name = video_id(path)
    row = {"id": name, "status": "ok", "notes": ""}
    if is_done(out, name):
        return row
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    networks = _networks(recipe.weights, recipe.seed, recipe.device, recipe.folder)
    try:
        features = extract_video(
            path,
            networks,
            start=recipe.start,
            silent_audio=recipe.silent_audio,
            batch_size=recipe.batch_size,
        )
    except DataError as error:
        return row | {"status": "refused", "notes": str(error)}
    write_features(out, name, features)
    return row | {"notes": "; ".join(features.notes)}


def extract_many(
    videos: Sequence[Path],
    out: Path,
    recipe: Recipe,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    source: str = "own videos",
    progress: bool = True,
) -> list[dict[str, str]]:
    """Extract what `out` lacks, write `manifest.csv`, and return its rows for `videos`.

    Args:
        videos: files; two of the same id are an error.
        out: folder of the official layout.
        recipe: networks and options.
        workers: processes of the local cluster; 0 works in this process, None takes one per two cores, or one
            for a GPU.
        scheduler: address of a running Dask scheduler, "tcp://host:8786", in place of a local cluster.
        source: what the videos are; written beside the features, with a warning where weights are random.
        progress: show a bar with rate and time left.

    Raises:
        DataError: ids that collide; no scheduler at the address; an output folder that holds other features.
    """
    names = [video_id(path) for path in videos]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{len(twice)} ids come from several files, first {twice[0]!r}. Give one of each.")
    _check_recipe(recipe, local=scheduler is None)
    _write_source(out, source, recipe)
    known = {row["id"]: row for row in read_rows(out / MANIFEST, COLUMNS)}
    todo = [path for path, name in zip(videos, names, strict=True) if not is_done(out, name)]
    with ExitStack() as stack:
        rows: Iterator[dict[str, str]]
        if not todo or (workers == 0 and scheduler is None):
            rows = (extract_one(path, out, recipe) for path in todo)
        else:
            rows = _on_dask(stack, todo, out, recipe, workers, scheduler)
        try:
            for row in tqdm(rows, desc="extract", unit="video", total=len(todo), disable=not progress):
                known[row["id"]] = row
        finally:
            write_rows(out / MANIFEST, COLUMNS, [known[name] for name in sorted(known)])
    return [known.get(name, {"id": name, "status": "ok", "notes": ""}) for name in names]


def _check_recipe(recipe: Recipe, *, local: bool) -> None:
    """Find out now, not once per video, that weights cannot be had or a device is missing."""
    if recipe.weights not in KINDS:
        raise DataError(f"weights = {recipe.weights!r}, expected one of {', '.join(KINDS)}.")
    if recipe.weights == "published":
        for name in WEIGHTS:
            published_path(name, recipe.folder)
    if local:
        load_networks("tiny", recipe.device)


def _write_source(out: Path, source: str, recipe: Recipe) -> None:
    """Say beside the features what they are; refuse to mix features of different networks in one folder."""
    text = source
    if recipe.weights != "published":
        text += f", RANDOM extractors ({recipe.weights}, seed {recipe.seed})"
    path = out / SOURCE_FILE
    before = path.read_text(encoding="utf-8").strip() if path.is_file() else text
    if before != text:
        raise DataError(f"{out} holds features of {before!r}, not of {text!r}. Choose another --out.")
    with whole_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _on_dask(
    stack: ExitStack,
    videos: Sequence[Path],
    out: Path,
    recipe: Recipe,
    workers: int | None,
    scheduler: str | None,
) -> Iterator[dict[str, str]]:
    """Rows as the videos finish, in any order; the cluster and its client are closed with `stack`."""
    import dask
    from distributed import Client, LocalCluster, as_completed

    stack.enter_context(dask.config.set(DASK))
    if scheduler is None:
        cores = os.cpu_count() or 1
        count = min(len(videos), workers or (1 if recipe.device != "cpu" else max(1, cores // 2)))
        recipe = replace(recipe, threads=recipe.threads or max(1, cores // count))
        cluster: Any = LocalCluster(
            n_workers=count, threads_per_worker=1, processes=True, dashboard_address=":0"
        )
        client = stack.enter_context(Client(stack.enter_context(cluster)))
    else:
        try:
            client = stack.enter_context(Client(scheduler, timeout=SCHEDULER_SECONDS))
        except (OSError, ValueError) as error:
            raise DataError(f"no Dask scheduler at {scheduler!r} ({error}). Is it running?") from error
    futures = {}
    for path in videos:
        key = f"extract-{video_id(path)}"
        future = client.submit(extract_one, path.absolute(), out.absolute(), recipe, key=key, pure=False)
        futures[future] = path
    for future in as_completed(futures):
        if future.status == "error":
            reason = f"{type(future.exception()).__name__}: {future.exception()}".splitlines()[0]
            yield {"id": video_id(futures[future]), "status": "failed", "notes": reason}
        else:
            yield future.result()
