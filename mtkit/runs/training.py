"""What a model folder and its exports say about the training of the model. Does not use torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mtkit.disk.manifest import MANIFEST
from mtkit.errors import InputError
from mtkit.runs.verdict import usable

KEY = "training"
"""Name of the value in a manifest."""
_MOST = 1 << 53


@dataclass(frozen=True, slots=True)
class Training:
    """How far a model was trained, and its quality.

    Attributes:
        step: number of updates.
        max_steps: of the run, if that is limited by steps.
        finished: whether it is the final model of its run.
        bleu: of these weights on the validation set; None if they were not validated.
        stopped_early: whether it is the last checkpoint of a run that validations ended.
    """

    step: int
    max_steps: int | None = None
    finished: bool = True
    bleu: float | None = None
    stopped_early: bool = False

    def values(self) -> dict[str, Any]:
        """For a manifest."""
        return asdict(self)

    def remarks(self) -> list[str]:
        """What somebody who translates with the model should know."""
        found = []
        if not self.finished and self.step < (self.max_steps or math.inf):
            state = "stopped early" if self.stopped_early else "unfinished"
            of_all = f" of {self.max_steps:,}" if self.max_steps else ""
            found.append(f"{state}: step {self.step:,}{of_all}")
        if self.bleu is not None and not usable({"bleu": self.bleu}, ""):
            found.append(f"BLEU {self.bleu:.1f} on its validation set: not usable yet")
        return found


def read_training(folder: Path, manifest: Mapping[str, Any]) -> Training | None:
    """What the manifest of a folder says about training; None if an older mtkit wrote it.

    Raises:
        InputError: the values are invalid.
    """
    values = manifest.get(KEY)
    if values is None:
        return None
    try:
        found = Training(**values)
    except TypeError:
        found = None
    if (
        found is None
        or not all(
            type(number) is int and 0 <= number < _MOST for number in (found.step, found.max_steps or 0)
        )
        or not all(type(value) is bool for value in (found.finished, found.stopped_early))
        or not (found.bleu is None or (type(found.bleu) in (int, float) and 0 <= found.bleu <= 101))
    ):
        raise InputError(
            f"{folder / MANIFEST}: {KEY} = {values!r:.80}, expected step, max_steps, finished, bleu and "
            "stopped_early.",
            "Use another copy of the model.",
        )
    return found
