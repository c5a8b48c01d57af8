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
    """

    step: int
    max_steps: int | None = None
    finished: bool = True
    bleu: float | None = None

    def values(self) -> dict[str, Any]:
        """For a manifest."""
        return asdict(self)

    def remarks(self) -> list[str]:
        """What somebody who translates with the model should know."""
        found = []
        if not self.finished and self.step < (self.max_steps or math.inf):
            found.append(
                f"unfinished: step {self.step:,}" + (f" of {self.max_steps:,}" if self.max_steps else "")
            )
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
        or type(found.finished) is not bool
        or not (found.bleu is None or (type(found.bleu) in (int, float) and 0 <= found.bleu <= 101))
    ):
        raise InputError(
            f"{folder / MANIFEST}: {KEY} = {values!r:.80}, expected step, max_steps, finished and bleu.",
            "Use another copy of the model.",
        )
    return found
