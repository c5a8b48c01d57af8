"""What a training needs and does not have, found before any work. Imports torch only to look for a GPU."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from mtkit.config.model import SHAPE
from mtkit.config.schema import Config
from mtkit.data.prepare.inputs import given_models, settings_of
from mtkit.data.prepare.prepared import is_prepared, open_prepared
from mtkit.errors import InputError, MtkitError, UsageError
from mtkit.runs.find import config_of, trained_model
from mtkit.text.tokenizer import Tokenizer, load_tokenizer, read_tokenizer

_TOKENIZER = ("seed", "languages", "train", "filters", "text", "tokenizer", "tags")
"""Settings of prepared data that decide a tokenizer that is trained on them."""


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


def check_origin(config: Config, tokenizer: Tokenizer | None = None) -> None:
    """Checks that the weights of `train.init_from` fit the model of the config.

    Args:
        config: of the run. Options of the model that `auto` chooses are not compared: it takes the origin's.
        tokenizer: of its data; None for the one that the config names or that its prepared data have. If it
            is still to be trained, the options that decide it are compared instead.

    Raises:
        InputError: there is no model, or its tokenizer or architecture differs; the message lists all
            differences.
        ConfigError: its config cannot be read.
    """
    found = origin_of(config)
    theirs = config_of(found)
    model = config.model
    compared = (name for name in SHAPE if model.preset != "auto" or name in model.model_fields_set)
    reasons = [
        f"model.{name} = {getattr(model, name)} (other model: {getattr(theirs.model, name)})"
        for name in compared
        if getattr(model, name) != getattr(theirs.model, name)
    ]
    advice = ["Set these model options to the other model's values."] if reasons else []
    if tokenizer is None:
        tokenizer = _tokenizer_of(config)
    there = load_tokenizer(found, theirs.text)
    if tokenizer is None:
        ours, other = settings_of(config), settings_of(theirs)
        same = all(ours.get(name) == other.get(name) for name in _TOKENIZER)
    else:
        same = tokenizer.fingerprint == there.fingerprint
    if not same:
        reasons.insert(0, "the tokenizer")
        path = f"{found} and separate: true" if not there.is_joint else found / "tokenizer.model"
        advice.insert(0, f"Set tokenizer.path: {path}, and prepare the data with it.")
    if reasons:
        raise InputError(f"{found}: differs in {'; '.join(reasons)}.", " ".join(advice))


def _tokenizer_of(config: Config) -> Tokenizer | None:
    """The tokenizer of the config or of its prepared data; None if it is still to be trained."""
    models = given_models(config.tokenizer)
    if models:
        return read_tokenizer(models, config.text)
    return open_prepared(config).tokenizer if is_prepared(config) else None
