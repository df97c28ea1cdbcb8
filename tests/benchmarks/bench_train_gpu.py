"""Training speed on a GPU, in one command: `python -m tests.benchmarks.bench_train_gpu --device cuda`.

Four parts (`--only` takes some of them):

    flags     CM-PIE, one seed, a few epochs by each way to run them: the eager loop, then flag after flag;
              then ten seeds at once
    single    CM-PIE, one seed, 40 epochs                        (aim: 15 s; over 45 s on one H200)
    compiled  as flags, with compiled steps
    table2    the rows of Table 2, 10 seeds each, 40 epochs      (aim: under 3 minutes for five rows)

A line gives the seconds of the whole call (initialisation, recording or compiling included), those of one
epoch after the first, the peak of device memory, and the rate at which the step's matrix products were done:
as TFLOP/s, and as a share of what this device does on one large square product of the same precision,
measured here. Products are counted by torch.utils.flop_counter in a step; evaluation counts as time, not as
work.

After each line the JSON file is written anew, so a run that is cut short keeps what it has measured. The data
are full-size LLP-sim (half a minute to simulate; `--store` takes a packed folder instead). The CPU can run it
all with `--device cpu --smoke`: tiny sizes and nothing compiled, to see that it runs, not how fast.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
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
from cmpie_lite.support.files import replace_file
from cmpie_lite.systems.rows import SYSTEMS, configs
from cmpie_lite.training.loop import Run, new_model, train
from cmpie_lite.training.seeds import Stack, Stepper, train_seeds
from tests.making import subset

PARTS = ("flags", "single", "compiled", "table2")
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


@dataclass(frozen=True)
class Way:
    """One line of the table: what is trained, and how."""

    title: str
    config: ModelConfig
    recipe: TrainConfig
    seeds: Sequence[int] = (1,)
    alone: bool = False  # by the eager loop, the specification
    recorded: bool = False

    def run(self, store: FeatureStore, device: torch.device) -> list[Run]:
        """Train, as the line says."""
        if self.alone:
            return [train(self.config, self.recipe, store, device=device)]
        return train_seeds(
            self.config, self.recipe, store, self.seeds, device=device, cuda_graph=self.recorded
        )


def ways(options: argparse.Namespace, device: torch.device) -> Iterator[tuple[str, Way]]:
    """The lines of each part that is asked for."""
    graph, smoke = device.type == "cuda", {"dim": 32, "ffn_dim": 32} if options.smoke else {}
    rows = {name: override(SYSTEMS[name].config, smoke) for name in configs(2)}
    cmpie, few = rows["cmpie"], TrainConfig(epochs=options.flag_epochs)
    recipe = TrainConfig(epochs=options.epochs, precision=options.precision)
    seeds = range(1, options.seeds + 1)
    flags = [Way("eager loop (train)", cmpie, few, alone=True)]
    compiled = []
    for precision in PRECISIONS:
        way = override(few, {"precision": precision})
        flags.append(Way(f"seeds axis, {precision}", cmpie, way))
        compiled.append(
            Way(f"compiled, {precision}", cmpie, override(way, {"compile": True}), recorded=graph)
        )
    if graph:
        flags += [replace(way, title=f"recorded, {way.recipe.precision}", recorded=True) for way in flags[1:]]
        compiled = [replace(way, title=way.title.replace(",", " and recorded,")) for way in compiled]
    flags.append(replace(flags[-2], title="the same, all seeds at once", seeds=seeds))
    parts = {
        "flags": flags,
        "single": [Way("single: cmpie", cmpie, recipe, recorded=graph)],
        "compiled": [] if options.smoke else compiled,
        "table2": [Way(f"table2: {name}", rows[name], recipe, seeds, recorded=graph) for name in rows],
    }
    for part in PARTS:
        yield from ((part, way) for way in parts[part] if part in options.only)


def measure(way: Way, store: FeatureStore, rates: dict[str, float]) -> dict[str, Any]:
    """Time one call that trains; print its line and return it."""
    config, recipe, seeds = way.config, way.recipe, len(way.seeds)
    device = store.train.audio.device
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    synchronize(device)
    start = time.perf_counter()
    runs = way.run(store, device)
    synchronize(device)
    total = time.perf_counter() - start
    epochs = [sum(rows[e]["seconds"] for rows in (r.history for r in runs)) for e in range(recipe.epochs)]
    later = epochs[1:] or epochs
    epoch = sum(later) / len(later)
    flops = flops_of_a_step(config, recipe, store.train, seeds) * (len(store.train) // recipe.batch_size)
    line: dict[str, Any] = {
        "title": way.title,
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
        COLUMNS.format(
            way.title, seeds, f"{total:.1f}", f"{epoch:.3f}", f"{line['peak_mib']:.0f}", rate, share
        ),
        flush=True,
    )
    return line


def main() -> None:
    """Measure, print a table, write JSON."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--device", default="cuda")
    words.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    words.add_argument("--seeds", type=int, default=10, help="of each row of Table 2")
    words.add_argument("--epochs", type=int, default=40)
    words.add_argument("--flag-epochs", type=int, default=3, help="epochs of each line about flags")
    words.add_argument("--precision", choices=PRECISIONS, default="tf32", help="of CM-PIE and Table 2")
    words.add_argument("--store", type=Path, help="folder of packed features instead of a simulation")
    words.add_argument("--smoke", action="store_true", help="tiny sizes: does it run?")
    words.add_argument("--out", type=Path, default=Path("out/bench_train_gpu.json"))
    options = words.parse_args()

    device = check_device(options.device)
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
    print(COLUMNS.format("", "seeds", "seconds", "s/epoch", "peak MiB", "TFLOP/s", "share"), flush=True)
    lines: dict[str, list[dict[str, Any]]] = {part: [] for part in options.only}
    facts = {
        "command": " ".join(["python -m tests.benchmarks.bench_train_gpu", *sys.argv[1:]]),
        "smoke": options.smoke,
        "environment": environment(device),
        "source": store.source,
        "videos": len(store.train),
        "product_rates": rates,
        "lines": lines,
    }
    for part, way in ways(options, device):
        lines[part].append(measure(way, store, rates))
        replace_file(options.out, (json.dumps(facts, indent=1) + "\n").encode())
    for part, done in lines.items():
        print(f"{part}: {sum(line['seconds'] for line in done):.1f} s")
    if any(lines.values()):
        print(f"written to {options.out}")


if __name__ == "__main__":
    main()
