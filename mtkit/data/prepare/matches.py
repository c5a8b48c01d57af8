"""The matches of training pairs on disk: for each, the pair whose target may follow its source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mtkit.data.prepare.shards import map_numbers
from mtkit.disk.files import new_file
from mtkit.errors import InputError

Numbers = npt.NDArray[np.int64]

MATCHES = "matches.bin"
"""The file in the folder of prepared data."""


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """The matches of all training pairs. Unpickling maps the same file again.

    Attributes:
        path: of the file.
        separator: the id between a source and the target of its match.
        numbers: [pairs], the match of each pair, -1 for none; pairs are numbered over all corpora.
    """

    path: Path
    separator: int
    numbers: Numbers

    def __reduce__(self) -> tuple[Callable[[Path, int, int], Matches], tuple[Path, int, int]]:
        return open_matches, (self.path, self.separator, len(self.numbers))


def open_matches(path: Path, separator: int, num_pairs: int) -> Matches:
    """The matches in a file.

    Raises:
        InputError: it is missing or has not one number for each pair.
    """
    try:
        return Matches(path, separator, map_numbers(path, "<i8", num_pairs))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is damaged: {error}.", "Run `mtkit prepare --force`.") from error


def write_matches(path: Path, numbers: Numbers) -> None:
    """Writes the matches of all training pairs."""
    with new_file(path) as file:
        file.write(numbers.astype("<i8", copy=False).tobytes())
