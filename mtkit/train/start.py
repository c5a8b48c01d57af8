"""How a run begins: with the weights of another model, and with operations that repeat their bits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from mtkit.config.model import ModelConfig
from mtkit.config.schema import Config
from mtkit.data.prepare.prepared import Prepared
from mtkit.errors import InputError
from mtkit.model.checkpoint import load_model, weights_of
from mtkit.runs.find import trained_model

DETERMINISTIC = (
    "deterministic: equal data, options and seed give equal weights, bit for bit, on this kind of device, "
    "with this number of threads and these versions of mtkit and torch"
)

_FREE = {"preset", "dropout", "attention_dropout", "activation_dropout", "embedding_dropout", "init"}
"""Options of the model that change neither its weights' shapes nor what they mean."""


def begin_from(folder: Path, config: Config, prepared: Prepared) -> tuple[dict[str, Tensor], str]:
    """The weights of the run or model folder `folder`, and the model folder that they come from.

    Raises:
        InputError: there is no model, or its tokenizer or architecture differs; every difference is named.
    """
    found = trained_model(folder)
    there = load_model(found)
    reasons = [
        f"model.{name} = {ours} (there: {theirs})"
        for name, ours, theirs in _differences(config.model, there.config.model)
    ]
    advice = ["Set these model options to the other model's values."] if reasons else []
    if there.tokenizer.fingerprint != prepared.tokenizer.fingerprint:
        reasons.insert(0, "the tokenizer")
        path = f"{found} and separate: true" if not there.tokenizer.is_joint else found / "tokenizer.model"
        advice.insert(0, f"Set tokenizer.path: {path}, and prepare the data with it.")
    if reasons:
        raise InputError(
            f"train.init_from: {found}: differs in {'; '.join(reasons)}.",
            " ".join(advice),
        )
    return weights_of(there.model), str(found)


def _differences(ours: ModelConfig, theirs: ModelConfig) -> Iterator[tuple[str, object, object]]:
    for name in ModelConfig.model_fields:
        mine, other = getattr(ours, name), getattr(theirs, name)
        if name not in _FREE and mine != other:
            yield name, mine, other


@contextmanager
def repeatable(wanted: bool) -> Iterator[None]:
    """Within the block torch uses only operations that give the same bits in every run, if so wanted."""
    if not wanted:
        yield
        return
    # Read when the first matrix product on a GPU is made.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
