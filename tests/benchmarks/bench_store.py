"""Memory and speed of the feature store: `python -m tests.benchmarks.bench_store [--small]`.

Makes a store of LLP's size (10000/649/1200 videos, 1.3 GB) from random numbers, split by split; then, each in
a process of its own, opens it, reads the training split once in random batches of 16 as training does, and
verifies it; then packs simulated files of the official layout. Prints peak resident memory, which counts the
pages of the mapped files too, although the system may drop those at any time ("anonymous" leaves them out).
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from cmpie_lite.data.annotations import Annotations, SplitAnnotations
from cmpie_lite.data.llp_names import feature_name
from cmpie_lite.data.store import FEATURES, LABELS, FeatureStore, Split
from cmpie_lite.data.store_files import open_store
from data_fetch.layout import LAYOUT
from data_fetch.pack.store import pack
from tests.making import write_store

FULL = {"train": 10_000, "val": 649, "test": 1200}
SMALL = {"train": 500, "val": 50, "test": 50}
LIMIT_MB = 2000
MB = 1e6


def peak_mb() -> float:
    """Peak resident memory of this process, files in memory included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB


def resident_mb(kind: str) -> float:
    """Resident memory now: RssAnon or RssFile."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / MB for line in lines if line.startswith(kind))


def random_split(name: str, count: int) -> Split:
    """Random features, a million numbers repeated at random offsets: as large as LLP's, quick to make."""
    rng = torch.Generator().manual_seed(count)
    pool = torch.randn(1 << 20, generator=rng)
    tensors = {}
    for key, shape in FEATURES.items():
        values = torch.empty((count, *shape))
        size = values[0].numel()
        for row, start in zip(values, torch.randint(len(pool) - size, (count,), generator=rng), strict=True):
            row.view(-1).copy_(pool[start : start + size])
        tensors[key] = values
    for key, shape in LABELS.items():
        tensors[key] = torch.rand((count, *shape), generator=rng) < 0.1
    return Split(ids=tuple(f"{name}{i}" for i in range(count)), **tensors)


def step_write(folder: Path, sizes: dict[str, int]) -> str:
    splits = {name: random_split(name, count) for name, count in sizes.items()}
    start = time.perf_counter()
    store = FeatureStore(**splits, source="random numbers")
    hashed = time.perf_counter()
    write_store(folder, store)
    size = sum(path.stat().st_size for path in folder.iterdir()) / MB
    written = time.perf_counter() - hashed
    return (
        f"{size:.0f} MB; digest {hashed - start:.1f} s; written in {written:.1f} s, {size / written:.0f} MB/s"
    )


def step_open(folder: Path, sizes: dict[str, int]) -> str:
    before, start = peak_mb(), time.perf_counter()
    store = open_store(folder)
    seconds = time.perf_counter() - start
    return f"{len(store.train)} training videos in {1000 * seconds:.0f} ms, {peak_mb() - before:.0f} MB more"


def step_read(folder: Path, sizes: dict[str, int]) -> str:
    """One epoch of training's reading, then every row of val and test."""
    before = peak_mb()
    store = open_store(folder)
    start, total = time.perf_counter(), 0.0
    for split in store.splits.values():
        order = torch.randperm(len(split), generator=torch.Generator().manual_seed(1))
        for batch in order.split(16):
            total += sum(float(tensor[batch].sum()) for tensor in split.tensors().values())
    seconds = time.perf_counter() - start
    videos = sum(sizes.values())
    return f"{videos / seconds:.0f} videos/s in batches of 16; {before:.0f} MB before, sum {total:.3e}"


def step_verify(folder: Path, sizes: dict[str, int]) -> str:
    start = time.perf_counter()
    open_store(folder, verify=True)
    return f"hashes and finite values in {time.perf_counter() - start:.1f} s"


def step_pack(folder: Path, sizes: dict[str, int]) -> str:
    """Simulated files of the official layout, 0.7 MB per video: a tenth of the videos."""
    count = max(20, sum(sizes.values()) // 10)
    ids = tuple(f"video{i:06d}_0_10" for i in range(count))
    rng = np.random.default_rng(1)
    for kind, shape in LAYOUT.items():
        (folder / "feats" / kind).mkdir(parents=True)
        values = rng.random(shape, dtype=np.float32)
        for video in ids:
            np.save(folder / "feats" / kind / f"{feature_name(video)}.npy", values)
    size = sum(path.stat().st_size for path in folder.rglob("*.npy")) / MB

    def split(some: tuple[str, ...], dense: bool) -> SplitAnnotations:
        roll = np.zeros((len(some), 10, 25), dtype=bool) if dense else None
        return SplitAnnotations(some, np.ones((len(some), 25), dtype=bool), roll, roll)

    annotations = Annotations(split(ids[4:], False), split(ids[:2], True), split(ids[2:4], True), "2024", ())
    before, start = peak_mb(), time.perf_counter()
    pack(folder, annotations, folder / "packed", source="random numbers", progress=False)
    seconds, grown = time.perf_counter() - start, peak_mb() - before
    return (
        f"{count} videos, {size:.0f} MB in {seconds:.1f} s: {count / seconds:.0f} videos/s, "
        f"{size / seconds:.0f} MB/s, {grown:.0f} MB more"
    )


STEPS = {"write": step_write, "open": step_open, "read": step_read, "verify": step_verify, "pack": step_pack}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="600 videos instead of 11849")
    parser.add_argument("--folder", type=Path, help="where to make the store (default: a temporary folder)")
    parser.add_argument("--step", choices=STEPS, help="one step on a folder; without it, all of them")
    arguments = parser.parse_args()
    sizes = SMALL if arguments.small else FULL
    torch.set_num_threads(1)
    if arguments.step:
        text = STEPS[arguments.step](arguments.folder, sizes)
        print(
            f"{arguments.step:8}{text}; peak {peak_mb():.0f} MB (now {resident_mb('RssAnon'):.0f} anonymous)"
        )
        return int(arguments.step in ("open", "read") and peak_mb() > LIMIT_MB)
    folder = Path(tempfile.mkdtemp(prefix="bench_store_", dir=arguments.folder))
    try:
        failed = 0
        for step in STEPS:
            command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
            failed += subprocess.run([*command, *(["--small"] if arguments.small else [])]).returncode != 0
        print(f"limit of {LIMIT_MB} MB for opening and reading: {'missed' if failed else 'kept'}")
        return int(failed > 0)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
