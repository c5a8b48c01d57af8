"""What a run folder keeps of a training: checkpoints to go on from, the best models, the final one."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtkit import __version__
from mtkit.config.changes import check, compare
from mtkit.config.load import load_config
from mtkit.config.schema import Config
from mtkit.data.prepare.prepared import Prepared
from mtkit.disk.files import recover
from mtkit.engine.native import choose_device
from mtkit.errors import ConfigError, InputError, WriteError
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
from mtkit.train.machine.precision import training_dtype
from mtkit.train.progress import Progress

logger = logging.getLogger(__name__)

_DATA = ("seed", "data", "text", "tokenizer")
"""What the prepared data are made of."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place to go on from: weights, what the updates depend on besides, and the progress."""

    folder: Path
    weights: dict[str, Tensor]
    state: dict[str, Tensor]
    progress: Progress


class Store:
    """The models of a run folder; each is written whole or not at all.

    Args:
        config: of the run.
        prepared: its data.
        allowed: options whose change since the last checkpoint is meant.
        num_ranks: processes that train together.

    Attributes:
        failure: why the last checkpoint could not be written; None if it was.
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
        self._bad: dict[Path, str] = {}  # what training cannot go on from, and why
        self._compared: set[Path] = set()  # with their hashes
        self._left: set[Path] = set()  # the user has been told

    # ------------------------------------------------------------ going on

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest whole checkpoint, if there is one, and notes for the user.

        Raises:
            InputError: the run folder belongs to other data.
            UsageError: options have changed that cannot, or that have to be declared.
        """
        for parent, name in (("checkpoints", "step-*"), ("best", "step-*"), (".", "model")):
            recover(self.run / parent, name)
        folder, notes = newest_checkpoint(self.run)
        newer = [each for each in step_folders(self.run / "checkpoints") if folder is None or each > folder]
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
        """What to tell of the options that have changed since the checkpoint was written."""
        try:
            changes = compare(load_config([folder / CONFIG]).config, self.config)
        except ConfigError:
            if progress.data != self.prepared.fingerprint:
                raise self._other_data([]) from None
            return [
                f"{folder / CONFIG}: was written by another version of mtkit, so changed options are not "
                "detected"
            ]
        if progress.data != self.prepared.fingerprint:
            raise self._other_data([c.values for c in changes if c.key.partition(".")[0] in _DATA])
        return check(changes, self.allowed, f"{self.run}, step {progress.step:,}")

    def _other_data(self, changes: list[str]) -> InputError:
        told = f" {'; '.join(changes)}." if changes else ""
        return InputError(
            f"{self.run}: was trained on other data or with another tokenizer.{told}",
            "Choose another run folder, or start over with --from-scratch.",
        )

    def _machine(self) -> dict[str, Any]:
        """What decides how numbers are rounded, besides the config."""
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
        """Writes a checkpoint, removes what is no longer kept; its folder.

        Where it cannot be written, that is logged and training can go on; see `failure`.
        """
        parent = self.run / "checkpoints"
        folder = step_folder(parent, progress.step)
        self.failure = None
        try:
            self._write(folder, weights, progress.step, state, progress)
        except WriteError as error:
            self.failure = error
            logger.warning("%s Training continues without this checkpoint.", error)
            return folder
        self._bad.pop(folder, None)
        self._compared.add(folder)
        self._rotate(progress.step)
        return folder

    def _rotate(self, step: int) -> None:
        """Removes all but the last good checkpoints up to `step`, and best models that none of them needs.

        What training could not go on from, or what lies beyond `step`, is not counted and left alone: it may
        be all that there is of an earlier training.
        """
        good: dict[Path, set[Path]] = {}
        left: dict[Path, str] = {}
        for folder in step_folders(self.run / "checkpoints"):
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
        keep_only(self.run / "checkpoints", {*kept, *left})
        later = {folder for folder in step_folders(self.run / "best") if step_of(folder) > step}
        keep_only(self.run / "best", later.union(*(good[folder] for folder in kept)))

    def _needs(self, folder: Path) -> set[Path]:
        """The best models that are needed for going on from a checkpoint.

        Contents are compared with their hashes once, since nobody else should change them; sizes each time.

        Raises:
            InputError: training cannot go on from it.
        """
        if folder in self._bad:
            raise InputError(self._bad[folder])
        values = read_progress(folder, hashes=folder not in self._compared)
        self._compared.add(folder)
        values.pop("machine", None)
        return {step_folder(self.run / "best", step) for _, step in Progress.from_json(values).best}

    def save_best(self, weights: dict[str, Tensor], progress: Progress) -> None:
        """Writes the model of this step if it is one of the best; the next checkpoint lets the others go."""
        if progress.step not in {step for _, step in progress.best}:
            return
        try:
            self._write(step_folder(self.run / "best", progress.step), weights, progress.step)
        except WriteError as error:
            logger.warning("%s Training continues without this model.", error)

    def best(self, progress: Progress) -> Iterator[dict[str, Tensor]]:
        """The weights of the best models, best first; one that is missing or damaged is passed over."""
        for _, step in progress.best:
            try:
                weights = load_weights(step_folder(self.run / "best", step))
            except InputError as error:
                logger.warning("%s It is skipped.", error)
                continue
            yield weights

    def save_final(self, weights: dict[str, Tensor], step: int) -> Path:
        """Writes the finished model; its folder."""
        self._write(self.run / "model", weights, step)
        return self.run / "model"

    def _write(
        self,
        folder: Path,
        weights: dict[str, Tensor],
        step: int,
        state: dict[str, Tensor] | None = None,
        progress: Progress | None = None,
    ) -> None:
        write_model(
            folder,
            self.config,
            self.prepared.tokenizer,
            weights,
            step=step,
            train_state=state,
            progress=progress.to_json() | {"machine": self._machine()} if progress is not None else None,
        )
