"""What a training tells, and where it is written to."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

from mtkit.train.watch.monitor import Logged, Sample, Validated

SAMPLE = Sample("a [bold]cat", "un chat", "un chat gras")


def logged(step: int, loss: float = 2.0) -> Logged:
    return Logged(step, 0.5, loss, 1e-3, 0.7, 4000.0, 12.5, 0.1)


def validated(step: int) -> Validated:
    return Validated(step, 1.5, {"bleu": 31.0, "chrf": 55.0}, True, SAMPLE, 13.0)


class FakeWandb(ModuleType):
    """What is used of the package wandb; remembers what it is told."""

    class Error(Exception):
        pass

    def __init__(self, refuses: str = "", kind: type[Exception] = Error) -> None:
        super().__init__("wandb")
        self.kind = kind
        self.refuses = refuses
        self.begun: list[dict[str, Any]] = []
        self.told: list[dict[str, float]] = []
        self.finished = 0
        self.is_gone = False

    def Settings(self, **settings: Any) -> dict[str, Any]:
        return settings

    def init(self, **options: Any) -> FakeWandb:
        if self.refuses:
            raise self.kind(self.refuses)
        self.begun.append(options)
        return self

    def define_metric(self, name: str, step_metric: str) -> None:
        assert (name, step_metric) == ("*", "step")

    def log(self, numbers: dict[str, float]) -> None:
        if self.is_gone:
            raise ConnectionResetError("the service\nis gone")
        self.told.append(numbers)

    def finish(self) -> None:
        self.finished += 1


def make_run(folder: Path, losses: list[float], end: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        {"step": 50 * n, "seconds": 30.0 * n, "train/loss": loss, "train/lr": 1e-3}
        for n, loss in enumerate(losses, start=1)
    ]
    valid = {"step": 100, "seconds": 70.0, "valid/loss": 3.5, "valid/bleu": 12.0, "valid/news/bleu": 9.0}
    final = {"step": 150, "seconds": 90.0, "final/bleu": 13.0}
    text = "".join(json.dumps(line) + "\n" for line in [*lines, valid, final])
    (folder / "metrics.jsonl").write_text(text + end, "utf-8")
    return folder
