"""Is it the same training? Ten scores over several seeds, our loop against the plain one and in bfloat16.

    python -m tests.benchmarks.compare_training --seeds 5 --epochs 20

trains HAN on the same data by each way: `float32`, the eager loop of `training.loop`; `plain`, the loop of
 tests/oracles/training.py, with which it shares neither model code nor random numbers; `bfloat16`, the
eager loop in that precision. Ways that are equal in distribution differ in the mean of a score by no more
than seeds do: `spread` is the lesser of the two ranges, a way's greatest score less its least.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial

import numpy as np
import pandas as pd
import torch

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.llp_sim import SMALL, SimConfig, simulate
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.metrics import SCORES
from cmpie_lite.support.fields import override
from cmpie_lite.systems.rows import SYSTEMS
from cmpie_lite.training.evaluate import evaluate
from cmpie_lite.training.loop import train
from tests.oracles import training as plain

WAYS = ("float32", "plain", "bfloat16")
data = lru_cache(maxsize=1)(simulate)


def test_scores(way: str, store: FeatureStore, recipe: TrainConfig, dim: int) -> dict[str, float]:
    """The ten test scores of one run."""
    if way == "plain":
        return plain.train(store, recipe, dim)
    config = override(SYSTEMS["han"].config, {"dim": dim, "ffn_dim": dim})
    run = train(config, override(recipe, {"precision": way}), store)
    return evaluate(run.model, store.test).as_dict()


test_scores.__test__ = False  # type: ignore[attr-defined]  # not pytest's


def gaps(scores: Mapping[str, Sequence[Mapping[str, float]]], way: str, other: str) -> pd.DataFrame:
    """A row a score, in points: mean and standard deviation of both ways, gap of the means, spread, apart."""
    a, b = (100 * np.array([[run[name] for name in SCORES] for run in scores[w]]) for w in (way, other))
    gap, spread = b.mean(0) - a.mean(0), np.minimum(np.ptp(a, axis=0), np.ptp(b, axis=0))
    columns = {
        way: a.mean(0), f"{way} sd": a.std(0, ddof=1), other: b.mean(0), f"{other} sd": b.std(0, ddof=1),
        "gap": gap, "spread": spread,
    }  # fmt: skip
    return pd.DataFrame(columns, index=list(SCORES)).assign(apart=np.abs(gap) > spread)


def one(config: SimConfig, dim: int, job: tuple[str, TrainConfig]) -> dict[str, float]:
    """A run in a process of its own, on one thread."""
    torch.set_num_threads(1)
    return test_scores(job[0], data(config), job[1], dim)


def main() -> int:
    """Run and print; the exit status is 1 where a score is further apart than its spread."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--epochs", type=int, default=20)
    words.add_argument("--dim", type=int, default=512)
    words.add_argument(
        "--ways", nargs="+", choices=WAYS, default=WAYS, help="the first is compared with the others"
    )
    words.add_argument("--workers", type=int, default=os.cpu_count())
    options = words.parse_args()
    jobs = [
        (way, TrainConfig(epochs=options.epochs, seed=seed))
        for way in options.ways
        for seed in range(1, options.seeds + 1)
    ]
    start = time.perf_counter()
    with ProcessPoolExecutor(options.workers) as pool:
        found = list(pool.map(partial(one, SMALL, options.dim), jobs))
    scores = {way: [s for s, (w, _) in zip(found, jobs, strict=True) if w == way] for way in options.ways}
    print(f"HAN, LLP-sim small, {options.seeds} seeds, {options.epochs} epochs, D = {options.dim}; "
          f"{time.perf_counter() - start:.0f} s")  # fmt: skip
    apart = 0
    for other in options.ways[1:]:
        table = gaps(scores, options.ways[0], other)
        apart += int(table.apart.sum())
        print(table.round(2).to_string(), "\n")
    print(
        f"{apart} scores further apart than the seeds" if apart else "no score further apart than the seeds"
    )
    return int(apart > 0)


if __name__ == "__main__":
    raise SystemExit(main())
