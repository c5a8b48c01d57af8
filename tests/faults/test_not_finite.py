"""NaN and infinity reach neither weights nor optimizer; where they stay, the run ends and says why."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mtkit.data.feed.batch import Batch
from mtkit.errors import MtkitError
from mtkit.model.checkpoint import weights_of
from mtkit.train.update import Updater
from tests.support.faults.figures import trial
from tests.support.updates import make_batch, make_step, make_updater

FINITE = "NaN and infinity reach neither weights nor files; endless ones stop the run and are named"


def in_fp16() -> Updater:
    plain = make_updater()
    return Updater(plain.model, plain.options, 1, torch.float16)


def poison(updater: Updater, value: float) -> None:
    """From here on the loss, and so every gradient, is multiplied by `value`."""
    objective = updater.objective

    def poisoned(batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss, reported = objective(batch)
        return loss * value, reported

    poisoned.names = objective.names  # type: ignore[attr-defined]
    updater.objective = poisoned  # type: ignore[assignment]


def all_of(updater: Updater) -> dict[str, Tensor]:
    """Weights and moments; counts and the loss scale aside."""
    moments = {name: value for name, value in updater.state().items() if name.startswith("exp_")}
    assert len(moments) == 2 * len(weights_of(updater.model))
    return {name: value.clone() for name, value in (weights_of(updater.model) | moments).items()}


@pytest.mark.parametrize("make", [make_updater, in_fp16])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("count", [1, 3])
def test_some_in_a_row_change_nothing(make: Callable[[], Updater], value: float, count: int) -> None:
    updater, step = make(), make_step(make_batch())
    while bool(updater(step, 1, 0.01).skipped):  # the first scale of fp16 may be too large
        pass
    before, good = all_of(updater), updater.objective
    poison(updater, value)
    updates = [updater(step, 2 + number, 0.01) for number in range(count)]
    struck = not any(bool(update.norm.isfinite()) for update in updates)
    kept = all(torch.equal(before[name], now) for name, now in all_of(updater).items())
    updater.objective = good
    after = updater(step, 9, 0.01)
    kept &= not bool(after.skipped) and all(bool(now.isfinite().all()) for now in all_of(updater).values())
    trial(FINITE, struck=struck, kept=kept and all(update.skipped for update in updates), detail=value)


@pytest.mark.parametrize(("make", "first"), [(make_updater, 1), (in_fp16, 17)])
def test_endless_ones_stop_the_run(make: Callable[[], Updater], first: int) -> None:
    """In fp16 the scale falls from 2^16 first, since what overflows may be finite with a smaller one."""
    updater, step = make(), make_step(make_batch())
    before = all_of(updater)
    poison(updater, float("nan"))
    for number in range(1, 100):
        try:
            update = updater(step, number, 0.01)
        except MtkitError as error:
            said = re.fullmatch(
                rf"step {number}: the gradient was not finite 10 times in a row: norm nan, rate 0\.01\. "
                r"Lower train\.optimizer\.lr, or raise warmup_steps\.",
                str(error),
            )
            same = all(torch.equal(before[name], now) for name, now in all_of(updater).items())
            kept = said is not None and number == first + 9 and same
            trial(FINITE, struck=True, kept=kept, detail=(number, str(error)))
            return
        assert update.skipped
    raise AssertionError("endless NaN never ended the run")
