"""How much faster the ten F-scores are than one video at a time.

    python -m tests.benchmarks.bench_metrics

The reference is the usual way: a Python loop over the videos, numpy over the seconds of one video, loops
over the events of its active classes. Both score the same 1200 simulated videos, in one process, on one
thread; the scores must agree before a ratio is printed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from cmpie_lite.metrics import SCORES, parsing_scores
from tests.oracles import metrics as oracle

VIDEOS, SEGMENTS, CLASSES = 1200, 10, 25


def simulated_rolls(seed: int = 0) -> list[np.ndarray]:
    """Two predictions and two truths, about two classes a video, each from one random onset to an offset."""
    rng = np.random.default_rng(seed)
    t = np.arange(SEGMENTS)[None, :, None]
    rolls = []
    for _ in range(2):
        active = rng.random((VIDEOS, 1, CLASSES)) < 0.08
        for _ in ("prediction", "truth"):
            onset = rng.integers(0, 4, (VIDEOS, 1, CLASSES))
            offset = rng.integers(5, SEGMENTS + 1, (VIDEOS, 1, CLASSES))
            flipped = rng.random((VIDEOS, SEGMENTS, CLASSES)) < 0.1
            rolls.append(active & (onset <= t) & (t < offset) & ~flipped)
    pred_audio, true_audio, pred_visual, true_visual = rolls
    return [pred_audio, pred_visual, true_audio, true_visual]


def event_spans(row: np.ndarray) -> list[tuple[int, int]]:
    """The (onset, offset) of the events of one class of one video."""
    edges = np.diff(np.concatenate([[0], row, [0]]).astype(np.int8))
    return list(zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True))


def overlap(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Intersection over union of two spans."""
    shared = min(a[1], b[1]) - max(a[0], b[0])
    return shared / (a[1] - a[0] + b[1] - b[0] - shared) if shared > 0 else 0.0


def count_segments_of_video(pred: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(3, C): TP, FP, FN."""
    return np.stack([(pred & true).sum(0), (pred & ~true).sum(0), (~pred & true).sum(0)])


def count_events_of_video(pred: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(3, C): TP, FP, FN."""
    counts = np.zeros((3, CLASSES), dtype=int)
    for c in np.flatnonzero((pred | true).any(0)):
        found, wanted = event_spans(pred[:, c]), event_spans(true[:, c])
        tp = sum(any(overlap(event, other) >= 0.5 for other in wanted) for event in found)
        hit = sum(any(overlap(event, other) >= 0.5 for event in found) for other in wanted)
        counts[:, c] = tp, len(found) - tp, len(wanted) - hit
    return counts


def score_of_video(counts: np.ndarray) -> float:
    """Mean F over the active classes."""
    tp, fp, fn = counts[:, counts.sum(0) > 0]
    return float(np.mean(2 * tp / (2 * tp + fp + fn))) if len(tp) else 1.0


def scores_one_video_at_a_time(rolls: list[np.ndarray]) -> dict[str, float]:
    """The ten scores, the usual way."""
    per_video: dict[str, list[float]] = {name: [] for name in SCORES}
    for pred_a, pred_v, true_a, true_v in zip(*rolls, strict=True):
        for level, count in (("segment", count_segments_of_video), ("event", count_events_of_video)):
            audio, visual = count(pred_a, true_a), count(pred_v, true_v)
            parts = {"audio": audio, "visual": visual, "av": count(pred_a & pred_v, true_a & true_v)}
            three = {name: score_of_video(counts) for name, counts in parts.items()}
            for name, score in three.items():
                per_video[f"{level}_{name}"].append(score)
            per_video[f"{level}_type"].append(sum(three.values()) / 3)
            per_video[f"{level}_event"].append(score_of_video(audio + visual))
    return {name: float(np.mean(scores)) for name, scores in per_video.items()}


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Least CPU time of a call, after one to warm up: what else runs on the machine hardly disturbs it."""
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    rolls = simulated_rolls()
    tensors = [torch.from_numpy(roll) for roll in rolls]
    nested = [roll.tolist() for roll in rolls]

    scores = parsing_scores(*tensors).as_dict()
    references = {
        "numpy, one video at a time": lambda: scores_one_video_at_a_time(rolls),
        "the tests' oracle, plain Python": lambda: oracle.parsing_scores(*nested),
    }
    fast = seconds(lambda: parsing_scores(*tensors), repeats=20)
    print(f"parsing_scores, {VIDEOS} videos, one CPU thread: {1000 * fast:.1f} ms")
    for name, reference in references.items():
        values = reference()
        error = max(abs(values[score] - scores[score]) for score in SCORES)
        assert error < 1e-12, f"{name} differs by {error}"
        slow = seconds(reference, repeats=5)
        print(f"{name}: {1000 * slow:.0f} ms, {slow / fast:.0f} times as long (largest error {error:.0e})")


if __name__ == "__main__":
    main()
