"""Training speed on a GPU, in one command: `python -m tests.benchmarks.bench_train_gpu --device cuda`.

Three parts (`--only` takes some of them):

    flags    CM-PIE, one seed, a few epochs by each way to run them: the eager loop, then flag after flag
    single   CM-PIE, one seed, 40 epochs                         (aim on one H200: under 30 s)
    table2   the five rows of Table 2, 10 seeds each, 40 epochs  (aim: under 5 minutes)

A line gives the seconds of the whole call (initialisation, recording or compiling included), those of one
epoch after the first, the peak of device memory, and the rate at which the step's matrix products were done:
as TFLOP/s, and as a share of what this device does on one large square product of the same precision,
measured here. Products are counted by torch.utils.flop_counter in a step; evaluation counts as time, not as
work.

The data are full-size LLP-sim (a minute or two to simulate; `--store` takes a packed folder instead). The CPU
can run it all with `--device cpu --smoke`: tiny sizes, to see that it runs, not how fast.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from cmpie_lite.config import ModelConfig, TrainConfig
from cmpie_lite.data.llp_sim import FULL, SMALL, simulate
from cmpie_lite.data.store import FeatureStore, Split
from cmpie_lite.data.store_files import open_store
from cmpie_lite.experiments.record import environment
from cmpie_lite.support.devices import arithmetic, check_device
from cmpie_lite.support.fields import override
from cmpie_lite.systems.rows import SYSTEMS, configs
from cmpie_lite.training.loop import Run, new_model, train
from cmpie_lite.training.seeds import Stack, Stepper, train_seeds
from tests.making import subset

PARTS = ("flags", "single", "table2")
PRECISIONS = ("float32", "tf32", "bfloat16")
COLUMNS = "{:<42} {:>9} {:>9} {:>9} {:>10} {:>9} {:>7}"


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def best_of(run: Callable[[], object], device: torch.device, repeats: int = 10) -> float:
    """Least seconds of a call, after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        synchronize(device)
        start = time.perf_counter()
        run()
        synchronize(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def product_rates(device: torch.device, size: int) -> dict[str, float]:
    """FLOP/s of one square matrix product in each precision; on a CPU, TF32 is float32."""
    rates = {}
    for precision in PRECISIONS:
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        a = torch.randn(size, size, device=device, dtype=dtype)
        with arithmetic(precision):
            rates[precision] = 2 * size**3 / best_of(partial(torch.mm, a, a), device)
    return rates


def flops_of_a_step(config: ModelConfig, recipe: TrainConfig, split: Split, seeds: int) -> int:
    """Floating-point operations of the matrix products in one step of all seeds, forward and backward."""
    stack = Stack.of([new_model(config, seed) for seed in range(seeds)], torch.device("cpu"))
    few = subset(split, range(recipe.batch_size)).to("cpu")
    stepper = Stepper(stack, few, override(recipe, {"compile": False, "precision": "float32"}), False)
    with FlopCounterMode(display=False) as counter:
        stepper.eager_step()
    return counter.get_total_flops()


def peak_memory(device: torch.device) -> float:
    """MiB: of the device since the last reset; on a CPU of the process since its start."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def measure(
    title: str,
    run: Callable[[], list[Run]],
    work: tuple[ModelConfig, TrainConfig, int],
    store: FeatureStore,
    rates: dict[str, float],
) -> dict[str, Any]:
    """Time one call that trains; print its line and return it."""
    config, recipe, seeds = work
    device = store.train.audio.device
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    synchronize(device)
    start = time.perf_counter()
    runs = run()
    synchronize(device)
    total = time.perf_counter() - start
    epochs = [sum(rows[e]["seconds"] for rows in (r.history for r in runs)) for e in range(recipe.epochs)]
    later = epochs[1:] or epochs
    epoch = sum(later) / len(later)
    flops = flops_of_a_step(config, recipe, store.train, seeds) * (len(store.train) // recipe.batch_size)
    line: dict[str, Any] = {
        "title": title,
        "seeds": seeds,
        "epochs": recipe.epochs,
        "precision": recipe.precision,
        "seconds": total,
        "epoch_seconds": epoch,
        "peak_mib": peak_memory(device),
        "flops_per_epoch": flops,
        "flops_per_second": flops / epoch,
        "share_of_rate": flops / epoch / rates[recipe.precision],
        "val_segment_type": [r.history[r.best_epoch - 1]["segment_type"] for r in runs],
    }
    rate = f"{line['flops_per_second'] / 1e12:.3f}"
    share = f"{100 * line['share_of_rate']:.1f}%"
    print(
        COLUMNS.format(title, seeds, f"{total:.1f}", f"{epoch:.3f}", f"{line['peak_mib']:.0f}", rate, share),
        flush=True,
    )
    return line


def flags_part(
    config: ModelConfig, recipe: TrainConfig, store: FeatureStore, rates: dict[str, float], smoke: bool
) -> list[dict[str, Any]]:
    """One seed, a few epochs, by each way to run them."""
    device = store.train.audio.device
    graph = device.type == "cuda"
    lines = [
        measure(
            "eager loop (train)",
            lambda: [train(config, recipe, store, device=device)],
            (config, recipe, 1),
            store,
            rates,
        )
    ]
    ways: list[tuple[str, dict[str, Any], bool]] = [
        (f"seeds axis, {p}", {"precision": p}, False) for p in PRECISIONS
    ]
    if graph:
        ways += [(f"recorded, {p}", {"precision": p}, True) for p in PRECISIONS]
    if not smoke:
        for p in PRECISIONS:
            name = f"compiled{' and recorded' if graph else ''}, {p}"
            ways.append((name, {"precision": p, "compile": True}, graph))
    for title, changes, recorded in ways:
        way = override(recipe, changes)
        run = partial(train_seeds, config, way, store, [recipe.seed], device=device, cuda_graph=recorded)
        lines.append(measure(title, run, (config, way, 1), store, rates))
    return lines


def main() -> None:
    """Measure, print a table, write JSON."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--device", default="cuda")
    words.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    words.add_argument("--seeds", type=int, default=10, help="of each row of Table 2")
    words.add_argument("--epochs", type=int, default=40)
    words.add_argument("--flag-epochs", type=int, default=3, help="epochs of each line of the first part")
    words.add_argument("--precision", choices=PRECISIONS, default="tf32", help="of the last two parts")
    words.add_argument("--compile", action="store_true", help="compile steps in the last two parts")
    words.add_argument("--store", type=Path, help="folder of packed features instead of a simulation")
    words.add_argument("--smoke", action="store_true", help="tiny sizes: does it run?")
    words.add_argument("--out", type=Path, default=Path("out/bench_train_gpu.json"))
    options = words.parse_args()

    device = check_device(options.device)
    smoke = {"dim": 32, "ffn_dim": 32} if options.smoke else {}
    if options.smoke:
        options.seeds, options.epochs, options.flag_epochs = 2, 2, 2
    start = time.perf_counter()
    tiny = override(SMALL, {"num_train": 300, "num_val": 20, "num_test": 1})
    store = open_store(options.store) if options.store else simulate(tiny if options.smoke else FULL)
    store = store.to(device)
    print(f"{store.source}: {len(store.train)} videos, ready after {time.perf_counter() - start:.0f} s")
    rates = product_rates(device, 256 if options.smoke or device.type == "cpu" else 8192)
    print(
        environment(device)["device"], *(f"{name} {rate / 1e12:.3f} TFLOP/s" for name, rate in rates.items())
    )
    print(COLUMNS.format("", "seeds", "seconds", "s/epoch", "peak MiB", "TFLOP/s", "share"))

    recipe = TrainConfig(epochs=options.epochs, precision=options.precision, compile=options.compile)
    graph = device.type == "cuda"
    lines: dict[str, list[dict[str, Any]]] = {part: [] for part in options.only}
    if "flags" in options.only:
        few = TrainConfig(epochs=options.flag_epochs)
        lines["flags"] = flags_part(
            override(SYSTEMS["cmpie"].config, smoke), few, store, rates, options.smoke
        )
    for part, rows, count in (("single", ("cmpie",), 1), ("table2", tuple(configs(2)), options.seeds)):
        for row in rows if part in options.only else ():
            config, seeds = override(SYSTEMS[row].config, smoke), list(range(1, count + 1))
            run = partial(train_seeds, config, recipe, store, seeds, device=device, cuda_graph=graph)
            lines[part].append(measure(f"{part}: {row}", run, (config, recipe, count), store, rates))
    for part, done in lines.items():
        print(f"{part}: {sum(line['seconds'] for line in done):.1f} s")

    facts = {
        "command": " ".join(["python -m tests.benchmarks.bench_train_gpu", *sys.argv[1:]]),
        "smoke": options.smoke,
        "environment": environment(device),
        "source": store.source,
        "videos": len(store.train),
        "product_rates": rates,
        "lines": lines,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
