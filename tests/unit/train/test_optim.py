from __future__ import annotations

import dataclasses
import math
import random

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from mtkit.config.optimizer import OptimizerConfig
from mtkit.config.train import TrainConfig
from mtkit.errors import InputError
from mtkit.train.optim.optim import (
    Optimizer,
    averaged_weights,
    build_optimizers,
    optimizer_state,
    set_optimizer_state,
)
from mtkit.train.optim.schedule import learning_rate
from mtkit.train.progress import Progress
from tests.support.choices import METHODS, SCHEDULES


def schedule(**options: object) -> OptimizerConfig:
    return OptimizerConfig.model_validate(options)


def test_inverse_sqrt_is_the_papers_equation() -> None:
    """Equation 3: d_model^-0.5 · min(step^-0.5, step · warmup^-1.5)."""
    d_model, warmup = 512, 4000
    options = schedule(lr=(d_model * warmup) ** -0.5, warmup_steps=warmup)
    for step in (1, 100, 3999, 4000, 4001, 100_000):
        expected = d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)
        assert learning_rate(options, step, 0.5) == pytest.approx(expected)


def test_inverse_sqrt_without_warm_up_is_refused() -> None:
    """Its rate would be lr / √step, a tenth of the peak after 100 updates."""
    with pytest.raises(ValidationError, match=r"warmup_steps = 0 and schedule = inverse_sqrt cannot"):
        schedule(warmup_steps=0)
    assert schedule(warmup_steps=0, schedule="linear").warmup_steps == 0


@pytest.mark.parametrize("betas", [(1.0, 0.98), (0.9, 1.0), (-0.1, 0.98)])
def test_decay_rates_are_below_one(betas: tuple[float, float]) -> None:
    with pytest.raises(ValidationError, match="betas"):
        schedule(betas=betas)


STEPS = 200
"""A budget; before update number n, the share (n - 1) / STEPS of it is used."""


def rates(**options: object) -> list[float]:
    """The rate of each update of a run of `STEPS` updates, from the first, and the one that would follow."""
    return [learning_rate(schedule(**options), step, (step - 1) / STEPS) for step in range(1, STEPS + 2)]


WARM_UPS = [
    (name, warmup)
    for name in SCHEDULES
    for warmup in (0, 1, 10, 50)
    if warmup or name != "inverse_sqrt"  # which is refused
]


@pytest.mark.parametrize(("name", "warmup"), WARM_UPS)
def test_every_schedule_reaches_its_peak_and_no_more(name: str, warmup: int) -> None:
    found = rates(lr=2.5e-3, warmup_steps=warmup, schedule=name)
    end = max(1, warmup)
    assert found[end - 1] == pytest.approx(2.5e-3)
    assert max(found) == pytest.approx(2.5e-3)
    assert found[:end] == pytest.approx([2.5e-3 * step / end for step in range(1, end + 1)])


def test_linear_falls_in_a_straight_line_from_the_peak_to_zero() -> None:
    found = rates(lr=1.0, warmup_steps=50, schedule="linear")[49:]
    assert found == pytest.approx([1 - n / 151 for n in range(152)], abs=1e-12)


def test_cosine_is_half_a_wave_from_the_peak_to_zero() -> None:
    found = rates(lr=1.0, warmup_steps=50, schedule="cosine")[49:]
    assert found == pytest.approx([(1 + math.cos(math.pi * n / 151)) / 2 for n in range(152)], abs=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_cooldown_is_a_straight_line_to_zero(name: str) -> None:
    plain = rates(lr=1.0, warmup_steps=10, schedule=name)
    found = rates(lr=1.0, warmup_steps=10, schedule=name, cooldown=0.2)
    begin = round(0.8 * STEPS)
    assert found[: begin + 1] == plain[: begin + 1]
    line = [plain[begin] * (1 - n / (STEPS - begin)) for n in range(STEPS - begin + 1)]
    assert found[begin:] == pytest.approx(line, abs=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_warms_up_and_stays_within_the_peak(name: str) -> None:
    options = schedule(lr=1.0, warmup_steps=10, schedule=name)
    assert [learning_rate(options, step, 0.0) for step in (1, 5, 10)] == pytest.approx([0.1, 0.5, 1.0])
    assert all(0 <= learning_rate(options, 10 + step, step / 100) <= 1 for step in range(101))


def make(model: nn.Module, **options: object) -> list[Optimizer]:
    return build_optimizers(model, schedule(schedule="constant", **options), {"weight": 1})


def step(model: nn.Module, optimizers: list[Optimizer]) -> None:
    model(torch.ones(1, 4)).square().sum().backward()
    for optimizer in optimizers:
        optimizer.step()
    model.zero_grad()


both = pytest.mark.parametrize("method", METHODS)


@both
def test_state_before_the_first_update_is_that_of_new_optimizers(method: str) -> None:
    """A signal may come while all updates so far were skipped."""
    updated = []
    for restored in (False, True):
        torch.manual_seed(0)
        model = torch.nn.Linear(4, 2)
        optimizers = make(model, method=method)
        state = optimizer_state(model, optimizers)
        assert not any(optimizer.state for optimizer in optimizers)
        if restored:
            set_optimizer_state(model, optimizers, state)
        step(model, optimizers)
        updated.append(model.weight.detach())
    assert torch.equal(*updated)


@both
def test_state_put_back_gives_the_same_next_step(method: str) -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(4, 3), nn.Linear(4, 3)
    ours, theirs = make(first, method=method), make(second, method=method)
    for _ in range(3):
        step(first, ours)
    saved = {name: value.clone() for name, value in optimizer_state(first, ours).items()}
    second.load_state_dict(first.state_dict())
    set_optimizer_state(second, theirs, saved)
    step(first, ours)
    step(second, theirs)
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)


def test_weight_decay_is_for_matrices() -> None:
    model = nn.Linear(4, 3)
    matrices, vectors = make(model, weight_decay=0.1)[0].param_groups
    assert matrices["params"][0] is model.weight
    assert matrices["weight_decay"] == 0.1
    assert vectors["params"][0] is model.bias
    assert vectors["weight_decay"] == 0.0


def test_cosine_is_that_of_torch() -> None:
    weight = nn.Parameter(torch.zeros(1))
    theirs = torch.optim.SGD([weight], lr=0.3)
    annealing = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, T_max=40)
    options = schedule(lr=0.3, warmup_steps=0, schedule="cosine")
    for step in range(41):
        assert learning_rate(options, step + 1, step / 40) == pytest.approx(
            theirs.param_groups[0]["lr"], abs=1e-12
        )
        theirs.step()
        annealing.step()


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_plateau_is_that_of_torch(patience: int) -> None:
    options = schedule(
        lr=0.5, warmup_steps=0, schedule="plateau", plateau_patience=patience, plateau_factor=0.3
    )
    config = TrainConfig(optimizer=options)
    theirs = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    reducer = torch.optim.lr_scheduler.ReduceLROnPlateau(
        theirs, mode="max", factor=0.3, patience=patience - 1, threshold=0.0, eps=0.0
    )
    progress, seen = Progress(), set()
    draw = random.Random(0)
    for step in range(1, 60):
        score = float(draw.randrange(step + 3))
        progress = dataclasses.replace(progress, step=step).validated([(score,)], config)
        reducer.step(score)
        rate = learning_rate(options, step, 0.0, progress.lowered)
        assert rate == pytest.approx(theirs.param_groups[0]["lr"])
        seen.add(progress.lowered)
    assert len(seen) > 3


def test_frozen_weights_are_not_the_optimizers() -> None:
    model = nn.Linear(4, 3)
    model.bias.requires_grad_(False)
    optimizers = make(model)
    step(model, optimizers)
    assert set(optimizer_state(model, optimizers)) == {"exp_avg.weight", "exp_avg_sq.weight", "step.weight"}


def test_muon_takes_what_it_may_and_adam_the_rest() -> None:
    model = nn.Linear(4, 3)
    optimizers = make(model, method="muon", weight_decay=0.1)
    step(model, optimizers)
    kept = {"momentum_buffer.weight", "exp_avg.bias", "exp_avg_sq.bias", "step.bias"}
    assert set(optimizer_state(model, optimizers)) == kept
    assert [group["weight_decay"] for group in optimizers[0].param_groups] == [0.1]


def test_the_average_of_a_method_that_has_one_comes_back() -> None:
    model = nn.Linear(4, 3)
    optimizers = make(model, method="schedule_free")
    assert all(map(torch.equal, averaged_weights(model, optimizers).values(), model.parameters()))
    for _ in range(3):
        step(model, optimizers)
    before = {name: weight.clone() for name, weight in averaged_weights(model, optimizers).items()}
    again = make(model, method="schedule_free")
    set_optimizer_state(model, again, optimizer_state(model, optimizers))
    found = averaged_weights(model, again)
    assert all(torch.equal(found[name], weight) for name, weight in before.items())
    assert not torch.equal(found["weight"], model.weight)
    assert averaged_weights(model, make(model)) == {}


def test_missing_counts_are_refused() -> None:
    model = nn.Linear(4, 3)
    optimizers = make(model, method="schedule_free")
    state = optimizer_state(model, optimizers)
    del state["schedule_free.weight_sum"]
    with pytest.raises(InputError, match=r"'schedule_free\.weight_sum' is missing"):
        set_optimizer_state(model, optimizers, state)
