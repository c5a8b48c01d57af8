from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mtkit.errors import InputError
from mtkit.runs.training import Training, read_training


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (Training(16, 2000, finished=False), ["unfinished: step 16 of 2,000"]),
        (Training(1016, None, finished=False), ["unfinished: step 1,016"]),
        (Training(24, 80, finished=False, stopped_early=True), ["stopped early: step 24 of 80"]),
        (Training(2000, 2000, finished=False), []),
        (Training(700, 2000, finished=True, bleu=20.0), []),
        (Training(700, 2000, finished=True, bleu=0.31), ["BLEU 0.3 on its validation set: not usable yet"]),
        (
            Training(16, 2000, finished=False, bleu=19.94),
            ["unfinished: step 16 of 2,000", "BLEU 19.9 on its validation set: not usable yet"],
        ),
    ],
)
def test_an_unfinished_or_weak_model_is_called_that(training: Training, said: list[str]) -> None:
    assert training.remarks() == said
    assert read_training(Path(), {"training": training.values()}) == training


def test_an_older_folder_says_nothing() -> None:
    assert read_training(Path(), {"step": 3}) is None


@pytest.mark.parametrize(
    "values",
    [
        3,
        {},
        {"step": "3"},
        {"step": -1},
        {"step": 3, "bleu": float("nan")},
        {"step": 3, "bleu": "\x1b[31m"},
        {"step": 3, "finished": 1},
        {"step": 3, "stopped_early": "no"},
        {"step": 3, "max_steps": 1 << 60},
        {"step": 3, "other": 1},
    ],
)
def test_invalid_values_are_refused(values: Any) -> None:
    with pytest.raises(InputError, match="training = "):
        read_training(Path(), {"training": values})
