"""The start of a run: weights of another model, a cooldown, and deterministic operations."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mtkit.config.decode import DecodeConfig
from mtkit.config.schema import Config
from mtkit.data.prepare.prepared import Prepared
from mtkit.errors import InputError, UsageError
from mtkit.model.checkpoint import load_model, weights_of
from mtkit.runs.find import trained_model
from mtkit.text.tokenizer import JOINT, Tokenizer
from mtkit.train.progress import Progress
from mtkit.train.requirements import check_origin
from mtkit.train.transplant import check_fresh, compare, transplant

DETERMINISTIC = (
    "deterministic: the same data, options and seed give bit-identical weights on this kind of device, with "
    "this number of threads and these versions of mtkit and torch"
)


@dataclass(frozen=True, slots=True)
class Origin:
    """The initial model of a run.

    Attributes:
        folder: of the model.
        weights: by name, for the vocabulary of the run.
        notes: on tags that the run does without, and on the vocabulary, if it is another one.
    """

    folder: str
    weights: dict[str, Tensor]
    notes: tuple[str, ...] = ()


def begin_from(folder: Path, config: Config, prepared: Prepared) -> Origin:
    """The model in the run or model folder `folder`, for the vocabulary of `prepared`.

    Raises:
        InputError: there is no model, its architecture differs (the message lists all differences), or its
            vocabulary has too little of the training text.
    """
    try:
        check_origin(config)
        found = trained_model(folder)
        loaded = load_model(found)
        weights = weights_of(loaded.model)
        new, old = prepared.tokenizer, loaded.tokenizer
        notes = tuple(_unused_tags(config, loaded.config.decode))
        if _same_vocabulary(new, old):
            return Origin(str(found), weights, notes)
        if config.train.lora.rank:
            raise InputError(
                f"{found}: has another vocabulary, and an adapter (train.lora) keeps that of its model.",
                f"Set tokenizer.path: {found / JOINT}, and prepare the data with it.",
            )
        compared = compare(new, old, prepared.train)
        try:
            check_fresh(compared, config.train.max_fresh)
        except InputError as error:
            raise InputError(f"{found}: {error.message}", error.hint) from None
    except InputError as error:
        raise InputError(f"train.init_from: {error.message}", error.hint) from None
    return Origin(str(found), transplant(weights, new, old, config.seed), (*notes, *compared.lines()))


def _unused_tags(config: Config, theirs: DecodeConfig) -> Iterator[str]:
    """Notes on tags that the initial model was given, and this run is not."""
    if lacking := [tag for tag in theirs.tags if tag not in config.data.tags]:
        yield f"the initial model was given {_pieces(lacking)} before each source (tags of data.train.*)"
    if theirs.target_tag is not None and config.decode.target_tag is None:
        yield (
            f"the initial model read {_pieces([theirs.target_tag])} before each translation "
            f"(decode.target_tag: {theirs.target_tag})"
        )


def _pieces(tags: Sequence[str]) -> str:
    return " ".join(f"<{tag}>" for tag in tags)


def _same_vocabulary(new: Tokenizer, old: Tokenizer) -> bool:
    return (new.src.fingerprint, new.tgt.fingerprint) == (old.src.fingerprint, old.tgt.fingerprint)


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
