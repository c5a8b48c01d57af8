"""The start of a run: weights of another model, a cooldown, and deterministic operations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from mtkit.config.schema import Config
from mtkit.data.prepare.prepared import Prepared
from mtkit.errors import InputError, UsageError
from mtkit.model.checkpoint import load_model, weights_of
from mtkit.runs.find import trained_model
from mtkit.train.progress import Progress
from mtkit.train.requirements import check_origin

DETERMINISTIC = (
    "deterministic: the same data, options and seed give bit-identical weights on this kind of device, with "
    "this number of threads and these versions of mtkit and torch"
)


def begin_from(folder: Path, config: Config, prepared: Prepared) -> tuple[dict[str, Tensor], str]:
    """The weights in the run or model folder `folder`, and the path of the model folder.

    Raises:
        InputError: there is no model, or its tokenizer or architecture differs; the message lists all
            differences.
    """
    try:
        check_origin(config, prepared.tokenizer)
    except InputError as error:
        raise InputError(f"train.init_from: {error.message}", error.hint) from None
    found = trained_model(folder)
    return weights_of(load_model(found).model), str(found)


def cooldown_notes(config: Config, progress: Progress) -> tuple[str, ...]:
    """A note on the cooldown, if the run is to end with one.

    Raises:
        UsageError: there is no update to begin it from.
    """
    if not config.train.cools_down:
        return ()
    begin = progress.cooldown
    if begin is None or not begin.step:
        raise UsageError(
            f"train.cooldown: {config.run} has no checkpoint to begin from.",
            "Train without cooldown first, then resume with it.",
        )
    return (f"cooldown from step {begin.step:,}: the learning rate falls from {begin.lr:.3g} to 0",)


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
