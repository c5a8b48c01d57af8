"""The start of a run: weights of another model, and deterministic operations."""

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
    "deterministic: the same data, options and seed give bit-identical weights on this kind of device, with "
    "this number of threads and these versions of mtkit and torch"
)

_FREE = {"preset", "dropout", "attention_dropout", "activation_dropout", "embedding_dropout", "init"}
"""Options of the model that affect neither the shapes nor the meaning of its weights."""


def begin_from(folder: Path, config: Config, prepared: Prepared) -> tuple[dict[str, Tensor], str]:
    """The weights in the run or model folder `folder`, and the path of the model folder.

    Raises:
        InputError: there is no model, or its tokenizer or architecture differs; the message lists all
            differences.
    """
    found = trained_model(folder)
    there = load_model(found)
    reasons = [
        f"model.{name} = {ours} (other model: {theirs})"
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
    """If `wanted`, torch uses only deterministic operations within the block."""
    if not wanted:
        yield
        return
    # cuBLAS reads this at the first matrix product on a GPU.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
