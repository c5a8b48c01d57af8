from __future__ import annotations

import pytest
import torch
from torch import nn

from mtkit.train.optim.averaging import MovingAverage, average_weights, with_weights


def test_average_is_the_mean() -> None:
    models = [{"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 6.0])}]
    assert average_weights(models)["w"].tolist() == [2.0, 4.0]
    assert models[0]["w"].tolist() == [1.0, 2.0]


def test_average_of_one_is_itself() -> None:
    assert average_weights([{"w": torch.tensor([0.1])}])["w"].equal(torch.tensor([0.1]))


def test_moving_average_follows_its_recurrence() -> None:
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
        average = MovingAverage(model, decay=0.9)
        expected = 0.0
        for step, value in enumerate([4.0, 2.0, 8.0, 1.0], start=1000):
            model.weight.fill_(value)
            average.update(model, step)
            expected = 0.9 * expected + 0.1 * value
    assert average.weights["weight"].item() == pytest.approx(expected)


def test_a_young_average_forgets_faster() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = MovingAverage(model, decay=0.999)
    with torch.no_grad():
        model.weight.fill_(5.0)
    before = average.weights["weight"].item()
    average.update(model, 1)
    assert average.weights["weight"].item() == pytest.approx(before * 2 / 11 + 5.0 * 9 / 11)


def test_applied_only_within_the_block() -> None:
    model = nn.Linear(2, 2)
    average = MovingAverage(model, decay=0.5)
    own = model.weight.detach().clone()
    average.weights["weight"].fill_(7.0)
    with with_weights(model, average.weights):
        assert model.weight.eq(7.0).all()
    assert torch.equal(model.weight, own)
    assert average.weights["weight"].eq(7.0).all()
