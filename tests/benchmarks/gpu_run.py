"""Everything that waits for a GPU, in one command and in the order of its worth:

    python -m tests.benchmarks.gpu_run --out FOLDER --minutes 9
    make gpu OUT=FOLDER

1. the tests that need a GPU (`tests/test_gpu.py`);
2. training speed: each flag, and 40 epochs of CM-PIE (`bench_train_gpu`);
3. evaluation and a training epoch against the usual way (`bench_train`);
4. extraction of rendered clips (`bench_extract`);
5. the grids behind Tables 2 and 1 and the ambiguity register, full size, ten seeds: a report says how long
   each of its runs took;
6. training speed with compiled steps.

Each part is a process of its own that may take what is left of the minutes, so that a part that is cut short
costs nothing that was done before it. After each part FOLDER/gpu_run.json says how it ended, with the last
lines that it printed; a grid writes its report as soon as it is whole. Runs lie in `--work`: give the same
folder again, and the grids go on where they stopped.

It needs torch >= 2.6, numpy, pandas, safetensors, jaxtyping, tqdm and matplotlib; a part that needs more (the
tests need pytest, extraction needs PyAV and Pillow) is skipped, and says so, where that is missing. `--smoke`
runs every part at tiny sizes on the CPU, to see that they run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from cmpie_lite.support.files import replace_file

ROOT: Final = Path(__file__).resolve().parents[2]
LINES: Final = 60  # of a part's output that are kept
FLOOR: Final = 5.0  # seconds: with less left, a part is not begun


@dataclass(frozen=True)
class Part:
    """One process of the run."""

    name: str
    words: tuple[str, ...]  # after "python"
    needs: tuple[str, ...] = ()  # packages beyond those that the package itself needs


@dataclass(frozen=True)
class Outcome:
    """How a part ended."""

    name: str
    command: str
    status: str  # done | failed | cut | skipped
    seconds: float
    output: tuple[str, ...]  # its last lines, or why it was skipped


def parts(out: Path, work: Path, *, smoke: bool, seeds: int) -> list[Part]:
    """The parts in their order; reports go to `out`, the store and the runs to `work`."""
    device = "cpu" if smoke else "cuda"
    store = str(work / "store")
    size = ["--smoke"] if smoke else []
    few = ["--train", "32", "--test", "16", "--repeats", "1"] if smoke else []
    clips = ["--clips", "1", "--weights", "tiny", "--size", "64"] if smoke else ["--clips", "4"]
    grid = ["--data-dir", store, "--output-dir", str(work), "--device", device, "--precision", "tf32"]
    if smoke:
        grid += ["--epochs", "1", "--workers", "1"]
    grid += ["--seeds", *map(str, range(1, seeds + 1))]

    def table(name: str, *words: str) -> Part:
        tiny = ["--set", "dim=16", "ffn_dim=16"] if smoke else []
        report = ["--report", str(out / f"{name}.json")]
        return Part(name, ("-m", "cmpie_lite", "grid", *words, *grid, *tiny, *report))

    tables = {
        "table2": ("--table", "2", *(("--systems", "han", "cmpie") if smoke else ())),
        "table1": ("--table", "1", *(("--systems", "han", "cmpie") if smoke else ())),
        "ambiguities": ("--ambiguities", *(("cma_form",) if smoke else ())),
    }

    def speed(name: str, *only: str) -> Part:
        words = ("-m", "tests.benchmarks.bench_train_gpu", "--only", *only, "--device", device)
        report = str(out / f"{name.replace(' ', '_')}.json")
        return Part(name, (*words, "--store", store, "--out", report, *size))

    bare = ("-o", "addopts=", "-W", "default")  # there may be no more than pytest itself
    return [
        Part(
            "tests", ("-m", "pytest", "-q", *bare, "-p", "no:cacheprovider", "tests/test_gpu.py"), ("pytest",)
        ),
        Part("store", ("-m", "tests.benchmarks.gpu_run", "--make-store", store, *size)),
        speed("training speed", "flags", "single"),
        Part("against the usual way", ("-m", "tests.benchmarks.bench_train", "--device", device, *few)),
        Part(
            "extraction",
            ("-m", "tests.benchmarks.bench_extract", "--device", device, "--workers", "0", *clips),
            ("av", "PIL"),
        ),
        *(table(name, *words) for name, words in tables.items()),
        speed("compiled steps", "compiled"),
    ]


def make_store(folder: Path, smoke: bool) -> None:
    """Simulate LLP-sim once, for every part; a store that is there already is kept."""
    from cmpie_lite.data.llp_sim import FULL, simulate
    from cmpie_lite.data.store_files import MANIFEST
    from cmpie_lite.support.fields import override
    from tests.making import write_store

    few = {"seed": 3, "num_train": 80, "num_val": 16, "num_test": 16}  # has every class
    if not (folder / MANIFEST).exists():
        write_store(folder, simulate(override(FULL, few) if smoke else FULL))


def run_part(part: Part, seconds: float) -> Outcome:
    """Run a part for so many seconds at most; its output appears as it comes."""
    command = " ".join(("python", *part.words))
    if missing := [name for name in part.needs if find_spec(name) is None]:
        return Outcome(part.name, command, "skipped", 0.0, (f"needs {', '.join(missing)}: not installed",))
    if seconds < FLOOR:
        return Outcome(part.name, command, "skipped", 0.0, ("no time was left for it",))
    print(f"\n== {part.name}: {command}", flush=True)
    start, log = time.monotonic(), ROOT / "out" / "gpu_run.log"
    log.parent.mkdir(exist_ok=True)
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with log.open("w+", encoding="utf8", errors="replace") as file:
        process = subprocess.Popen(
            [sys.executable, *part.words], cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, env=environment
        )
        try:
            code = process.wait(seconds)
            status = "done" if code == 0 else "failed"
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = "cut"
        file.seek(0)
        lines = tuple(file.read().replace("\r", "\n").splitlines()[-LINES:])
    print("\n".join(lines), flush=True)
    return Outcome(part.name, command, status, round(time.monotonic() - start, 1), lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the parts; returns 1 where one failed (one that is cut or skipped has not)."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--out", type=Path, help="of the reports: at most 8 files, each under 16 MB")
    words.add_argument("--work", type=Path, default=ROOT / "out" / "gpu", help="of store and runs")
    words.add_argument("--minutes", type=float, default=9.0)
    words.add_argument("--seeds", type=int, default=0, help="of the grids; default: ten, with --smoke two")
    words.add_argument("--only", nargs="+", metavar="PART", help="names of parts; the store is always made")
    words.add_argument("--smoke", action="store_true", help="tiny sizes on the CPU: does it run?")
    words.add_argument("--make-store", type=Path, help=argparse.SUPPRESS)
    options = words.parse_args(arguments)
    if options.make_store:
        make_store(options.make_store, options.smoke)
        return 0
    if options.out is None:
        words.error("--out is missing: the folder that the reports go to")
    out, work = options.out.absolute(), options.work.absolute()
    seeds = options.seeds or (2 if options.smoke else 10)
    every = parts(out, work, smoke=options.smoke, seeds=seeds)
    names = [part.name for part in every]
    if unknown := [name for name in options.only or () if name not in names]:
        words.error(f"--only {unknown[0]!r}, expected some of: {', '.join(names)}")
    end, outcomes = time.monotonic() + 60 * options.minutes, []
    for part in every:
        if options.only and part.name not in (*options.only, "store"):
            continue
        outcomes.append(run_part(part, end - time.monotonic()))
        facts = {"smoke": options.smoke, "minutes": options.minutes, "parts": [asdict(o) for o in outcomes]}
        replace_file(out / "gpu_run.json", (json.dumps(facts, indent=1) + "\n").encode())
    print()
    for outcome in outcomes:
        print(f"{outcome.name:24}{outcome.status:10}{outcome.seconds:8.1f} s")
    return int(any(outcome.status == "failed" for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
