"""Many videos on Dask: a local cluster of processes by default, any other by its scheduler's address.

Each task writes its own video's arrays, whole or not at all, and returns only a line about it. So a worker
that is lost takes no finished video with it, its unfinished ones run again elsewhere, and a second run does
only what is missing. All workers must see the same files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final

import torch
from tqdm import tqdm

from cmpie_lite.data.store import check_source
from cmpie_lite.errors import DataError, ReadError, WriteError
from cmpie_lite.support.devices import check_device
from cmpie_lite.support.extras import need
from cmpie_lite.support.files import check_writable, sweep
from cmpie_lite.support.reading import of_memory, told
from cmpie_lite.support.turns import beside_others
from cmpie_lite.support.workers import as_they_end, dask_client, threads_each
from data_fetch.extract.ahead import Outcome, extract_ahead
from data_fetch.extract.recipe import ExtractionRecipe, check_recipe, networks_of
from data_fetch.extract.results import (
    MADE_OF,
    check_maker,
    content_of,
    is_done,
    made_of,
    video_id,
    write_features,
)
from data_fetch.extract.video import extract_video
from data_fetch.layout import LAYOUT, SOURCE_FILE, claim, feature_files
from data_fetch.tables import merge_rows, read_rows

MANIFEST: Final = "manifest.csv"
COLUMNS: Final = ("id", "status", "notes")  # status: ok, refused (the file's fault), failed (the machine's)


def extract_one(path: Path, out: Path, recipe: ExtractionRecipe) -> dict[str, str]:
    """Extract one video and write its arrays; return its row of the manifest. Nothing is done twice.

    Raises:
        DataError: a package or weights that cannot be had.
        WriteError: the arrays cannot be written.
    """
    row, content = _begin(path, out)
    if content is None:
        return row
    need("av", "extract")  # outside of the block below: it is no fault of the video's
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    networks = networks_of(recipe)
    outcome: Outcome
    try:
        outcome = extract_video(
            path,
            networks,
            start=recipe.start,
            silent_audio=recipe.silent_audio,
            batch_size=recipe.batch_size,
        )
    except DataError as error:
        outcome = error
    return _end(row, out, path, content, outcome)


def _begin(path: Path, out: Path) -> tuple[dict[str, str], str | None]:
    """A video's row of the manifest, and the digest of its content where it is to be extracted."""
    name = video_id(path)
    row = {"id": name, "status": "ok", "notes": ""}
    try:
        content = content_of(path)
        check_maker(out, name, path, content)
        if is_done(out, name):
            return row | {"notes": made_of(out, name)[1]}, None
    except DataError as error:
        return row | {"status": "refused", "notes": str(error)}, None
    except ReadError as error:
        return row | {"status": "failed", "notes": str(error)}, None
    return row, content


def _end(row: dict[str, str], out: Path, path: Path, content: str, outcome: Outcome) -> dict[str, str]:
    """Write what was extracted, or say why there is nothing."""
    try:
        if isinstance(outcome, DataError | ReadError):
            raise outcome
        write_features(out, row["id"], outcome, path, content)
    except DataError as error:
        return row | {"status": "refused", "notes": str(error)}
    return row | {"notes": "; ".join(outcome.notes)}


def extract_many(
    videos: Sequence[Path],
    out: Path,
    recipe: ExtractionRecipe,
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
        workers: processes of the local cluster, at least 0; 0 works in this process, None takes one per two
            cores. On a GPU, None works in this process too, and decodes the next videos meanwhile.
        scheduler: address of a running Dask scheduler, "tcp://host:8786", in place of a local cluster.
        source: what the videos are; written beside the features, with a warning where weights are random.
        progress: show a bar with rate and time left.

    Raises:
        DataError: ids that collide; no scheduler at the address; an output folder that holds other features,
            or features that nothing says the origin of; a package that is not installed.
        WriteError: an output folder that cannot be written.
    """
    if workers is not None and workers < 0:
        raise DataError(f"workers = {workers}, expected 0 (this process) or more.")
    names = [video_id(path) for path in videos]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{len(twice)} ids come from several files, first {twice[0]!r}. Give one of each.")
    check_source(recipe.describe(source))
    check_recipe(recipe, local=scheduler is None)
    if scheduler is None:
        recipe = replace(recipe, device=str(check_device(recipe.device)))  # what "auto" is here
    # With --silent-audio only videos join that were refused before: what is there stays as it is.
    without = replace(recipe, silent_audio=False).describe(source)
    _take_place(out, [recipe.describe(source), without])
    known = {row["id"]: row for row in read_rows(out / MANIFEST, COLUMNS)}
    there = {path: _seems_done(out, name) for path, name in zip(videos, names, strict=True)}
    todo = [path for path in videos if not there[path]]
    rows: dict[str, dict[str, str]] = {}
    try:
        with ExitStack() as stack:
            stack.enter_context(beside_others(out))
            outcomes = _outcomes(stack, todo, out, recipe, workers, scheduler)
            looked_at = _here([path for path in videos if there[path]], out, recipe)
            bar = tqdm(total=len(videos), desc="extract", unit="video", disable=not progress)
            with bar:
                for path, row in chain(looked_at, outcomes):
                    if row["status"] == "failed" and _seems_done(out, row["id"]):  # lost after its last array
                        row = extract_one(path, out, recipe)
                    again = there[path] and known.get(row["id"], {}).get("status") == row["status"] == "ok"
                    rows[row["id"]] = known[row["id"]] if again else row  # with the notes of the first time
                    bar.update()
    finally:
        if rows:
            merge_rows(out / MANIFEST, COLUMNS, rows)
    sweep(out, out / MADE_OF, *(out / folder for folder in LAYOUT))
    return [rows[name] for name in names]


def _take_place(out: Path, origins: Sequence[str]) -> None:
    """Write what the features are, the first of `origins`; refuse a folder of none of them, or unwritable."""
    check_writable(out, MANIFEST, SOURCE_FILE)
    for folder in (*LAYOUT, MADE_OF):
        check_writable(out / folder)
    claim(out / SOURCE_FILE, origins[0], occupied=any(feature_files(out)), also=list(origins[1:]))


def _seems_done(out: Path, name: str) -> bool:
    """As `is_done`, false where that cannot be known."""
    try:
        return is_done(out, name)
    except ReadError:
        return False


def _outcomes(
    stack: ExitStack,
    videos: Sequence[Path],
    out: Path,
    recipe: ExtractionRecipe,
    workers: int | None,
    scheduler: str | None,
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Rows of the videos as they end: on a GPU here, by Dask's workers, or one after the other here."""
    if videos and scheduler is None and recipe.device.startswith("cuda") and not workers:
        return _ahead(videos, out, recipe)
    if videos and (workers != 0 or scheduler is not None):
        return _on_dask(stack, videos, out, recipe, workers, scheduler)
    return _here(videos, out, recipe)


def _here(
    videos: Sequence[Path], out: Path, recipe: ExtractionRecipe
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Rows of the videos, one after the other, in this process."""
    for path in videos:
        try:
            yield path, extract_one(path, out, recipe)
        except Exception as error:
            if not _of_machine(error):
                raise
            yield path, _failure(path, error)


def _ahead(
    videos: Sequence[Path], out: Path, recipe: ExtractionRecipe
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Rows of the videos, in this process: the next ones are decoded while a GPU is busy with the last."""
    begun = {path: _begin(path, out) for path in videos}
    yield from ((path, row) for path, (row, content) in begun.items() if content is None)
    todo = [path for path, (_, content) in begun.items() if content is not None]
    for path, outcome in extract_ahead(todo, networks_of(recipe), recipe):
        row, content = begun[path]
        try:
            yield path, _end(row, out, path, content or "", outcome)
        except Exception as error:
            if not _of_machine(error):
                raise
            yield path, _failure(path, error)


def _of_machine(error: Exception) -> bool:
    """Whether an error is the machine's, and neither the video's nor the code's."""
    return isinstance(error, ReadError | WriteError | OSError) or of_memory(error)


def _failure(path: Path, error: BaseException) -> dict[str, str]:
    """The row of a video that could not be had for no fault of its own."""
    reason = f"{type(error).__name__}: {told(error)}".splitlines()[0]
    return {"id": video_id(path), "status": "failed", "notes": reason}


def _on_dask(
    stack: ExitStack,
    videos: Sequence[Path],
    out: Path,
    recipe: ExtractionRecipe,
    workers: int | None,
    scheduler: str | None,
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Rows as the videos end, in any order; the cluster and its client are closed with `stack`."""
    count = 1
    if scheduler is None:
        count = min(len(videos), workers or threads_each(2))
        recipe = replace(recipe, threads=recipe.threads or threads_each(count))
    client = stack.enter_context(dask_client("extract", processes=count, scheduler=scheduler or ""))
    tasks = {path: (path.absolute(), out.absolute(), recipe) for path in videos}
    return (
        (path, _failure(path, outcome) if isinstance(outcome, BaseException) else outcome)
        for path, outcome in as_they_end(client, extract_one, tasks)
    )
