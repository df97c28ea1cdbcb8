"""How near LLP-sim comes to LLP, four systems at once.

The trivial references of its labels, and the scores of HAN, MM-Pyramid, AVE and AVSDN trained on it, beside
those published for LLP (the paper's Table 1).

    python -m tests.benchmarks.calibrate_sim --size small --seeds 3
    python -m tests.benchmarks.calibrate_sim --size full --seeds 3 --precision bfloat16 --together
    python -m tests.benchmarks.calibrate_sim --size small --try private=0,0.5 background_memory=1,0.7

Every system has its own recipe and is trained by the package's own trainer; the best epoch (by val) is scored
on the test split. What is aimed at, by averages over the training seeds:

- every published difference of the three systems from HAN within 4 points,
- HAN's ten scores within 3 points,
- HAN's ratios of event to segment scores within 0.03.

Never CM-PIE and never CM-CS: what LLP-sim says of those is then a prediction. `--set field=value` turns a
field of SimConfig, `--try field=a,b` measures every combination of values and ranks them. Runs land in
`--output-dir`: start the same command again and it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cmpie_lite.data.store import FeatureStore
from cmpie_lite.experiments.run_many import run_grid
from cmpie_lite.experiments.settings import Settings, open_data
from cmpie_lite.experiments.words import assignments
from cmpie_lite.metrics import SCORES
from cmpie_lite.results.metric_tables import trivial_references
from cmpie_lite.results.published import published_scores
from cmpie_lite.systems.rows import SYSTEMS

FITTED = ("han", "mm_pyramid_swapped", "ave", "avsdn")  # MM-Pyramid as its code is, which made the row
DIFFERENCE, LEVEL, RATIO = 4.0, 3.0, 0.03  # what is aimed at: points, points, and a ratio
REFERENCES = {  # of LLP's test split, from its labels alone
    "weak_labels": (76.1, 60.4, 52.6, 63.0, 71.7, 63.0, 55.8, 44.7, 54.5, 61.6),
    "video_labels": (80.1, 89.8, 82.8, 84.2, 82.0, 66.1, 83.7, 71.4, 73.7, 68.3),
}
Ten = npt.NDArray[np.float64]  # the ten scores in percent


class Gap(NamedTuple):
    """One number aimed at: how far it is off, and how far it may be, in points (a ratio in hundredths)."""

    what: str
    off: float
    allowed: float

    @property
    def excess(self) -> float:
        """1 where it is just met."""
        return abs(self.off) / self.allowed


def published(system: str) -> Ten:
    """A system's row of the paper's Table 1, in percent."""
    return np.array(list(published_scores(1)[SYSTEMS[system].rows[1]].percent().values()))


def ratios(scores: Ten) -> Ten:
    """Event over segment score, five of them, in hundredths."""
    return 100 * scores[5:] / scores[:5]


def gaps(found: Mapping[str, Ten]) -> list[Gap]:
    """Every number aimed at, for the mean scores of the four systems."""
    levels = found["han"] - published("han")
    listed = [Gap(f"HAN, {name}", off, LEVEL) for name, off in zip(SCORES, levels, strict=True)]
    off_ratios = ratios(found["han"]) - ratios(published("han"))
    kinds = [name.removeprefix("event_") for name in SCORES[5:]]
    listed += [
        Gap(f"HAN, event / segment {k}", x, 100 * RATIO) for k, x in zip(kinds, off_ratios, strict=True)
    ]
    for system in FITTED[1:]:
        ours, theirs = found[system] - found["han"], published(system) - published("han")
        name = SYSTEMS[system].rows[1]
        listed += [
            Gap(f"{name} - HAN, {s}", x, DIFFERENCE) for s, x in zip(SCORES, ours - theirs, strict=True)
        ]
    return listed


def distance(listed: Sequence[Gap]) -> float:
    """Root mean square of the excesses: below 1, most of what is aimed at is met."""
    return float(np.sqrt(np.mean([gap.excess**2 for gap in listed])))


def table(rows: Mapping[str, Sequence[float] | Ten]) -> str:
    """Ten scores per row."""
    width = max(map(len, rows))
    names = [name.replace("segment_", "s.").replace("event_", "e.", 1) for name in SCORES]
    lines = [" " * width + "".join(f"{name:>9}" for name in names)]
    lines += [f"{label:<{width}}" + "".join(f"{x:9.1f}" for x in row) for label, row in rows.items()]
    return "\n".join(lines)


def reference_table(store: FeatureStore) -> str:
    """Trivial references of the test split beside LLP's."""
    found = trivial_references(store.test.weak, *store.test.truth())
    rows: dict[str, Sequence[float]] = {}
    for name, known in REFERENCES.items():
        ours = list(found[name].percent().values())
        rows |= {f"{name}, {store.source}": ours, f"{name}, LLP": known}
    return table(rows)


def measure(options: argparse.Namespace, knobs: Mapping[str, Any]) -> list[Gap]:
    """Train the four systems on one setting of LLP-sim, read what is there, print how close it comes."""
    overrides = assignments(options.override) | {"lr_step": max(1, options.epochs // 4)}
    shared = {
        "preset": options.size, "dataset": "sim", "knobs": knobs, "epochs": options.epochs,
        "precision": options.precision, "device": options.device, "output_dir": options.output_dir,
    }  # fmt: skip
    jobs = [
        Settings(model=name, seeds=[seed], overrides=overrides, **shared)
        for name in FITTED
        for seed in range(1, options.seeds + 1)
    ]
    store = open_data(jobs[0])
    print(
        f"\n{store.source}, {options.size}, {dict(knobs) or 'no knob turned'}, digest {store.digest[:12]}\n"
    )
    print(reference_table(store), "\n")
    records = run_grid(jobs, store, workers=options.workers, together=options.together)
    rows: dict[str, Ten] = {}
    means: dict[str, Ten] = {}
    for name in FITTED:
        scores = [100 * np.array(list(r["test"].values())) for r in records if r["model"] == name]
        means[name] = np.mean(scores, axis=0)
        rows |= {
            f"{SYSTEMS[name].rows[1]}, ours": means[name],
            f"{SYSTEMS[name].rows[1]}, LLP": published(name),
        }
    print(table(rows), "\n")
    listed = gaps(means)
    report(listed)
    return listed


def report(listed: Sequence[Gap]) -> None:
    """Print what is met, and what is not, the farthest first."""
    missed = sorted((gap for gap in listed if gap.excess > 1), key=lambda gap: -gap.excess)
    print(
        f"{len(listed) - len(missed)} of {len(listed)} as near as aimed at; distance {distance(listed):.2f}"
    )
    for gap in missed:
        print(f"  {gap.what}: {gap.off:+.1f}, aimed at within {gap.allowed:.1f}")


def settings_to_try(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """`--set` alone, or with every combination of the values of `--try`."""
    fixed = assignments(options.set)
    choices = {name: text.split(",") for name, text in (item.split("=", 1) for item in options.tries)}
    for values in product(*choices.values()):
        yield fixed | {name: json.loads(value) for name, value in zip(choices, values, strict=True)}


def main(arguments: list[str] | None = None) -> int:
    """Entry point; the exit status is 0 where everything aimed at is met by the best setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", choices=["smoke", "small", "full"], default="small")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds 1..N, on the same data")
    parser.add_argument("--epochs", type=int, default=40, help="the steps of the schedule shrink with it")
    parser.add_argument("--precision", default="float32", help="float32, tf32 or bfloat16")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=0, help="local processes; 0: one per core")
    parser.add_argument("--together", action="store_true", help="all seeds of a system at once")
    parser.add_argument("--output-dir", default="", help="of the runs; default: out")
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE", help="fields of SimConfig")
    parser.add_argument(
        "--try", nargs="*", default=[], dest="tries", metavar="FIELD=A,B", help="values to search"
    )
    parser.add_argument("--override", nargs="*", default=[], metavar="FIELD=VALUE", help="of every recipe")
    options = parser.parse_args(arguments)
    found = [(knobs, measure(options, knobs)) for knobs in settings_to_try(options)]
    found.sort(key=lambda one: distance(one[1]))
    if len(found) > 1:
        print("\nranked by distance:")
        for knobs, listed in found:
            print(f"  {distance(listed):6.2f}  {knobs}")
    return int(any(gap.excess > 1 for gap in found[0][1]))


if __name__ == "__main__":
    raise SystemExit(main())
