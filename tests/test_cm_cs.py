"""CM-CS: its two added losses against their formulas, and what its encoders share."""

from __future__ import annotations

import pytest
import torch

from cmpie_lite.config import TrainConfig
from cmpie_lite.systems.cm_cs import CMCSConfig, central_moment_discrepancy, overlap
from cmpie_lite.training.loop import loss_names, loss_of
from tests.making_models import inputs
from tests.making_systems import PYRAMID, SMALL, make


def slow_cmd(x: list[list[float]], y: list[list[float]]) -> float:
    """CMD of order 5 in plain numbers: moment by moment, coordinate by coordinate."""
    total, width = 0.0, len(x[0])
    mean = [[sum(row[d] for row in z) / len(z) for d in range(width)] for z in (x, y)]
    for k in range(1, 6):
        squares = 0.0
        for d in range(width):
            moments = [
                m[d] if k == 1 else sum((row[d] - m[d]) ** k for row in z) / len(z)
                for z, m in zip((x, y), mean, strict=True)
            ]
            squares += (moments[0] - moments[1]) ** 2
        total += squares**0.5
    return total


def test_cmd_equals_a_slow_one_and_is_blind_to_the_order_of_rows() -> None:
    g = torch.Generator().manual_seed(0)
    x, y = (torch.rand(n, 3, generator=g, dtype=torch.float64) ** p for n, p in ((7, 1), (5, 3)))
    assert central_moment_discrepancy(x, y).item() == pytest.approx(
        slow_cmd(x.tolist(), y.tolist()), abs=1e-12
    )
    assert central_moment_discrepancy(x, x.flip(0)).item() == pytest.approx(0, abs=1e-12)
    x.requires_grad_()
    central_moment_discrepancy(x, x.detach().clone()).backward()
    assert bool(x.grad.isfinite().all())  # at a distance of zero, too


def test_overlap_is_zero_for_parts_that_share_no_direction_and_equals_the_formula() -> None:
    g = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 6, 4, generator=g, dtype=torch.float64)
    total = 0.0
    rows = []
    for z in (x.tolist(), y.tolist()):
        mean = [sum(column) / 6 for column in zip(*z, strict=True)]
        centred = [[v - m for v, m in zip(row, mean, strict=True)] for row in z]
        rows.append([[v / (sum(w * w for w in row) ** 0.5 + 1e-6) for v in row] for row in centred])
    for i in range(4):
        for j in range(4):
            total += sum(a[i] * b[j] for a, b in zip(*rows, strict=True)) ** 2 / 16
    assert overlap(x, y).item() == pytest.approx(total, abs=1e-12)
    assert overlap(x, torch.ones(6, 4, dtype=torch.float64)).item() == pytest.approx(0, abs=1e-12)


def test_the_added_losses_of_cm_cs_are_those_of_its_config() -> None:
    names = {"similarity": 0.01, "difference": 0.003, "reconstruction": 0.01}
    full_model = make(CMCSConfig(**PYRAMID))
    assert set(full_model(*inputs()).extras) == set(full_model.extra_losses) == set(names)
    assert full_model.eval()(*inputs()).extras == {}  # nothing is added to what is only parsed
    for left_out in names:
        model = make(CMCSConfig(**PYRAMID, **{left_out: 0.0}))
        assert set(model(*inputs()).extras) == set(names) - {left_out}
    doubled = make(CMCSConfig(**PYRAMID, dropout=0.0, **{name: 2 * x for name, x in names.items()}))
    plain = make(CMCSConfig(**PYRAMID, dropout=0.0))
    for name, loss in plain(*inputs()).extras.items():
        assert loss.item() > 0
        torch.testing.assert_close(doubled(*inputs()).extras[name], 2 * loss)
    assert make(SMALL["cm_cs_none"]).extra_losses == ()


def test_the_common_encoder_of_cm_cs_is_one_for_both_and_the_specific_ones_are_two() -> None:
    stage = make(SMALL["cm_cs"]).visual_stage
    x = torch.rand(2, 10, 32)
    parts = stage([x, x])
    torch.testing.assert_close(parts.common[0], parts.common[1])
    assert (parts.specific[0] - parts.specific[1]).abs().max() > 1e-3


def test_the_loop_adds_a_models_own_losses_and_names_them() -> None:
    model = make(SMALL["cm_cs"])
    names = loss_names(model)
    assert names[3:] == ("loss_similarity", "loss_difference", "loss_reconstruction")
    torch.manual_seed(0)
    losses = loss_of(model, *inputs(), torch.eye(25)[:3], TrainConfig())
    torch.manual_seed(0)
    assert losses[3:].tolist() == pytest.approx([x.item() for x in model(*inputs()).extras.values()])
    assert loss_names(make(SMALL["ave"])) == ("loss_audio", "loss_visual", "loss_video")
