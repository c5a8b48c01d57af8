from __future__ import annotations

import math
import random

import torch

from mtkit.train.optim.spikes import SpikeGuard

CPU = torch.device("cpu")


def verdicts(guard: SpikeGuard, norms: list[float]) -> list[bool]:
    return [bool(guard(torch.tensor(norm))) for norm in norms]


def test_verdicts_follow_the_formula() -> None:
    draw = random.Random(0)
    norms = [math.exp(draw.gauss(0, 1)) for _ in range(300)]
    mean, expected = 0.0, []
    for number, norm in enumerate(norms):
        limit = 2.5 * mean if number >= 20 else math.inf
        expected.append(norm > limit)
        mean += (min(norm, limit) - mean) / min(number + 1, 100)
    assert verdicts(SpikeGuard(2.5, CPU), norms) == expected
    assert 5 < sum(expected) < 100


def test_the_first_norms_are_no_spikes() -> None:
    assert not any(verdicts(SpikeGuard(2.0, CPU), [1.0] * 10 + [100.0] + [1.0] * 5))


def test_a_lasting_rise_is_followed() -> None:
    guard = SpikeGuard(3.0, CPU)
    verdicts(guard, [1.0] * 100)
    rise = verdicts(guard, [30.0] * 200)
    assert rise[0]
    assert not rise[-1]
    assert rise == sorted(rise, reverse=True)


def test_what_is_not_finite_counts_for_nothing() -> None:
    guard = SpikeGuard(3.0, CPU)
    verdicts(guard, [1.0] * 30)
    before = {name: value.clone() for name, value in guard.state().items()}
    assert verdicts(guard, [math.inf, math.nan]) == [False, False]
    assert all(torch.equal(before[name], value) for name, value in guard.state().items())
