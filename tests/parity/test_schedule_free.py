"""Schedule-free AdamW against its equations, written out in numpy with all three sequences in fp64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mtkit.train.optim.schedule_free import ScheduleFree

Array = NDArray[np.float64]
BETAS, EPS, STEPS = (0.9, 0.98), 1e-9, 20
FP32 = 1e-5
"""Relative error of twenty updates in fp32."""


def rates(peak: float = 0.05, warmup: int = 5) -> Iterator[float]:
    """The rate of each update: a linear warm-up, then the peak."""
    return (peak * min(1.0, step / warmup) for step in range(1, STEPS + 1))


@dataclass
class Equations:
    """Algorithm 1 and equation 15 of the paper for one array, with all values of z."""

    z: Array
    decay: float
    zs: list[Array] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.x, self.v = self.z.copy(), np.zeros_like(self.z)
        self.y = self.z.copy()

    def step(self, gradient: Array, lr: float) -> None:
        t = len(self.zs) + 1
        self.v = BETAS[1] * self.v + (1 - BETAS[1]) * gradient**2
        direction = gradient / (np.sqrt(self.v / (1 - BETAS[1] ** t)) + EPS) + self.decay * self.y
        self.z = self.z - lr * direction
        self.zs.append(self.z)
        self.weights.append(max(lr**2, *self.weights, 0.0))
        c = self.weights[-1] / sum(self.weights)
        self.x = (1 - c) * self.x + c * self.z
        self.y = (1 - BETAS[0]) * self.z + BETAS[0] * self.x


def gradient_at(y: Array, step: int) -> Array:
    """That of a crooked bowl whose middle moves."""
    curvature = np.linspace(0.1, 4.0, y.size).reshape(y.shape)
    return curvature * (y - np.sin(step + curvature)) + 0.3 * y**3


def parameters() -> list[nn.Parameter]:
    random = torch.Generator().manual_seed(1)
    return [nn.Parameter(torch.randn(shape, generator=random)) for shape in ((3, 4), (5,))]


def optimizer_of(weights: list[nn.Parameter], decay: float = 0.1) -> ScheduleFree:
    groups: list[dict[str, Any]] = [
        {"params": weights[:1], "weight_decay": decay},
        {"params": weights[1:], "weight_decay": 0.0},
    ]
    return ScheduleFree(groups, 0.05, BETAS, EPS)


def update(optimizer: ScheduleFree, weights: list[nn.Parameter], step: int, lr: float) -> None:
    for weight in weights:
        weight.grad = torch.from_numpy(gradient_at(weight.detach().double().numpy(), step)).float()
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()


def test_it_follows_its_equations() -> None:
    weights = parameters()
    optimizer = optimizer_of(weights)
    expected = [
        Equations(weight.detach().double().numpy(), decay)
        for weight, decay in zip(weights, (0.1, 0.0), strict=True)
    ]
    for step, lr in enumerate(rates(), start=1):
        update(optimizer, weights, step, lr)
        for weight, equations in zip(weights, expected, strict=True):
            equations.step(gradient_at(equations.y, step), lr)
            np.testing.assert_allclose(weight.detach().numpy(), equations.y, rtol=FP32, atol=FP32)
            average = optimizer.average(weight).numpy()
            np.testing.assert_allclose(average, equations.x, rtol=FP32, atol=FP32)
            # The recurrence is the mean of all z so far, the late ones of the warm-up more.
            mean = np.average(equations.zs, axis=0, weights=equations.weights)
            np.testing.assert_allclose(average, mean, rtol=FP32, atol=FP32)
    assert optimizer.counts["step"] == STEPS


def test_a_lower_rate_keeps_the_weight_of_the_highest() -> None:
    """The weights of the average are max_lr², not lr²."""
    (weight, *_), lrs = parameters(), [0.1, 0.3, 0.02, 0.02]
    optimizer, zs = optimizer_of([weight], decay=0.0), []
    for step, lr in enumerate(lrs, start=1):
        update(optimizer, [weight], step, lr)
        zs.append(optimizer.state[weight]["z"].double().numpy().copy())
    mean = np.average(zs, axis=0, weights=[0.1**2, 0.3**2, 0.3**2, 0.3**2])
    np.testing.assert_allclose(optimizer.average(weight).numpy(), mean, rtol=FP32, atol=FP32)


def flag_on_device(found_inf: Tensor | None) -> Tensor | None:
    return None if found_inf is None else found_inf > 0


@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_a_flag_leaves_all_as_it_is(on_device: bool, first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if on_device:  # as if the processor could not read it
        monkeypatch.setattr("mtkit.train.optim.schedule_free.skip_on_device", flag_on_device)
    ours, theirs = parameters(), parameters()
    flagged, plain = optimizer_of(ours), optimizer_of(theirs)

    def skip() -> None:
        flagged.found_inf = torch.tensor(1.0)
        for weight in ours:
            weight.grad = torch.full_like(weight, torch.nan)
        flagged.step()
        flagged.found_inf = torch.tensor(0.0)

    if first:
        skip()
    for step, lr in enumerate(rates(), start=1):
        update(flagged, ours, step, lr)
        update(plain, theirs, step, lr)
        if step == 3:
            skip()
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(flagged.average(one), plain.average(other))
    assert flagged.counts == plain.counts


def test_before_any_update_the_average_is_the_weights() -> None:
    weights = parameters()
    optimizer = optimizer_of(weights)
    assert all(torch.equal(optimizer.average(weight), weight) for weight in weights)
    optimizer.step()  # without gradients
    assert all(map(torch.equal, weights, parameters()))
