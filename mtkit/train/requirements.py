"""What a training needs and does not have, found before any work. Imports torch only to look for a GPU."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from mtkit.config.model import SHAPE
from mtkit.config.schema import Config
from mtkit.errors import InputError, MtkitError, UsageError
from mtkit.runs.find import config_of, trained_model


def faults_of_training(config: Config) -> Iterator[tuple[str, MtkitError]]:
    """The options of `train` that cannot be used here, each with what is wrong."""
    train = config.train
    if train.init_from is not None:
        try:
            check_origin(config)
        except MtkitError as error:
            yield "train.init_from", error
    if train.precision == "fp16" or train.device == "cuda":
        from mtkit.engine.native import choose_device
        from mtkit.train.machine.precision import training_dtype

        try:
            device = choose_device(train.device)
        except UsageError as error:
            yield "train.device", error
        else:
            try:
                training_dtype(train.precision, device)
            except UsageError as error:
                yield "train.precision", error
    if train.wandb and importlib.util.find_spec("wandb") is None:
        advice = "Install it: pip install wandb."
        yield "train.wandb", UsageError("Weights & Biases is not installed.", advice)


def origin_of(config: Config) -> Path:
    """The model folder of `train.init_from`.

    Raises:
        InputError: there is no model.
    """
    assert config.train.init_from is not None
    return trained_model(config.train.init_from, "Name a run or model folder with a trained model.")


def check_origin(config: Config) -> None:
    """Checks that the weights of `train.init_from` fit the model of the config.

    Options of the model that `auto` chooses are not compared: it takes the origin's. Nor is the vocabulary:
    the run starts with embeddings for its own.

    Raises:
        InputError: there is no model, or its architecture differs; the message lists all differences.
        ConfigError: its config cannot be read.
    """
    found = origin_of(config)
    model, theirs = config.model, config_of(found).model
    compared = (name for name in SHAPE if model.preset != "auto" or name in model.model_fields_set)
    reasons = [
        f"model.{name} = {getattr(model, name)} (other model: {getattr(theirs, name)})"
        for name in compared
        if getattr(model, name) != getattr(theirs, name)
    ]
    if reasons:
        raise InputError(
            f"{found}: differs in {'; '.join(reasons)}.",
            "Set these model options to the other model's values.",
        )
