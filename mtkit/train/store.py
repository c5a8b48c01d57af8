"""What a run folder keeps of a training: checkpoints to go on from, the best models, the final one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from mtkit.checkpoint import (
    keep_only,
    load_train_state,
    load_weights,
    newest_checkpoint,
    step_folder,
    step_folders,
    write_model,
)
from mtkit.config.schema import Config
from mtkit.data.prepare import Prepared
from mtkit.errors import InputError
from mtkit.files import recover
from mtkit.train.progress import Progress


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place to go on from: weights, what the updates depend on besides, and the progress."""

    folder: Path
    weights: dict[str, Tensor]
    state: dict[str, Tensor]
    progress: Progress


class Store:
    """The models of a run folder; each is written whole or not at all."""

    def __init__(self, config: Config, prepared: Prepared) -> None:
        self.config = config
        self.prepared = prepared
        self.run = config.run

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest whole checkpoint, if there is one, and notes for the user.

        Raises:
            InputError: the run folder belongs to other data.
        """
        for parent, name in (("checkpoints", "step-*"), ("best", "step-*"), (".", "model")):
            recover(self.run / parent, name)
        folder, notes = newest_checkpoint(self.run)
        if folder is None:
            return None, notes
        state, values = load_train_state(folder)
        progress = Progress.from_json(values)
        if progress.data != self.prepared.fingerprint:
            raise InputError(
                f"{self.run}: it was trained on other data or another tokenizer.",
                "Choose another run folder, or delete its checkpoints to begin anew.",
            )
        notes = [*notes, f"going on from step {progress.step:,}"]
        return Checkpoint(folder, load_weights(folder), state, progress), notes

    def save(self, weights: dict[str, Tensor], state: dict[str, Tensor], progress: Progress) -> Path:
        """Writes a checkpoint, removes those that are no longer kept; its folder."""
        parent = self.run / "checkpoints"
        folder = step_folder(parent, progress.step)
        self._write(folder, weights, progress.step, state, progress)
        keep_only(parent, step_folders(parent)[-self.config.train.keep_last :])
        return folder

    def save_best(self, weights: dict[str, Tensor], progress: Progress) -> None:
        """Writes the model of this step if it is one of the best, removes those that no longer are."""
        parent = self.run / "best"
        best = [step_folder(parent, step) for _, step in progress.best]
        if (folder := step_folder(parent, progress.step)) in best:
            self._write(folder, weights, progress.step)
            keep_only(parent, best)

    def best(self, progress: Progress) -> Iterator[dict[str, Tensor]]:
        """The weights of the best models, best first."""
        for _, step in progress.best:
            yield load_weights(step_folder(self.run / "best", step))

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
            progress=progress.to_json() if progress is not None else None,
        )
