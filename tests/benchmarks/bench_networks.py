"""The three extractors before and after: norms folded, channels last, bfloat16; and what bfloat16 does.

    python -m tests.benchmarks.bench_networks [--seconds 1] [--turns 3] [--size 320]

*By network*: seconds of one core per ten-second clip of the network as it is built, of the quick one in
float32 and in bfloat16, timed in turn on the same frames (the least of the turns), what share of the
machine's product rate that is, and how far features are from those of the network as it is built. Weights
are random: times do not depend on them, differences may. Where the processor has no bfloat16 of its own its
time says nothing and is left out; its values are the same everywhere but for rounding.

*To a parser*: a small HAN is trained on rendered clips and tiny extractors in float32, and then parses test
clips whose features were made in bfloat16.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.annotations import read_annotations
from cmpie_lite.data.store_files import open_store
from cmpie_lite.decoding import decode
from cmpie_lite.metrics import SCORES
from cmpie_lite.support.fields import override
from cmpie_lite.systems.rows import SYSTEMS
from cmpie_lite.training.evaluate import evaluate, predict
from cmpie_lite.training.loop import train
from data_fetch.extract import networks as arch
from data_fetch.extract.decode import CLIP_SECONDS
from data_fetch.extract.logmel import log_mel
from data_fetch.extract.quick import Quick, has_bfloat16
from data_fetch.extract.recipe import ExtractionRecipe
from data_fetch.extract.video import IMAGENET, KINETICS, Clip, normalize, read_clip
from data_fetch.extract.videos import extract_many
from data_fetch.extract.weights import randomize
from data_fetch.pack.store import pack
from data_fetch.render.clips import render_clip, render_set
from data_fetch.render.scenes import make_scene

NETWORKS = {"VGGish": arch.VGGish, "ResNet-152": arch.ResNet152, "R(2+1)D-18": arch.R2Plus1D18}
FRAMES = 8  # of a second


def inputs_of(clip: Clip, seconds: int) -> dict[str, Tensor]:
    """What each network is given of the first seconds of a clip."""
    frames = seconds * FRAMES
    squashed = normalize(torch.from_numpy(clip.squashed[:frames]), KINETICS)
    return {
        "VGGish": log_mel(torch.from_numpy(clip.waveform))[:seconds],
        "ResNet-152": normalize(torch.from_numpy(clip.cropped[:frames]), IMAGENET),
        "R(2+1)D-18": squashed.unflatten(0, (-1, FRAMES)).transpose(1, 2),
    }


def timed(network: nn.Module, x: Tensor) -> tuple[Tensor, float]:
    """A network's features, and its seconds of one core."""
    start = time.process_time()
    features = network(x)
    return features, time.process_time() - start


def product_rate(size: int = 1024) -> float:
    """Floating-point operations per second of a float32 product of matrices, at best of five."""
    a = torch.randn(size, size)
    rates = []
    for _ in range(5):
        start = time.process_time()
        a @ a
        rates.append(2 * size**3 / (time.process_time() - start))
    return max(rates)


@torch.inference_mode()
def by_network(clip: Clip, seconds: int, turns: int) -> pd.DataFrame:
    """One row per network and way: seconds of one core per clip, ratio, rate, relative difference."""
    rate, native = product_rate(), has_bfloat16(torch.device("cpu"))
    print(f"product rate of one core: {rate / 1e9:.0f} GFLOP/s; bfloat16 of its own: {native}")
    rows = []
    for name, build in NETWORKS.items():
        built = build().eval()
        randomize(built, 0)
        x = inputs_of(clip, seconds)[name]
        with FlopCounterMode(display=False) as counter:
            built(x[:1])
        operations = counter.get_total_flops() * len(x)
        ways: dict[str, nn.Module] = {
            "as built": built,
            "quick, float32": Quick(copy.deepcopy(built), "float32"),
        }
        if native:
            ways["quick, bfloat16"] = Quick(copy.deepcopy(built), "bfloat16")
        spent: dict[str, list[float]] = {way: [] for way in ways}
        features: dict[str, Tensor] = {}
        for _ in range(turns):
            for way, network in ways.items():
                features[way], cost = timed(network, x)
                spent[way].append(cost * CLIP_SECONDS / seconds)
        if not native:  # its time says nothing here: one input is enough for its values
            features["quick, bfloat16"] = Quick(copy.deepcopy(built), "bfloat16")(x[:1])
        exact = features["as built"]
        for way, found in features.items():
            wanted = exact[: len(found)]
            cost = min(spent[way]) if way in spent else np.nan
            done = operations * CLIP_SECONDS / seconds / cost / rate
            difference = float((found - wanted).norm() / wanted.norm())
            ratio = min(spent["as built"]) / cost
            rows.append((name, way, cost, ratio, done, difference))
    columns = ["network", "way", "s per clip", "times as fast", "of the product rate", "relative difference"]
    table = pd.DataFrame(rows, columns=columns).set_index(["network", "way"])
    total = table["s per clip"].unstack().sum(min_count=len(NETWORKS)).dropna()
    print("all three, s per clip:", ", ".join(f"{way} {cost:.2f}" for way, cost in total.items()))
    return table


def to_a_parser(folder: Path, seed: int = 1) -> pd.Series:
    """What features in bfloat16 change in the events of a parser that was trained on float32 ones."""
    render_set(folder / "clips", {"train": 80, "val": 10, "test": 40}, size=96, fps=8.0, progress=False)
    files = sorted((folder / "clips" / "videos").glob("*.mp4"))
    labels = read_annotations(folder / "clips" / "annotations")
    stores = {}
    for precision in ("float32", "bfloat16"):
        how = ExtractionRecipe(weights="tiny", precision=precision, threads=1)
        extract_many(files, folder / precision, how, workers=0, source="rendered clips", progress=False)
        pack(folder / precision, labels, folder / f"store-{precision}", progress=False)
        stores[precision] = open_store(folder / f"store-{precision}")
    config = override(SYSTEMS["han"].config, {"dim": 128, "ffn_dim": 128})
    recipe = TrainConfig(epochs=50, batch_size=4, lr_step=50, seed=seed)
    parser = train(config, recipe, stores["float32"]).model
    exact, rounded = (stores[name].test for name in ("float32", "bfloat16"))
    differences = {
        f"relative difference, {name}": np.linalg.norm(b - a) / np.linalg.norm(a)
        for name in ("audio", "visual_2d", "visual_3d")
        for a, b in [(np.asarray(getattr(exact, name)), np.asarray(getattr(rounded, name)))]
    }
    before, after = (
        np.stack([np.asarray(x) for x in decode(predict(parser, split))]) for split in (exact, rounded)
    )
    scores = {p: evaluate(parser, stores[p].test) for p in stores}
    moved = [100 * (getattr(scores["bfloat16"], s) - getattr(scores["float32"], s)) for s in SCORES]
    counts = {
        "segments predicted, float32": before.sum(),
        "segments predicted otherwise": (before != after).sum(),
        "largest move of the ten scores, points": max(map(abs, moved)),
        "segment Type@AV, float32": 100 * scores["float32"].segment_type,
    }
    return pd.Series(differences | counts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=1, help="of the clip that are timed, 1 to 10")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--size", type=int, default=320, help="pixels of the clip's sides")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = folder / "render00000.mp4"
        render_clip(video, make_scene(0, 0), size=args.size)
        print(f"torch {torch.__version__}, one thread, {args.seconds} s of a clip, {args.turns} turns\n")
        print(by_network(read_clip(video), args.seconds, args.turns).round(5).to_string(), "\n")
        print(to_a_parser(folder).round(5).to_string())


if __name__ == "__main__":
    main()
