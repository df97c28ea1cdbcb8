"""Chapters 0, 5, 6 and 7: their definitions equal the package, the facts they tell equal LLP's files."""

from __future__ import annotations

import ast
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from chapters import ROOT, cells, definitions
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cmpie_lite.decoding import Predictions, decode
from cmpie_lite.events import Event, events_to_roll
from cmpie_lite.losses import binary_cross_entropy, smooth, weak_label_loss
from cmpie_lite.metrics import event_counts, f_score, parsing_scores, segment_counts
from cmpie_lite.model import CMPIE
from cmpie_lite.notebook.checks import check_same
from cmpie_lite.pooling import mmil_pool
from cmpie_lite.support.fields import override
from cmpie_lite.systems.rows import SYSTEMS, configs

quickly = settings(max_examples=20, deadline=None, derandomize=True)
small = st.integers(1, 4)
seeds = st.integers(0, 2**20)
NOTEBOOKS = ROOT / "notebooks"


@cache
def chapter(stem: str) -> dict[str, Any]:
    return definitions(NOTEBOOKS / f"{stem}.ipynb")


def uniform(seed: int, count: int, *shape: int) -> Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---------- 0 · the task ----------

spans = st.tuples(st.integers(0, 9), st.integers(1, 10)).filter(lambda span: span[0] < span[1])
some_events = st.lists(
    st.builds(lambda s, c: Event(*s, c), spans, st.sampled_from(["Dog", "Cat"])), min_size=1
)


@quickly
@given(some_events)
def test_event_rolls(events: list[Event]) -> None:
    mine = chapter("00_task")
    expected = events_to_roll(events)
    assert torch.equal(mine["to_roll_loop"](events, 10), expected)
    assert torch.equal(mine["to_roll"](events, 10), expected)
    assert torch.equal(mine["weak_labels"](expected, expected), expected.any(0))


# ---------- 5 · MMIL pooling and the loss ----------


@quickly
@given(small, small, small, seeds)
def test_mmil(batch: int, segments: int, classes: int, seed: int) -> None:
    """Eq. MMIL: loop = vectorised = package, value and gradient."""
    p, a, b = uniform(seed, 3, batch, segments, 2, classes)
    mine = chapter("05_mmil_pooling")
    forms = {
        "loop": mine["mmil_loop"],
        "vectorised": mine["mmil"],
        "package": lambda *x: tuple(mmil_pool(*x)[:3]),
    }
    check_same("Eq. MMIL", forms, (p, 4 * a, 4 * b))


@quickly
@given(small, small, seeds)
def test_losses(batch: int, classes: int, seed: int) -> None:
    """Eq. BCE, SMOOTH and LOSS: notebook = package, value and gradient."""
    audio, visual, video, y = uniform(seed, 4, batch, classes)
    y, mine = y.round(), chapter("05_mmil_pooling")
    probs = [0.05 + 0.9 * p for p in (audio, visual, video)]  # the package takes logarithms in float32
    assert torch.equal(mine["smoothed"](y, 0.1), smooth(y, 0.1))
    bce = {"loop": mine["bce_loop"], "vectorised": mine["bce"], "package": binary_cross_entropy}
    check_same("Eq. BCE", {n: lambda p, f=f: f(p, y) for n, f in bce.items()}, probs[:1], atol=1e-5)
    forms = {
        "loop": lambda *p: mine["loss_loop"](*p, y),
        "vectorised": lambda *p: mine["loss"](*p, y),
        "package": lambda *p: weak_label_loss(*p, y).total,
    }
    check_same("Eq. LOSS", forms, probs, atol=1e-5)


@pytest.mark.parametrize(
    ("right", "wrong"), [("softmax(a, dim=1)", "softmax(a, dim=3)"), ("A * B * p", "A * p")]
)
def test_a_changed_pooling_is_noticed(tmp_path: Path, right: str, wrong: str) -> None:
    """Eq. MMIL with a softmax over classes, or without its second attention, differs from the package."""
    changed = changed_copy("05_mmil_pooling", tmp_path, right, wrong)
    inputs = uniform(0, 3, 2, 4, 2, 3)
    forms = {"changed": definitions(changed)["mmil"], "package": lambda *x: tuple(mmil_pool(*x)[:3])}
    with pytest.raises(AssertionError, match="is not that of package"):
        check_same("Eq. MMIL", forms, inputs)


def changed_copy(stem: str, folder: Path, right: str, wrong: str) -> Path:
    """A copy of a chapter with one piece of its code replaced, wherever it stands in a definition."""
    notebook = json.loads((NOTEBOOKS / f"{stem}.ipynb").read_text(encoding="utf8"))
    changed = 0
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and right in source and "def " in source:
            cell["source"], changed = source.replace(right, wrong), changed + 1
    assert changed == 1
    copy = folder / f"{stem}.ipynb"
    copy.write_text(json.dumps(notebook), encoding="utf8")
    return copy


# ---------- 6 · the F-scores ----------


@quickly
@given(small, st.integers(1, 10), small, st.sampled_from([0.1, 0.4, 0.8]), seeds)
def test_f_scores(videos: int, segments: int, classes: int, density: float, seed: int) -> None:
    """Eq. SEGMENT-F and EVENT-F: loop = vectorised = package."""
    pred, true = uniform(seed, 2, videos, segments, classes) < density
    mine = chapter("06_metrics")
    for level, package in (("segment", segment_counts), ("event", event_counts)):
        count = mine["count_seconds" if level == "segment" else "count_events"]
        expected = f_score(package(pred, true)).item()
        assert mine["f_loop"](pred, true, count) == pytest.approx(expected), level
        assert mine[f"{level}_f"](pred, true).item() == pytest.approx(expected), level


@quickly
@given(seeds)
def test_summaries(seed: int) -> None:
    """Eq. TYPE-AV is a mean of three loops, Eq. EVENT-AV the F of counts added by loops."""
    pa, pv, ya, yv = uniform(seed, 4, 3, 10, 2) < 0.4
    mine, scores = chapter("06_metrics"), parsing_scores(pa, pv, ya, yv).as_dict()
    for level, count in (("segment", mine["count_seconds"]), ("event", mine["count_events"])):
        three = [mine["f_loop"](*pair, count) for pair in ((pa, ya), (pv, yv), (pa & pv, ya & yv))]
        assert scores[f"{level}_type"] == pytest.approx(sum(three) / 3)
        total = 0.0
        for n in range(3):
            per_class = []
            for c in range(2):
                pairs = ((x[n, :, c].tolist(), y[n, :, c].tolist()) for x, y in ((pa, ya), (pv, yv)))
                tp, fp, fn = (sum(part) for part in zip(*(count(*pair) for pair in pairs), strict=True))
                per_class += [2 * tp / (2 * tp + fp + fn)] if tp + fp + fn else []
            total += sum(per_class) / len(per_class) if per_class else 1.0
        assert scores[f"{level}_event"] == pytest.approx(total / 3)


def test_the_gate() -> None:
    """Eq. GATE: segment and video reach the threshold, both inclusively."""
    segments = torch.tensor([0.5, 0.49, 0.9, 0.9])[None, :, None, None].expand(1, 4, 2, 2)
    video = torch.tensor([[0.5, 0.49]])
    audio, visual = decode(Predictions(video, video, video, segments), 0.5)
    assert audio[0, :, 0].tolist() == visual[0, :, 0].tolist() == [True, False, True, True]
    assert not audio[0, :, 1].any()
    assert not visual[0, :, 1].any()


def test_a_changed_score_is_noticed(tmp_path: Path) -> None:
    """Eq. EVENT-F with > in place of >= differs from the package on half an event."""
    mine = definitions(changed_copy("06_metrics", tmp_path, "2 * shared >= union", "2 * shared > union"))
    pred, true = mine["roll"]("##...."), mine["roll"]("####..")
    assert mine["event_f"](pred, true).item() == 0.0
    assert f_score(event_counts(pred, true)).item() == 1.0


def test_chapters_5_and_6_share_their_made_up_parser() -> None:
    sources = []
    for stem in ("05_mmil_pooling", "06_metrics"):
        trees = (
            ast.parse(c["source"]) for c in cells(NOTEBOOKS / f"{stem}.ipynb") if c["cell_type"] == "code"
        )
        nodes = [
            node for tree in trees for node in tree.body if getattr(node, "name", "") == "made_up_logits"
        ]
        sources += [ast.dump(node) for node in nodes]
    assert len(sources) == 2
    assert sources[0] == sources[1]


# ---------- 7 · the assembled model ----------


@pytest.mark.parametrize("name", configs(2))
def test_assembled_is_the_package(name: str) -> None:
    """Eq. 2-13 and Eq. MMIL, assembled in the notebook = package: value, gradient of the features."""
    mine = chapter("07_cmpie")
    config = override(SYSTEMS[name].config, {"dim": 16, "ffn_dim": 8})
    torch.manual_seed(0)
    blocks, package = mine["pieces"](config).double().eval(), CMPIE(config).double().eval()
    package.load_state_dict(blocks.state_dict())
    features = [uniform(1, 2, 10, width) for width in (128, 2048, 512)]

    def assembled(*x: Tensor) -> tuple[Tensor, ...]:
        segments, pooled = mine["parse"](blocks, *x)
        return segments, *pooled[:3]

    def packaged(*x: Tensor) -> tuple[Tensor, ...]:
        output = package(*x)
        return output.segments, output.video, output.audio, output.visual

    check_same(name, {"assembled": assembled, "package": packaged}, features)
