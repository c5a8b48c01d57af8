"""Training with and without each trick learns alike."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mtkit.model.tricks import Tricks, tricks
from mtkit.train.watch.monitor import Logged
from tests.support.trainings import go

OPTIONS = (
    "train.precision=bf16",
    "train.max_steps=200",
    "train.log_every=50",
    "train.validate_every=200",
    "train.save_every=200",
)
NUMERICAL = [trick.name for trick in dataclasses.fields(Tricks) if trick.name != "kept_blocks"]
# Other masks, and products rounded in another order: two seeds differ by as much.
TOLERANCE = 0.12

pytestmark = pytest.mark.slow


def curve(folder: Path) -> list[float]:
    """Mean loss of each fifty steps."""
    folder.mkdir()
    return [event.loss for event in go(folder, *OPTIONS).told(Logged) if isinstance(event, Logged)]


@pytest.fixture(scope="module")
def with_all(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    losses = curve(tmp_path_factory.mktemp("tricks") / "all")
    assert losses[-1] < losses[0] - 0.5  # it learns: curves of nothing are alike too
    return losses


@pytest.mark.parametrize("name", NUMERICAL)
def test_learns_alike_without(
    name: str, with_all: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tricks, name, False)
    assert curve(tmp_path / name) == pytest.approx(with_all, abs=TOLERANCE)
