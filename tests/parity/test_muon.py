"""Muon against torch.optim.Muon, and against the singular value decomposition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mtkit.train.optim.muon import Muon, iterations, orthogonal

SHAPES = [(8, 8), (8, 8), (6, 10), (10, 6), (24, 8), (8, 40)]
LR, DECAY = 0.05, 0.1
BF16 = 2.0**-8
"""Relative error of a number in bf16, of which five turns of products add up some."""


def parameters() -> list[nn.Parameter]:
    random = torch.Generator().manual_seed(3)
    return [nn.Parameter(torch.randn(shape, generator=random)) for shape in SHAPES]


def updates(optimizer: torch.optim.Optimizer, weights: list[nn.Parameter], count: int = 4) -> None:
    random = torch.Generator().manual_seed(4)
    for _ in range(count):
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=random)
        optimizer.step()


def muon(groups: list[dict[str, Any]], dtype: torch.dtype = torch.float32) -> Muon:
    return Muon(groups, LR, 0.95, DECAY, dtype)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_it_is_torchs(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtkit.train.optim.muon.iterations", lambda rows: 5)  # as there
    ours, theirs, before = parameters(), parameters(), parameters()
    updates(muon([{"params": ours}], dtype), ours)
    reference = torch.optim.Muon(theirs, LR, DECAY, 0.95, adjust_lr_fn="match_rms_adamw")
    updates(reference, theirs)
    for mine, other, first in zip(ours, theirs, before, strict=True):
        moved = (other - first).norm()
        assert (mine - other).norm() < 8 * BF16 * moved


def test_stacked_matrices_are_each_for_itself() -> None:
    (top, bottom, *_), stacked = parameters(), nn.Parameter(torch.cat([*parameters()[:2]]))
    random = torch.Generator().manual_seed(5)
    gradients = torch.randn(16, 8, generator=random)
    top.grad, bottom.grad, stacked.grad = gradients[:8], gradients[8:], gradients
    muon([{"params": [top, bottom]}]).step()
    muon([{"params": [stacked], "stacked": 2}]).step()
    torch.testing.assert_close(stacked, torch.cat([top, bottom]))


@pytest.mark.parametrize("columns", [20, 60])
def test_the_singular_vectors_stay_and_the_values_come_near_one(columns: int) -> None:
    given = torch.randn(5, 12, columns, generator=torch.Generator().manual_seed(6))
    given[0] *= 1e4
    u, before, vh = torch.linalg.svd(given, full_matrices=False)
    assert (before.min(1).values > 0.01 * before.norm(dim=1)).all()
    values = u.mT @ orthogonal(given) @ vh.mT
    diagonal = values.diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(values, torch.diag_embed(diagonal), atol=1e-4, rtol=0)
    assert 0.67 < diagonal.min() < diagonal.max() < 1.21


def share_below_half(rows: int, turns: int) -> float:
    """The share of the singular values 1/i of a matrix of norm 1 that the iteration leaves below 0.5."""
    values = 1 / np.arange(1, rows + 1)
    values /= np.sqrt((values**2).sum())
    for _ in range(turns):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return float((values < 0.5).mean())


@pytest.mark.parametrize("rows", [12, 128, 192, 223, 224, 256, 512, 768, 769, 770, 1024, 2048])
def test_wide_models_take_more_iterations(rows: int) -> None:
    turns = iterations(rows)
    assert share_below_half(rows, turns) <= 0.05
    assert turns == 4 or share_below_half(rows, turns - 1) > 0.05


@pytest.mark.parametrize("columns", [256, 512])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_few_singular_values_stay_small(columns: int, dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(8)
    left, right = (torch.linalg.qr(torch.randn(size, 256, generator=random))[0] for size in (256, columns))
    given = left @ ((1 / torch.arange(1, 257))[:, None] * right.mT)
    values = torch.linalg.svdvals(orthogonal(given[None].to(dtype))[0].float())
    assert (values < 0.5).float().mean() <= 0.05
    assert values.max() < 1.21


def test_weak_directions_of_wide_matrices_do_not_grow_out_of_bounds() -> None:
    """Their squares are lost in the rounding of the product that the others are computed from."""
    random = torch.Generator().manual_seed(7)
    left, right = torch.randn(3, 16, 2, generator=random), torch.randn(3, 2, 64, generator=random)
    given = left @ (torch.tensor([1.0, 1e-4])[:, None] * right)
    assert torch.linalg.matrix_norm(orthogonal(given), 2).max() < 1.21


def test_many_matrices_come_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = parameters(), parameters()
    updates(muon([{"params": whole}]), whole)
    monkeypatch.setattr("mtkit.train.optim.muon.AT_ONCE", 1)
    updates(muon([{"params": parts}]), parts)
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other)


def flag_on_device(found_inf: Tensor | None) -> Tensor | None:
    return None if found_inf is None else found_inf > 0


@pytest.mark.parametrize("on_device", [False, True])
def test_a_flag_leaves_all_as_it_is(on_device: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if on_device:  # as if the processor could not read it
        monkeypatch.setattr("mtkit.train.optim.muon.skip_on_device", flag_on_device)
    ours, theirs = parameters(), parameters()
    flagged, plain = muon([{"params": ours}]), muon([{"params": theirs}])
    updates(plain, theirs)
    for skipped in (False, True):
        flagged.found_inf = torch.tensor(float(skipped))
        if skipped:
            for weight in ours:
                weight.grad = torch.full_like(weight, torch.nan)
            flagged.step()
        else:
            updates(flagged, ours)

    def state(optimizer: Muon, weights: list[nn.Parameter]) -> list[Tensor]:
        return [tensor for weight in weights for tensor in (weight, *optimizer.state[weight].values())]

    for one, other in zip(state(flagged, ours), state(plain, theirs), strict=True):
        torch.testing.assert_close(one, other)


def test_parameters_without_a_gradient_stay() -> None:
    weights = parameters()
    optimizer = muon([{"params": weights}, {"params": []}])
    optimizer.step()
    for weight, before in zip(weights, parameters(), strict=True):
        assert torch.equal(weight, before)
