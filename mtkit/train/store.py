"""What a run folder keeps of a training: checkpoints to go on from, the best models, the final one."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtkit import __version__
from mtkit.checkpoint import (
    PROGRESS,
    keep_only,
    load_train_state,
    load_weights,
    newest_checkpoint,
    step_folder,
    step_folders,
    write_model,
)
from mtkit.config.changes import check, compare
from mtkit.config.load import load_config
from mtkit.config.schema import Config
from mtkit.data.prepared import Prepared
from mtkit.engine.native import choose_device
from mtkit.errors import ConfigError, InputError, WriteError
from mtkit.exported import CONFIG
from mtkit.files import recover
from mtkit.train.precision import training_dtype
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
        if folder is None:
            return None, notes
        state, values = load_train_state(folder)
        machine = values.pop("machine", {})
        progress = Progress.from_json(values)
        notes += self._changes(folder, progress)
        notes += [
            f"changed: {name}: {machine[name]} → {now}: from here on, numbers may be rounded otherwise"
            for name, now in self._machine().items()
            if name in machine and machine[name] != now
        ]
        notes.append(f"going on from step {progress.step:,}")
        return Checkpoint(folder, load_weights(folder), state, progress), notes

    def _changes(self, folder: Path, progress: Progress) -> list[str]:
        """What to tell of the options that have changed since the checkpoint was written."""
        try:
            changes = compare(load_config([folder / CONFIG]).config, self.config)
        except ConfigError:
            if progress.data != self.prepared.fingerprint:
                raise self._other_data([]) from None
            return [f"{folder / CONFIG}: is not of this version of mtkit: changed options go unnoticed"]
        if progress.data != self.prepared.fingerprint:
            raise self._other_data([c.values for c in changes if c.key.partition(".")[0] in _DATA])
        return check(changes, self.allowed, f"{self.run}, step {progress.step:,}")

    def _other_data(self, changes: list[str]) -> InputError:
        told = f" {'; '.join(changes)}." if changes else ""
        return InputError(
            f"{self.run}: it was trained on other data or another tokenizer.{told}",
            "Choose another run folder, or begin anew with --from-scratch.",
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
            logger.warning("%s Training goes on without this checkpoint.", error)
            return folder
        kept = step_folders(parent)[-self.config.train.keep_last :]
        keep_only(parent, kept)
        keep_only(self.run / "best", self._best_of(kept))
        return folder

    def _best_of(self, checkpoints: Collection[Path]) -> set[Path]:
        """The best models that some checkpoint needs for going on."""
        steps = {
            step for folder in checkpoints for _, step in json.loads((folder / PROGRESS).read_bytes())["best"]
        }
        return {step_folder(self.run / "best", step) for step in steps}

    def save_best(self, weights: dict[str, Tensor], progress: Progress) -> None:
        """Writes the model of this step if it is one of the best; the next checkpoint lets the others go."""
        if progress.step not in {step for _, step in progress.best}:
            return
        try:
            self._write(step_folder(self.run / "best", progress.step), weights, progress.step)
        except WriteError as error:
            logger.warning("%s Training goes on without this model.", error)

    def best(self, progress: Progress) -> Iterator[dict[str, Tensor]]:
        """The weights of the best models, best first; one that is missing or damaged is passed over."""
        for _, step in progress.best:
            try:
                weights = load_weights(step_folder(self.run / "best", step))
            except InputError as error:
                logger.warning("%s Going on without it.", error)
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
