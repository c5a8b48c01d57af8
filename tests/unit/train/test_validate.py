"""Validation translates in the same way whatever the run's method of search is."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from mtkit.config.decode import DecodeConfig, DecodeMethod
from mtkit.config.load import load_config
from mtkit.config.schema import Config
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import Prepared, open_prepared
from mtkit.model.transformer import build_model
from mtkit.train.validate import Validation, Validator
from tests.support.trainings import CONFIG

OF_METHOD: dict[DecodeMethod, dict[str, object]] = {
    "beam": {"patience": 3.0, "min_len": 7, "repetition_penalty": 3.0},
    "diverse_beam": {"beam_size": 5, "diversity_groups": 5},
    "sample": {"num_samples": 3},
    "mbr": {"top_p": 0.9},
}
"""Options of each method, and rules, that would change or stop a validation."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Prepared]:
    folder = tmp_path_factory.mktemp("validate")
    path = folder / "c.yaml"
    path.write_text(CONFIG, "utf-8")
    config = load_config([path], [f"run={folder / 'run'}", "data.valid.pairs=8"]).config
    prepare(config)
    return config, open_prepared(config)


def validated(run: tuple[Config, Prepared], decode: DecodeConfig) -> Validation:
    config, prepared = run
    config = config.model_copy(update={"decode": decode})
    sizes = prepared.tokenizer.src.size, prepared.tokenizer.tgt.size
    model = build_model(config.model, *sizes, seed=4)
    found = Validator(config, prepared, torch.device("cpu"), torch.float32)(model, 0)
    assert found is not None
    return found


@pytest.mark.parametrize("method", get_args(DecodeMethod))
def test_the_method_of_the_run_does_not_change_its_validation(
    run: tuple[Config, Prepared], method: DecodeMethod
) -> None:
    options = DecodeConfig.model_validate({"method": method, **OF_METHOD[method]})
    assert validated(run, options) == validated(run, DecodeConfig())
