"""The weights of a model folder as arrays, for those who write them in another layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtkit.errors import UsageError
from mtkit.model import checkpoint

Array = NDArray[np.float32]


class Weights:
    """Named arrays that remember which of them were taken, so that none is left out of an export.

    Args:
        arrays: by name, as `mtkit.model.checkpoint` writes them.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = arrays
        self._taken: set[str] = set()

    def __call__(self, name: str) -> Array:
        """The array called `name`."""
        self._taken.add(name)
        return self._arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    @property
    def num_parameters(self) -> int:
        """How many numbers there are."""
        return sum(array.size for array in self._arrays.values())

    def check_all_taken(self, kind: str) -> None:
        """Refuses an export that has left something out.

        Raises:
            UsageError: a weight was never taken.
        """
        if left := sorted(self._arrays.keys() - self._taken):
            raise UsageError(
                f"{kind}: has no place for {len(left)} weights of this model, such as {left[0]}."
            )


def load_weights(model: Path) -> Weights:
    """The weights of a model folder, as 32-bit numbers.

    Raises:
        InputError: there is no whole model.
    """
    return Weights({name: weight.float().numpy() for name, weight in checkpoint.load_weights(model).items()})
