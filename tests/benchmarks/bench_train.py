"""Training and evaluation of HAN against the usual way: `python -m tests.benchmarks.bench_train`.

Both sides train on the same simulated videos, in one process, in turn, the same number of threads; before a
ratio is printed the losses of both are compared on the same weights, and so are the ten scores. The usual
way is tests/benchmarks/plain.py: three .npy files a video through a DataLoader, 80 frames of 2D features, one
call per modality, PyTorch's default Adam; evaluation one video at a time. Files are read warm, from the page
cache: that favours it. Our side's features are on the device before the clock starts, as they are in use.

No evaluation is faster than its matrix products: on a CPU they take most of ours, so its ratio stays near ten
there; the line "products alone" tells how near. With `--device cuda` they all but vanish.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from cmpie_lite.config import TrainConfig
from cmpie_lite.data.llp_sim import SMALL, Features, simulate
from cmpie_lite.data.store import Split
from cmpie_lite.decoding import decode
from cmpie_lite.experiments.record import environment
from cmpie_lite.losses import weak_label_loss
from cmpie_lite.model import CMPIE
from cmpie_lite.support.devices import check_device
from cmpie_lite.support.fields import override
from cmpie_lite.systems.rows import SYSTEMS
from cmpie_lite.training.evaluate import evaluate, predict, score
from cmpie_lite.training.loop import train_epoch
from tests.benchmarks import plain
from tests.making import write_official_layout
from tests.oracles.training import PlainHAN


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Median wall time after one warm-up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def in_turn(
    run: Callable[[], object], reference: Callable[[], object], repeats: int
) -> tuple[float, float, float]:
    """Median wall times of the two, run in turn after a warm-up, and the median ratio of a turn."""
    run()
    reference()
    turns = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        middle = time.perf_counter()
        reference()
        turns.append((middle - start, time.perf_counter() - middle))
    mine, other = (statistics.median(times) for times in zip(*turns, strict=True))
    return mine, other, statistics.median(b / a for a, b in turns)


def matmul_rate(dtype: torch.dtype, device: torch.device) -> float:
    """GFLOP/s of a square matrix product."""
    size = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / seconds(lambda: (a @ b)[0, 0].item(), 10) / 1e9


def adam(model: torch.nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(model.parameters(), lr=3e-4, fused=True)


def plain_adam(model: torch.nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(model.parameters(), lr=3e-4)  # PyTorch's default, as the usual scripts have it


def flops(model: CMPIE, split: Split, batch: int) -> tuple[int, int]:
    """Floating-point operations of a batch's matrix products: in the forward pass, and in a training step."""
    with FlopCounterMode(display=False) as counter:
        parsed = model(split.audio[:batch], split.visual_2d[:batch], split.visual_3d[:batch])
        forward = counter.get_total_flops()
        weak_label_loss(
            parsed.audio, parsed.visual, parsed.video, split.weak[:batch].float()
        ).total.backward()
    return forward, counter.get_total_flops()


def write_files(folder: Path, *splits: Split) -> None:
    for split in splits:
        arrays = Features(split.audio.numpy(), split.visual_2d.numpy(), split.visual_3d.numpy())
        write_official_layout(folder, split.ids, arrays)


def main() -> None:
    """Measure and print."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--train", type=int, default=800, help="training videos")
    words.add_argument("--test", type=int, default=1200, help="test videos")
    words.add_argument("--device", default="cpu")
    words.add_argument("--threads", type=int, default=torch.get_num_threads())
    words.add_argument("--repeats", type=int, default=3)
    options = words.parse_args()
    torch.set_num_threads(options.threads)
    val = max(1, round(options.train * 649 / 10_000))  # LLP's proportion
    store = simulate(override(SMALL, {"num_train": options.train, "num_val": val, "num_test": options.test}))
    recipe = TrainConfig()
    half = override(recipe, {"precision": "bfloat16"})
    torch.manual_seed(0)
    device = check_device(options.device)
    ours, theirs = CMPIE(SYSTEMS["han"].config).to(device), PlainHAN().to(device)
    plain.load_weights(theirs, ours)
    rates = [matmul_rate(dtype, device) for dtype in (torch.float32, torch.bfloat16)]
    print(
        f"{environment(device)['device']}, {options.threads} threads; matrix products: "
        "float32 {:.0f} GFLOP/s, bfloat16 {:.0f} GFLOP/s".format(*rates)
    )

    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), *store.splits.values())
        feats = Path(folder) / "feats"
        files = plain.VideoFiles(feats, store.train.ids, store.train.weak)
        loader = DataLoader(files, batch_size=16, shuffle=True, drop_last=True)
        vals, tests = (plain.VideoFiles(feats, split.ids, split.weak) for split in (store.val, store.test))
        compare_losses(ours, theirs, store.train, files)
        val_tables, tables = (
            [plain.annotation_table(split.ids, roll.numpy()) for roll in split.truth()]
            for split in (store.val, store.test)
        )
        store = store.to(device)
        predictions = predict(ours, store.test)
        audio, visual = ([x.numpy() for x in rolls] for rolls in decode(predictions))

        def our_pass(recipe: TrainConfig, model: CMPIE = ours) -> None:
            train_epoch(model, adam(model), store.train, recipe, 0)

        def usual_pass() -> None:
            plain.train_epoch(theirs, plain_adam(theirs), loader)

        def usual_epoch() -> None:
            usual_pass()
            plain.evaluate(theirs, vals, val_tables)

        def our_epoch(recipe: TrainConfig) -> None:
            our_pass(recipe)
            evaluate(ours, store.val)

        whole = f"training epoch: a pass, then {val} validation videos"
        pairs: dict[str, tuple[Callable, Callable]] = {
            "scoring given predictions": (
                lambda: score(predictions, store.test).as_dict(),
                lambda: plain.score_all(audio, visual, store.test.ids, tables),
            ),
            "evaluation, forward passes included": (
                lambda: evaluate(ours, store.test).as_dict(),
                lambda: plain.evaluate(theirs, tests, tables),
            ),
            "training, one pass": (lambda: our_pass(recipe), usual_pass),
            "training, one pass in bfloat16": (lambda: our_pass(half), usual_pass),
            whole: (lambda: our_epoch(recipe), usual_epoch),
            f"{whole}, the pass in bfloat16": (lambda: our_epoch(half), usual_epoch),
        }
        if rates[1] < rates[0]:  # emulated: a pass takes half a minute and tells nothing
            print("this processor has no bfloat16 arithmetic of its own: not timed in it")
            pairs = {name: pair for name, pair in pairs.items() if "bfloat16" not in name}
        for name, (run, reference) in pairs.items():
            if "training" not in name:
                mine, other = run(), reference()
                apart = max(abs(mine[k] - other[k]) for k in mine)
                assert apart < 1e-3, f"scores differ by {apart}: the two sides do not do the same"
                print(f"scores on the same weights differ by at most {apart:.1e}")
            quick, usual, ratio = in_turn(run, reference, options.repeats)
            print(f"{name}: {quick:.3f} s, the usual way {usual:.2f} s, ratio {ratio:.1f}", flush=True)

    forward = flops(ours, store.train, 16)[0] * options.test / 16 / 1e9
    print(f"evaluation, products alone: {forward:.0f} GFLOP, at the rate above {forward / rates[0]:.3f} s")
    steps = options.train // 16
    for name in ("han", "cmpie"):
        model = CMPIE(SYSTEMS[name].config).to(device)
        work = flops(model, store.train, 16)[1] * steps / 1e9
        epoch = seconds(partial(our_pass, recipe, model), options.repeats)
        rate = work / epoch
        print(
            f"{name}: {work:.0f} GFLOP an epoch in {epoch:.2f} s = {rate:.0f} GFLOP/s, {rate / rates[0]:.0%}"
            " of the matrix-product rate"
        )


def compare_losses(ours: CMPIE, theirs: PlainHAN, split: Split, files: plain.VideoFiles) -> None:
    """Both sides must give the same loss on the same weights and videos."""
    ours.eval()
    theirs.eval()
    batch = next(iter(DataLoader(files, batch_size=16)))
    with torch.inference_mode():
        *features, y = plain.inputs(batch, theirs, "label")
        parsed = ours(*(x[:16].to(y.device) for x in (split.audio, split.visual_2d, split.visual_3d)))
        video, audio, visual, _ = theirs(*features)
        mine = weak_label_loss(parsed.audio, parsed.visual, parsed.video, y).total.item()
        other = weak_label_loss(audio, visual, video, y).total.item()
    assert abs(mine - other) < 1e-5, (mine, other)
    print(f"losses on the same weights: {mine:.6f} and {other:.6f}")


if __name__ == "__main__":
    main()
