"""The weights of a model folder as arrays, to be written in another layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtkit.errors import UsageError
from mtkit.model import checkpoint

Array = NDArray[np.float32]


class Weights:
    """Named arrays. They record which were used, to detect weights that an export leaves out.

    Args:
        arrays: by the names that `mtkit.model.checkpoint` uses.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = arrays
        self._used: set[str] = set()

    def __call__(self, name: str) -> Array:
        """The array called `name`."""
        self._used.add(name)
        return self._arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    @property
    def num_parameters(self) -> int:
        """The number of parameters."""
        return sum(array.size for array in self._arrays.values())

    def check_all_used(self, export: str) -> None:
        """Checks that an export contains every weight.

        Raises:
            UsageError: a weight was never used.
        """
        if left := sorted(self._arrays.keys() - self._used):
            raise UsageError(f"{export}: cannot hold {len(left)} weights of this model, such as {left[0]}.")


def load_weights(model: Path) -> Weights:
    """The weights of a model folder in fp32.

    Raises:
        InputError: there is no complete model.
    """
    return Weights({name: weight.float().numpy() for name, weight in checkpoint.load_weights(model).items()})
