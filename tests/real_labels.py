"""Real LLP annotations, simulated features: the whole path of real data without LLP's features.

Writes feature files in the official layout for LLP's own ids. Dense labels of val and test are respected;
for training videos, which have none, they are drawn from the weak labels as LLP-sim does.

    python -m tests.real_labels ANNOTATIONS [--train 10000] [--val 649] [--test 1200] [--epochs 3]
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.annotations import Annotations, SplitAnnotations, read_annotations
from cmpie_lite.data.llp_sim import FULL, SimConfig, simulate_features
from cmpie_lite.data.llp_sim_labels import simulate_dense
from cmpie_lite.data.store import FeatureStore
from cmpie_lite.data.store_files import open_store
from cmpie_lite.metrics import ParsingScores
from cmpie_lite.results.metric_tables import trivial_references
from cmpie_lite.systems.build import Config
from cmpie_lite.systems.rows import SYSTEMS
from cmpie_lite.training.evaluate import evaluate
from cmpie_lite.training.loop import train
from data_fetch.pack.store import pack
from tests.making import write_official_layout

SOURCE = "LLP ids with simulated features"
CHUNK = 200


def first(split: SplitAnnotations, count: int) -> SplitAnnotations:
    """The first videos of a split."""
    cut = {
        f.name: None if getattr(split, f.name) is None else getattr(split, f.name)[:count]
        for f in dataclasses.fields(split)
    }
    return SplitAnnotations(**cut)


def write_features(annotations: Annotations, folder: Path, config: SimConfig) -> None:
    """Official-layout files for every video of the three splits."""
    for name in ("train", "val", "test"):
        split: SplitAnnotations = getattr(annotations, name)
        audio, visual = split.dense_audio, split.dense_visual
        if audio is None or visual is None:
            audio, visual = simulate_dense(split.ids, split.weak, config.seed)
        for start in range(0, len(split.ids), CHUNK):
            rows = slice(start, start + CHUNK)
            features = simulate_features(split.ids[rows], audio[rows], visual[rows], config)
            write_official_layout(folder, split.ids[rows], features)


def run(
    annotations: Annotations, folder: Path, simulator: SimConfig, config: Config, recipe: TrainConfig
) -> tuple[FeatureStore, ParsingScores]:
    """Write feature files, pack them, train, and score on the real test annotations."""
    write_features(annotations, folder, simulator)
    pack(folder / "feats", annotations, folder / "packed", source=SOURCE, progress=False)
    store = open_store(folder / "packed")
    trained = train(config, recipe, store, folder=folder / "run")
    return store, evaluate(trained.model, store.test)


def main() -> None:
    """Run at the size asked for and print the scores beside the trivial references."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("annotations", type=Path)
    for name, count in (("train", 10_000), ("val", 649), ("test", 1200)):
        words.add_argument(f"--{name}", type=int, default=count)
    words.add_argument("--epochs", type=int, default=3)
    words.add_argument("--model", default="han")
    words.add_argument("--version", default="2024", choices=("2020", "2024"))
    options = words.parse_args()
    real = read_annotations(options.annotations, options.version)
    cut = {name: first(getattr(real, name), getattr(options, name)) for name in ("train", "val", "test")}
    annotations = dataclasses.replace(real, **cut)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        recipe = TrainConfig(epochs=options.epochs)
        store, scores = run(annotations, Path(folder), FULL, SYSTEMS[options.model].config, recipe)
        print(
            f"{SOURCE}: {len(store.train)}/{len(store.val)}/{len(store.test)} videos, {options.epochs} epochs"
        )
        print(f"{options.model}: {time.perf_counter() - start:.0f} s in all")
        for name, row in {
            options.model: scores,
            **trivial_references(store.test.weak, *store.test.truth()),
        }.items():
            print(f"{name:14}", " ".join(f"{100 * x:5.1f}" for x in row.as_dict().values()))


if __name__ == "__main__":
    main()
