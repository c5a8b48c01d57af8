"""The translation memory that a model is given while it is evaluated. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtkit.config.schema import Config
from mtkit.data.prepare.shard_texts import open_training_text
from mtkit.errors import InputError, UsageError
from mtkit.translate.memory_files import read_memory
from mtkit.translate.translation_memory import TranslationMemory
from mtkit.translate.translator import Translator

TRAIN = "train"
"""In place of files: the training pairs of the run."""


def check_memory(asked: Sequence[str]) -> None:
    """Checks that the files are there, before any work.

    Raises:
        InputError: one is missing.
        UsageError: files are named beside the training pairs.
    """
    if TRAIN in asked and len(asked) > 1:
        raise UsageError(f"--memory {TRAIN}: excludes files.", f"For a file of this name, write ./{TRAIN}.")
    for path in map(Path, asked):
        if str(path) != TRAIN and not path.is_file():
            raise InputError(f"{path}: there is no such file.", "Name the files of a translation memory.")


def open_memory(
    asked: Sequence[str], config: Config, run: Path, translator: Translator
) -> TranslationMemory | None:
    """The memory in some files, or of the training pairs of a run; None if nothing is asked for.

    Raises:
        InputError: a file cannot be read or is in other languages, or the training pairs are not there.
    """
    if not asked:
        return None
    normalize = translator.tokenizer.form.normalize
    if TRAIN not in asked:
        return read_memory(list(map(Path, asked)), translator.languages, normalize)
    training = open_training_text(run, config)
    if training is None:
        raise InputError(f"{run}: the training pairs are not there.", "Run `mtkit prepare`, or name files.")
    pairs = (pair for srcs, tgts in training.blocks() for pair in zip(srcs, tgts, strict=True))
    return TranslationMemory(pairs, normalize)
