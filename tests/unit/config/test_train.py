"""The options of training, alone."""

from __future__ import annotations

import pytest

from mtkit.config.train import DEFAULT_STEPS, TrainConfig


def train(**options: object) -> TrainConfig:
    return TrainConfig.model_validate(options)


@pytest.mark.parametrize("budget", [{"max_time": "24h"}, {"max_epochs": 50}])
def test_steps_do_not_end_a_run_that_has_another_budget(budget: dict[str, object]) -> None:
    assert train(**budget).max_steps is None
    assert train(**budget, max_steps=7).max_steps == 7
    assert train(**budget, preset="auto").max_steps is None


def test_a_run_without_any_budget_ends_after_the_default() -> None:
    assert train().max_steps == DEFAULT_STEPS
    assert "max_steps" not in train().model_fields_set
