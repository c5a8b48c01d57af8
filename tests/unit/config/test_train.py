"""The options of training, alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from mtkit.config.train import DEFAULT_STEPS, TrainConfig


def train(**options: object) -> TrainConfig:
    return TrainConfig.model_validate(options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"optimizer": {"method": "schedule_free"}}, "schedule = inverse_sqrt and method = schedule_free"),
        (
            {"optimizer": {"method": "schedule_free", "schedule": "constant", "cooldown": 0.2}},
            "cooldown and method = schedule_free cannot be combined",
        ),
        (
            {"optimizer": {"method": "schedule_free", "schedule": "constant", "betas": (0.0, 0.9)}},
            "β₁ = 0 and method = schedule_free",
        ),
        (
            {"ema": 0.9, "optimizer": {"method": "schedule_free", "schedule": "constant"}},
            "ema and optimizer.method = schedule_free cannot be combined",
        ),
        (
            {"cooldown": "5m", "optimizer": {"method": "schedule_free", "schedule": "constant"}},
            "cooldown and optimizer.method = schedule_free cannot be combined",
        ),
    ],
)
def test_one_average_and_no_schedule_with_schedule_free(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        train(**options)


@pytest.mark.parametrize("budget", [{"max_time": "24h"}, {"max_epochs": 50}])
def test_steps_do_not_end_a_run_that_has_another_budget(budget: dict[str, object]) -> None:
    assert train(**budget).max_steps is None
    assert train(**budget, max_steps=7).max_steps == 7
    assert train(**budget, preset="auto").max_steps is None


def test_a_run_without_any_budget_ends_after_the_default() -> None:
    assert train().max_steps == DEFAULT_STEPS
    assert "max_steps" not in train().model_fields_set


def test_more_models_than_are_kept_cannot_be_averaged() -> None:
    with pytest.raises(ValidationError, match="Set keep_best: 8, or average: 5"):
        train(average=8)
    with pytest.raises(ValidationError, match="Set keep_best: 3, or average: 2"):
        train(average=3, keep_best=2)
    assert train(average=8, keep_best=8).average == 8
    assert train(average=20, average_of="last").average == 20


def test_a_few_kept_models_are_all_averaged_by_default() -> None:
    assert (train().average, train(keep_best=2).average, train(keep_best=9).average) == (5, 2, 5)
    assert train(keep_best=2, average_of="last").average == 5


@pytest.mark.parametrize("value", [[[]], [{}], ["bleu", ["chrf"]], [], 3, [None]])
def test_a_best_metric_of_another_kind_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match="must be bleu"):
        TrainConfig.model_validate({"best_metric": value})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "lora.rank needs init_from"),
        ({"init_from": Path("x"), "optimizer": {"method": "muon"}}, "lora and optimizer.method = muon"),
        ({"init_from": Path("x"), "freeze": ("encoder",)}, "lora and freeze cannot be combined"),
        ({"init_from": Path("x"), "parallel": "fsdp"}, "lora and parallel = fsdp cannot be combined"),
    ],
)
def test_lora_is_refused_where_it_cannot_be(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        train(lora={"rank": 4}, **options)
