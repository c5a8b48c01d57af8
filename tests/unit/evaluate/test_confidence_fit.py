from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from mtkit.config.load import load_config
from mtkit.data.prepare.prepared import Prepared
from mtkit.evaluate.confidence_fit import fit_finished
from mtkit.runs.exports import CONFIDENCE
from mtkit.translate.open import open_translator
from tests.support.fakes import make_tiny_run


@dataclass
class Pairs:
    """The part of prepared data that confidence is fitted to."""

    count: int
    valid_tags: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def valid_srcs(self) -> list[str]:
        return [f"the cat sat on {'the ' * (number % 5)}mat" for number in range(self.count)]

    @property
    def valid_refs(self) -> list[str]:
        return [f"le chat est {'sur ' * (number % 7)}le tapis" for number in range(self.count)]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_config([make_tiny_run(tmp_path_factory.mktemp("finished"))]).config


def fitted(config: Any, pairs: Pairs, said: list[str], stop: bool = False) -> Path:
    folder: Path = config.run / "model"
    fit_finished(folder, cast(Prepared, pairs), config, said.append, lambda: stop)
    return folder / CONFIDENCE


def test_too_few_pairs_and_a_stop_leave_a_finished_model_as_it_is(config: Any) -> None:
    said: list[str] = []
    assert not fitted(config, Pairs(49), said).exists()
    assert said == [
        "confidence not fitted: 49 validation pairs, expected 50 or more. Add some to data.valid."
    ]
    assert not fitted(config, Pairs(60), said, stop=True).exists()
    assert len(said) == 1


def test_a_finished_model_gets_the_same_confidence_each_time(
    config: Any, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    with caplog.at_level(logging.WARNING):
        first = fitted(config, Pairs(60), said).read_bytes()
        assert fitted(config, Pairs(60), said).read_bytes() == first
    assert said == []
    assert caplog.messages == []  # how good the model is, the training says
    assert open_translator(config.run / "model").confidence.examples == 120
