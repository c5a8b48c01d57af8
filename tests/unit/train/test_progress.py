from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from mtkit.config.fixed import BestMetric
from mtkit.config.train import TrainConfig
from mtkit.data.feed.loader import Cursor
from mtkit.train.progress import Cooldown, Progress, stalled
from mtkit.train.validate import Validation
from mtkit.train.watch.monitor import Sample


def test_json_keeps_everything() -> None:
    best = (((31.5, -1.25), 6), ((30.0, -1.5), 4))
    start = {"": {"loss": 3.5, "bleu": 20.0}}
    progress = Progress(
        7, Cursor(2, 5), 1234, 5.5, best, ((31.5, -1.25),), (1,), (1,), 2, "there", "abc", start=start
    )
    progress = replace(progress, recent=(7, 5), lr=1e-3, cooldown=Cooldown(5, 4.5, 2e-3))
    assert Progress.from_json(json.loads(json.dumps(progress.to_json()))) == progress


@pytest.mark.parametrize(
    ("limits", "share"),
    [
        ({"max_steps": 100}, 0.5),
        ({"max_steps": 100, "max_time": 50.0}, 0.8),
        ({"max_steps": None, "max_epochs": 2}, 0.625),
        ({"max_steps": 20, "max_time": 50.0}, 1.0),
    ],
)
def test_share_is_that_of_the_first_limit(limits: dict[str, float], share: float) -> None:
    progress = Progress(step=50, cursor=Cursor(1, 25), seconds=40.0)
    config = TrainConfig.model_validate(limits)
    assert progress.share(config, steps_per_epoch=100) == pytest.approx(share)


def after(validations: Sequence[tuple[float, float]], **options: object) -> Progress:
    """The progress after validations of these losses and scores by BLEU."""
    config = TrainConfig.model_validate(options)
    progress = Progress()
    for step, (loss, bleu) in enumerate(validations, start=1):
        found = Validation(loss, {"bleu": bleu}, (Sample("", "", ""),))
        qualities = [found.quality(metric) for metric in config.best_metric]
        progress = replace(progress, step=step).validated(qualities, config)
    return progress


@pytest.mark.parametrize(
    ("options", "recent", "averaged"),
    [
        ({"average": 2}, (), (2, 4)),
        ({"average": 2, "average_of": "last"}, (5, 4), (5, 4)),
        ({"average": 9, "average_of": "last"}, (5, 4, 3, 2, 1), (5, 4, 3, 2, 1)),
    ],
)
def test_the_best_or_the_last_models_are_averaged(
    options: dict[str, object], recent: tuple[int, ...], averaged: tuple[int, ...]
) -> None:
    scores = [(3.0, 1.0), (3.0, 5.0), (3.0, 2.0), (3.0, 4.0), (3.0, 3.0)]
    progress = after(scores, keep_best=3, **options)
    assert progress.recent == recent
    assert progress.averaged(TrainConfig.model_validate(options)) == averaged
    assert progress.kept() == {2, 4, 5, *recent}


def test_the_model_at_the_start_is_none_of_the_last() -> None:
    config = TrainConfig(average_of="last")
    assert Progress().validated([(1.0,)], config).recent == ()


@pytest.mark.parametrize(
    ("validations", "best", "stale"),
    [
        ([(4.5, 0.0), (4.1, 0.0), (4.0, 0.0)], 3, 0),  # the loss still falls
        ([(4.5, 0.0), (4.1, 0.0), (4.2, 0.0)], 2, 1),
        ([(4.5, 0.04), (4.1, 0.01)], 2, 0),  # both are shown as 0.0
        ([(4.5, 0.04), (4.9, 3.0)], 2, 0),
        ([(2.0, 20.0), (1.9, 20.0), (1.95, 20.0)], 2, 1),
        ([(2.0, 20.0), (1.5, 19.9)], 1, 1),
        ([(2.0, 20.0), (1.5, 0.0)], 1, 1),
    ],
)
def test_the_loss_decides_ties_and_scores_of_zero(
    validations: list[tuple[float, float]], best: int, stale: int
) -> None:
    progress = after(validations)
    assert (progress.best[0][1], progress.stale) == (best, (stale,))


def test_plateau_waits_while_the_loss_falls() -> None:
    options = {"optimizer": {"schedule": "plateau", "plateau_patience": 1}}
    assert after([(4.5, 0.0), (4.1, 0.0), (4.0, 0.0), (3.9, 0.0)], **options).lowered == 0
    assert after([(4.5, 0.0), (4.1, 0.0), (4.2, 0.0), (4.3, 0.0)], **options).lowered == 2


OVERFITTED = [(2.0, 20.0), (1.8, 21.0), (1.9, 22.0), (2.0, 23.0)]
"""The loss rises from the third validation on, while BLEU goes on rising."""


@pytest.mark.parametrize(
    ("metrics", "on", "best", "waited"),
    [
        ("loss", "all", 2, 2),
        ("bleu", "all", 4, 0),
        (["bleu", "loss"], "all", 4, 0),
        (["loss", "bleu"], "all", 2, 0),
        (["loss", "bleu"], "any", 2, 2),
    ],
)
def test_several_metrics_are_combined(metrics: object, on: str, best: int, waited: int) -> None:
    progress = after(OVERFITTED, best_metric=metrics, patience_on=on)
    config = TrainConfig.model_validate({"patience_on": on})
    assert (progress.best[0][1], stalled(progress.stale, config)) == (best, waited)


@pytest.mark.parametrize(
    ("metrics", "best"),
    [(["bleu", "chrf"], 1), (["bleu"], 2), (["bleu", "loss", "chrf"], 2), (["chrf", "bleu"], 1)],
)
def test_the_next_metric_decides_ties_before_the_loss(metrics: list[BestMetric], best: int) -> None:
    config = TrainConfig(best_metric=tuple(metrics), keep_best=2)
    progress = Progress()
    for step, (loss, bleu, chrf) in enumerate([(2.0, 20.0, 45.0), (1.5, 20.0, 44.0)], start=1):
        found = Validation(loss, {"bleu": bleu, "chrf": chrf}, (Sample("", "", ""),))
        qualities = [found.quality(metric) for metric in config.best_metric]
        progress = replace(progress, step=step).validated(qualities, config)
    assert progress.best[0][1] == best


LINEAR = {"lr": 0.1, "warmup_steps": 1, "schedule": "linear"}


@pytest.mark.parametrize("budget", [{"cooldown": "50s"}, {"cooldown_steps": 100}])
def test_a_cooldown_is_a_straight_line_from_the_last_rate_to_zero(budget: dict[str, object]) -> None:
    """Two steps a second; neither the schedule nor the rest of the budget counts."""
    config = TrainConfig.model_validate({"max_steps": 210, "optimizer": LINEAR, **budget})
    begun = Progress(step=200, seconds=100.0, lr=0.04).cooling(config)
    for made in (0, 25, 99, 100):
        progress = replace(begun, step=200 + made, seconds=100.0 + made / 2, lr=0.123)
        progress = progress.cooling(config)  # as where the run was resumed in the cooldown
        share = progress.share(config, steps_per_epoch=7)
        assert share == pytest.approx(made / 100)
        assert progress.rate(config, share) == pytest.approx(0.04 * (1 - made / 100), abs=1e-12)
        assert bool(progress.end_reason(config, share)) == (made == 100)
    assert progress.end_reason(config, 1.0) == "cooldown from step 200 finished"


def test_without_the_option_a_run_goes_on_by_its_schedule() -> None:
    cooling = Progress(step=50, lr=0.01, cooldown=Cooldown(40, 1.0, 0.1))
    config = TrainConfig.model_validate({"max_steps": 101, "optimizer": LINEAR})
    resumed = cooling.cooling(config)
    share = resumed.share(config, steps_per_epoch=7)
    assert share == pytest.approx(50 / 101)
    assert resumed.rate(config, share) == pytest.approx(0.1 * (1 - 50 / 101))


def test_patience_does_not_end_a_cooldown() -> None:
    config = TrainConfig.model_validate({"patience": 1, "cooldown_steps": 10})
    stale = Progress(step=8, stale=(3,), lr=0.1)
    assert stale.end_reason(config, 0.5)
    assert not stale.cooling(config).end_reason(config, 0.5)
