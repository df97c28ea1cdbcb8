"""How fast features are extracted, where the time goes, and what a second Dask worker brings.

    python -m tests.benchmarks.bench_extract [--clips 2] [--weights random] [--device cpu] [--size 320]
                                            [--workers 2]

Clips of ten seconds are rendered first. One process on one thread times each step on every clip, in seconds
of its core, so that other work on the machine does not count; then the same clips pass through one and
through two Dask workers of one thread each, by the wall clock, which it slows. Workers have built their
networks before the clock starts. Weights are random: the time does not depend on them.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from data_fetch.extract.decode import CLIP_SECONDS, read_frames, read_waveform
from data_fetch.extract.recipe import ExtractionRecipe, networks_of
from data_fetch.extract.video import audio_features, read_clip, visual_2d_features, visual_3d_features
from data_fetch.extract.videos import extract_many
from data_fetch.extract.weights import load_networks
from data_fetch.render.clips import render_clip
from data_fetch.render.scenes import make_scene

T = TypeVar("T")


def clock(step: Callable[..., T], *arguments: object) -> tuple[T, float]:
    """Run a step; its result and its seconds of one core (on a GPU: seconds by the wall clock)."""
    now = time.perf_counter if torch.cuda.is_available() else time.process_time
    start = now()
    result = step(*arguments)
    return result, now() - start


def shares(videos: list[Path], weights: str, device: str) -> dict[str, float]:
    """Seconds per step over all videos, in this process; one clip passes before the clock starts."""
    networks = load_networks(weights, device)
    audio_features([read_clip(videos[0])], networks)
    spent: Counter[str] = Counter()
    for video in videos:
        _, sound = clock(read_waveform, video)
        _, picture = clock(lambda path: list(read_frames(path)), video)
        clip, reading = clock(read_clip, video)
        spent["decode sound"] += sound
        spent["decode picture"] += picture
        spent["resize frames"] += reading - sound - picture
        spent["log-mel and VGGish"] += clock(audio_features, [clip], networks)[1]
        spent["ResNet-152"] += clock(visual_2d_features, [clip], networks)[1]
        spent["R(2+1)D-18"] += clock(visual_3d_features, [clip], networks)[1]
    return spent


def on_dask(videos: list[Path], recipe: ExtractionRecipe, workers: int, folder: Path) -> float:
    """Seconds that running workers, their networks built, need for all videos."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        client.run(_warm, recipe)
        start = time.perf_counter()
        rows = extract_many(
            videos, folder, recipe, scheduler=cluster.scheduler_address, progress=False, source="benchmark"
        )
        seconds = time.perf_counter() - start
    assert all(row["status"] == "ok" for row in rows), rows
    return seconds


def _warm(recipe: ExtractionRecipe) -> None:
    torch.set_num_threads(recipe.threads)
    networks_of(recipe)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--weights", choices=("random", "tiny"), default="random")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, default=320, help="pixels of a clip's sides")
    parser.add_argument("--workers", type=int, default=2, help="most Dask workers; 0: without Dask")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        videos = [folder / "videos" / f"render{n:05d}.mp4" for n in range(args.clips)]
        for n, video in enumerate(videos):
            render_clip(video, make_scene(0, n), size=args.size)
        length = CLIP_SECONDS * len(videos)
        print(f"{len(videos)} clips of {CLIP_SECONDS:.0f} s, {args.size} x {args.size}, 24 frames per second")
        load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        print(f"{args.weights} networks on {args.device}, torch {torch.__version__}, one thread; {load}\n")
        spent = shares(videos, args.weights, args.device)
        total = sum(spent.values())
        for step, seconds in spent.items():
            print(f"{step:20s}{seconds / len(videos):8.3f} s per clip{seconds / total:8.1%}")
        rate = f"{length / total:.2f} s of video per second"
        print(f"{'all':20s}{total / len(videos):8.3f} s per clip: {rate}\n")
        recipe = ExtractionRecipe(weights=args.weights, device=args.device, threads=1)
        walls = {}
        for workers in range(1, args.workers + 1):
            walls[workers] = on_dask(videos, recipe, workers, folder / f"feats{workers}")
            rate = length / walls[workers]
            print(f"{workers} Dask worker(s): {walls[workers]:.1f} s, {rate:.2f} s of video per second")
        if args.workers > 1:
            print(f"{args.workers} workers make it {walls[1] / walls[args.workers]:.2f} times as fast")


if __name__ == "__main__":
    main()
