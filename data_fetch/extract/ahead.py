"""Many videos through one device: the next ones are decoded while the networks are busy with the last.

Decoding keeps a processor busy, the networks a GPU; done in turn, each waits for the other. Here threads
decode some videos ahead, and the networks take a few videos at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from cmpie_lite.errors import DataError, ReadError
from data_fetch.extract.recipe import ExtractionRecipe
from data_fetch.extract.video import Clip, VideoFeatures, features_of, read_clip
from data_fetch.extract.weights import Networks

DECODERS: Final = 8  # threads; one decodes about six videos per second
TOGETHER: Final = 8  # videos that pass through the networks at once: 120 MB of frames

Outcome = VideoFeatures | DataError | ReadError


def extract_ahead(
    paths: Sequence[Path],
    networks: Networks,
    recipe: ExtractionRecipe,
    together: int = TOGETHER,
) -> Iterator[tuple[Path, Outcome]]:
    """Features of each video, or what is wrong with it, in the order of `paths`.

    Args:
        networks: those of the recipe.
        recipe: where in a file to begin, and what to do without sound.
        together: videos that pass through the networks at once; twice as many more are decoded ahead.
    """
    left = iter(paths)
    waiting: deque[tuple[Path, Future[Clip]]] = deque()
    with ThreadPoolExecutor(DECODERS) as pool:
        try:
            while True:
                while len(waiting) < 3 * together and (path := next(left, None)) is not None:
                    waiting.append((path, pool.submit(read_clip, path, recipe.start, recipe.silent_audio)))
                if not waiting:
                    return
                group = [waiting.popleft() for _ in range(min(together, len(waiting)))]
                yield from parsed_together(group, networks, recipe.batch_size)
        finally:  # an error, or nobody asks any more: what has not begun is not decoded
            for _, future in waiting:
                future.cancel()


def parsed_together(
    group: Sequence[tuple[Path, Future[Clip]]], networks: Networks, batch_size: int
) -> Iterator[tuple[Path, Outcome]]:
    """The outcomes of videos that are being decoded; those that can be read share the networks' batches."""
    clips: dict[Path, Clip] = {}
    outcomes: dict[Path, Outcome] = {}
    for path, future in group:
        try:
            clips[path] = future.result()
        except (DataError, ReadError) as error:
            outcomes[path] = error
    if clips:
        found = features_of(list(clips.values()), networks, batch_size)
        outcomes |= dict(zip(clips, found, strict=True))
    yield from ((path, outcomes[path]) for path, _ in group)
