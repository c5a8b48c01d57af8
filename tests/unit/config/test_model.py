from __future__ import annotations

import re

from mtkit.cli.train import train
from mtkit.config.model import PRESETS, ModelConfig, num_parameters


def test_the_help_of_train_tells_the_parameters_of_each_preset() -> None:
    said = dict(re.findall(r"([a-z-]+) ([0-9.]+) M\b", train.__doc__ or ""))
    configs = {name: ModelConfig.model_validate({"preset": name}) for name in PRESETS}
    counts = {name: f"{num_parameters(config, 8000, 8000) / 1e6:.1f}" for name, config in configs.items()}
    assert said == counts


def test_what_is_given_goes_before_the_preset() -> None:
    config = ModelConfig.model_validate({"preset": "paper-big", "dropout": 0.1, "num_kv_heads": 4})
    assert (config.dropout, config.d_model, config.norm) == (0.1, 1024, "post")
    assert (config.kv_heads, config.d_head) == (4, 64)
    assert ModelConfig(preset="tiny").kv_heads == 4
