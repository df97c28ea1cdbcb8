"""Dropout: what it keeps, what it scales by, and that its masks are random."""

from __future__ import annotations

import math

import pytest
import torch
from torch.func import vmap

from cmpie_lite.support.dropout import STEPS, VMAP_KNOWS_VIEWS, Dropout, random_integers


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_drops_the_share_p_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(0)
    x = torch.full((1000, 400), 3.0)
    y = Dropout(p)(x)
    kept = y != 0
    rounded = round(p * STEPS) / STEPS
    assert torch.equal(y[kept], x[kept] * (1 / (1 - torch.tensor(rounded, dtype=torch.float64)).float()))
    error = math.sqrt(p * (1 - p) / x.numel())
    assert abs(1 - kept.float().mean().item() - p) < 4 * error + 1 / STEPS
    assert abs(y.double().mean().item() / 3 - 1) < 4 * error / (1 - p)
    for axis in (0, 1):  # no row and no column is favoured: the extreme of n, under 5 standard errors
        shares = 1 - kept.double().mean(axis)
        assert (shares - p).abs().max() < 5 * math.sqrt(p * (1 - p) / x.shape[axis])


def test_the_four_numbers_cut_from_one_are_uniform_and_apart() -> None:
    torch.manual_seed(1)
    n = 400_000
    lanes = random_integers(4 * n).view(n, 4).double()
    centred = (lanes + 0.5) / (STEPS / 2)  # uniform on (-1, 1): variance 1/3
    assert (centred.mean(0).abs() < 4 * math.sqrt(1 / 3 / n)).all()
    assert ((centred**2).mean(0) - 1 / 3).abs().max() < 4 * math.sqrt(4 / 45 / n)
    correlation = torch.corrcoef(torch.cat([centred[1:], centred[:-1]], dim=1).T) - torch.eye(8)
    assert correlation.abs().max() < 5 / math.sqrt(n)
    for lane in lanes.T:  # chi squared of 64 bins: mean 63, deviation 11.2
        counts = torch.histc(lane, 64, -STEPS / 2, STEPS / 2)
        assert ((counts - n / 64) ** 2 / (n / 64)).sum() < 63 + 5 * 11.2


def views_under_vmap() -> bool:
    """Whether this PyTorch can view another dtype under vmap, as seen by trying."""
    try:
        vmap(lambda x: x.view(torch.int16))(torch.zeros(2, 1, dtype=torch.int64))
    except RuntimeError:
        return False
    return True


def test_versions_without_the_rule_cut_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeds axis draws the same masks whether or not its PyTorch can view another dtype under vmap."""
    seeds_axis = vmap(lambda x: random_integers(4001) + x.to(torch.int16), randomness="different")
    assert views_under_vmap() == VMAP_KNOWS_VIEWS
    drawn, axis = {}, {}
    for known in (True, False):
        monkeypatch.setattr("cmpie_lite.support.dropout.VMAP_KNOWS_VIEWS", known)
        torch.manual_seed(3)
        drawn[known] = random_integers(4001)
        if VMAP_KNOWS_VIEWS or not known:
            axis[known] = seeds_axis(torch.zeros(3))
    assert drawn[True].dtype == drawn[False].dtype == torch.int16
    assert torch.equal(drawn[True], drawn[False])
    assert torch.equal(axis[VMAP_KNOWS_VIEWS], axis[False])


@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 3, 5), (4, 0), (3, 8)])
def test_any_shape_and_dtype(shape: tuple[int, ...]) -> None:
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        y = Dropout(0.5)(torch.ones(shape, dtype=dtype))
        assert y.shape == shape
        assert y.dtype == dtype
        assert set(y.flatten().tolist()) <= {0.0, 2.0}


def test_nothing_is_dropped_outside_training_or_with_p_zero() -> None:
    x = torch.randn(50)
    state = torch.get_rng_state()
    assert Dropout(0.9).eval()(x) is x
    assert Dropout(0.0)(x) is x
    assert torch.equal(torch.get_rng_state(), state)


def test_masks_are_a_function_of_the_seed_and_new_at_each_call() -> None:
    drop, x = Dropout(0.5), torch.ones(1000)
    torch.manual_seed(3)
    first, second = drop(x), drop(x)
    torch.manual_seed(3)
    assert torch.equal(drop(x), first)
    assert 400 < (first != second).sum() < 600


def test_the_gradient_is_the_mask() -> None:
    x = torch.randn(100, requires_grad=True)
    y = Dropout(0.25)(x)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(y, x * x.grad)
    assert set(x.grad.tolist()) == {0.0, torch.tensor(1 / 0.75).item()}


def test_each_member_of_a_vmap_has_its_own_mask() -> None:
    torch.manual_seed(4)
    masks = vmap(Dropout(0.5), randomness="different")(torch.ones(5, 1000))
    apart = (masks[:, None] != masks[None]).sum(-1) + 500 * torch.eye(5)
    assert apart.min() > 400
    assert apart.max() < 600


def test_a_p_next_to_one_still_keeps_something() -> None:
    torch.manual_seed(5)
    y = Dropout(1 - 1e-9)(torch.ones(10 * STEPS))
    assert set(y.tolist()) == {0.0, float(STEPS)}


def test_elsewhere_than_on_a_cpu_it_is_the_dropout_of_torch() -> None:
    assert Dropout(0.5)(torch.ones(3, device="meta")).shape == (3,)


@pytest.mark.parametrize("p", [-0.1, 1.0, 2.0, float("nan")])
def test_impossible_probabilities(p: float) -> None:
    with pytest.raises(ValueError, match=r"p = .*, expected a probability in \[0, 1\)"):
        Dropout(p)
