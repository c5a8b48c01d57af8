from __future__ import annotations

import json

import pytest

from mtkit.config.train import TrainConfig
from mtkit.data.feed.loader import Cursor
from mtkit.train.progress import Progress


def test_json_keeps_everything() -> None:
    progress = Progress(7, Cursor(2, 5), 1234, 5.5, ((31.5, 6), (30.0, 4)), 1, 1, 2, "there", "abc")
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
