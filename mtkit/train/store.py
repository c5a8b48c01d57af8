"""The models in a run folder: checkpoints to resume from, the best models, the final one."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtkit import __version__
from mtkit.config.changes import check, compare
from mtkit.config.load import load_config
from mtkit.config.schema import Config
from mtkit.data.prepare.identity import deciding, other_data
from mtkit.data.prepare.prepared import Prepared
from mtkit.disk.files import recover
from mtkit.engine.native import choose_device
from mtkit.errors import ConfigError, InputError, WriteError
from mtkit.model.adapter import fingerprint_of, write_adapter
from mtkit.model.checkpoint import (
    keep_only,
    load_train_state,
    load_weights,
    newest_checkpoint,
    read_progress,
    step_folder,
    step_folders,
    step_of,
    write_model,
)
from mtkit.runs.exports import CONFIG
from mtkit.runs.layout import ADAPTER, BEST, CHECKPOINTS, MODEL, inside
from mtkit.runs.training import Training
from mtkit.train.machine.precision import training_dtype
from mtkit.train.optim.lora import LowRank
from mtkit.train.progress import Progress
from mtkit.train.word_lexicon import lexicon_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state to resume from: weights, the remaining tensors of the updates, and the progress."""

    folder: Path
    weights: dict[str, Tensor]
    state: dict[str, Tensor]
    progress: Progress


class Store:
    """The models of a run folder; each is written whole or not at all.

    Args:
        config: of the run.
        prepared: its data.
        allowed: options that may differ from the last checkpoint.
        num_ranks: processes that train together.

    Attributes:
        failure: the error that kept the last checkpoint from being written; None if it was written.
    """

    def __init__(
        self, config: Config, prepared: Prepared, allowed: Collection[str] = (), num_ranks: int = 1
    ) -> None:
        self.config = config
        self.prepared = prepared
        self.run = config.run
        self.allowed = allowed
        self.num_ranks = num_ranks
        self.failure: WriteError | None = None
        self._bad: dict[Path, str] = {}  # checkpoints that cannot be resumed from, with the reason
        self._compared: set[Path] = set()  # with their hashes
        self._left: set[Path] = set()  # the user has been told

    # ------------------------------------------------------------ resuming

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest complete checkpoint, if there is one, and notes for the user.

        Raises:
            InputError: the run folder belongs to other data.
            UsageError: an option has changed that must not, or whose change must be declared.
        """
        for parent, name in ((CHECKPOINTS, "step-*"), (BEST, "step-*"), (".", MODEL)):
            recover(self.run / parent, name)
        folder, notes = newest_checkpoint(self.run)
        newer = [
            each for each in step_folders(inside(self.run, CHECKPOINTS)) if folder is None or each > folder
        ]
        self._bad = dict(zip(reversed(newer), notes, strict=True))
        if folder is None:
            return None, notes
        self._compared.add(folder)
        state, values = load_train_state(folder)
        machine = values.pop("machine", {})
        machine = machine if isinstance(machine, dict) else {}
        progress = Progress.from_json(values)
        notes += self._changes(folder, progress)
        notes += [
            f"changed: {name}: {machine[name]} → {now}: from here on, numbers may be rounded differently"
            for name, now in self._machine().items()
            if name in machine and machine[name] != now
        ]
        notes.append(f"resuming from step {progress.step:,}")
        return Checkpoint(folder, load_weights(folder), state, progress), notes

    def _changes(self, folder: Path, progress: Progress) -> list[str]:
        """Notes on the options that have changed since the checkpoint was written."""
        try:
            changes = compare(load_config([folder / CONFIG]).config, self.config)
        except ConfigError:
            if progress.data != self.prepared.fingerprint:
                raise other_data(self.run, []) from None
            return [
                f"{folder / CONFIG}: was written by another version of mtkit, so changed options are not "
                "detected"
            ]
        if progress.data != self.prepared.fingerprint:
            raise other_data(self.run, [change.values for change in deciding(changes)])
        return check(changes, self.allowed, f"{self.run}, step {progress.step:,}")

    def _machine(self) -> dict[str, Any]:
        """Everything besides the config that affects rounding."""
        device = choose_device(self.config.train.device)
        return {
            "mtkit": __version__,
            "torch": torch.__version__,
            "device": device.type,
            "precision": str(training_dtype(self.config.train.precision, device)).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "ranks": self.num_ranks,
        }

    # ------------------------------------------------------------ keeping

    def save(self, weights: dict[str, Tensor], state: dict[str, Tensor], progress: Progress) -> Path:
        """Writes a checkpoint, removes old ones, and returns its folder.

        If it cannot be written, a warning is logged and `failure` is set; training can continue.
        """
        parent = inside(self.run, CHECKPOINTS)
        folder = step_folder(parent, progress.step)
        self.failure = None
        try:
            stopped_early = progress.is_stale(self.config.train)
            training = self._training(progress.step, stopped_early=stopped_early)
            self._write(folder, weights, training, state, progress)
        except WriteError as error:
            self.failure = error
            logger.warning("%s Training continues without this checkpoint.", error)
            return folder
        self._bad.pop(folder, None)
        self._compared.add(folder)
        self.remove_old(progress.step)
        return folder

    def remove_old(self, step: int) -> None:
        """Removes all but the last good checkpoints up to `step`, and models that none of them needs.

        Checkpoints that cannot be resumed from and those after `step` are not counted and never removed: they
        may be all that is left of an earlier training.
        """
        good: dict[Path, set[Path]] = {}
        left: dict[Path, str] = {}
        for folder in step_folders(inside(self.run, CHECKPOINTS)):
            if step_of(folder) > step:
                left[folder] = self._bad.get(folder, f"{folder}: is of a later step than {step:,}.")
                continue
            try:
                good[folder] = self._needs(folder)
            except InputError as error:
                left[folder] = self._bad[folder] = str(error)
        for folder in sorted(left.keys() - self._left):
            logger.warning(
                "%s This checkpoint is ignored. Delete it when you no longer need it.", left[folder]
            )
        self._left |= left.keys()
        kept = list(good)[-self.config.train.keep_last :]
        keep_only(inside(self.run, CHECKPOINTS), {*kept, *left})
        later = {folder for folder in step_folders(inside(self.run, BEST)) if step_of(folder) > step}
        keep_only(inside(self.run, BEST), later.union(*(good[folder] for folder in kept)))

    def _needs(self, folder: Path) -> set[Path]:
        """The models that a checkpoint needs to resume from it.

        Sizes are compared each time, hashes only once, because nobody else should change the files.

        Raises:
            InputError: the checkpoint cannot be resumed from.
        """
        if folder in self._bad:
            raise InputError(self._bad[folder])
        values = read_progress(folder, hashes=folder not in self._compared)
        self._compared.add(folder)
        values.pop("machine", None)
        return {step_folder(inside(self.run, BEST), step) for step in Progress.from_json(values).kept()}

    def save_best(self, weights: dict[str, Tensor], progress: Progress, bleu: float) -> None:
        """Writes the model of this step if it is one to keep. The next checkpoint removes the others.

        `bleu` is its score on the validation set.
        """
        if progress.step not in progress.kept():
            return
        try:
            folder = step_folder(inside(self.run, BEST), progress.step)
            self._write(folder, weights, self._training(progress.step, bleu=bleu))
        except WriteError as error:
            logger.warning("%s Training continues without this model.", error)

    def models(self, steps: Iterable[int]) -> Iterator[dict[str, Tensor]]:
        """The kept weights of these steps; missing or damaged ones are skipped with a warning."""
        for step in steps:
            try:
                weights = load_weights(step_folder(inside(self.run, BEST), step))
            except InputError as error:
                logger.warning("%s It is skipped.", error)
                continue
            yield weights

    def save_final(self, weights: dict[str, Tensor], step: int, bleu: float) -> Path:
        """Writes the final model with its lexicon and returns its folder.

        `bleu` is its score on the validation set.
        """
        training, lexicon = self._training(step, finished=True, bleu=bleu), self._lexicon()
        self._write(inside(self.run, MODEL), weights, training, lexicon=lexicon)
        return inside(self.run, MODEL)

    def _lexicon(self) -> bytes | None:
        logger.info("learning a lexicon from the training data …")
        return lexicon_of(self.config, self.prepared)

    def save_adapter(self, low_rank: LowRank, weights: dict[str, Tensor], origin: str) -> None:
        """Writes the adapter of the final weights."""
        write_adapter(
            inside(self.run, ADAPTER),
            low_rank.of(weights),
            rank=low_rank.rank,
            alpha=low_rank.alpha,
            base=fingerprint_of(weights | low_rank.start),
            origin=origin,
        )

    def _training(
        self, step: int, *, finished: bool = False, bleu: float | None = None, stopped_early: bool = False
    ) -> Training:
        return Training(step, self.config.train.max_steps, finished, bleu, stopped_early)

    def _write(
        self,
        folder: Path,
        weights: dict[str, Tensor],
        training: Training,
        state: dict[str, Tensor] | None = None,
        progress: Progress | None = None,
        lexicon: bytes | None = None,
    ) -> None:
        sentences = self.prepared.sentences
        write_model(
            folder,
            self.config,
            self.prepared.tokenizer,
            weights,
            training=training,
            sentences_per_pair=sentences.mean if sentences else None,
            train_state=state,
            progress=progress.to_json() | {"machine": self._machine()} if progress is not None else None,
            lexicon=lexicon,
        )
