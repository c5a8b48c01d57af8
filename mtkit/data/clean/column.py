"""One side of many pairs as one text: as strings, as bytes that numpy counts in, and folded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mtkit.data.clean.folding import fold_lines, hash64
from mtkit.data.read.blocks import lines_of

Places = npt.NDArray[np.intp]
Counts = npt.NDArray[np.int64]

_IS_CONTINUATION = bytes(0x80 <= byte < 0xC0 for byte in range(256))
_IS_DIGIT = bytes(0x30 <= byte < 0x3A for byte in range(256))


class Occurrences(NamedTuple):
    """Bytes of some kind: where they are, and how many each line has."""

    places: Places
    counts: Counts


class Column:
    """Normalised lines.

    Args:
        text: all lines, each ended by a line feed.

    Attributes:
        data: its UTF-8 bytes.
        starts: where each line begins in `array`, and where the last one ends.
        bytes: of each line.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.data = text.encode()
        self.array = np.frombuffer(self.data, np.uint8)
        self._padded = np.frombuffer(self.data + b"\n\n", np.uint8)
        self.ends = np.flatnonzero(self.array == 0x0A)
        self.starts = np.concatenate([np.zeros(1, np.intp), self.ends + 1])
        self.bytes = np.diff(self.starts) - 1

    def __len__(self) -> int:
        return len(self.ends)

    @cached_property
    def lines(self) -> list[str]:
        """The lines, without line feeds."""
        return lines_of(self.text)

    @cached_property
    def chars(self) -> Counts:
        """Characters of each line."""
        return (
            self.bytes - self.count(self.where(_IS_CONTINUATION)) if not self.text.isascii() else self.bytes
        )

    @cached_property
    def spaces(self) -> Counts:
        """Spaces of each line."""
        return self.count(self.at(0x20))

    @cached_property
    def digits(self) -> Occurrences:
        """ASCII digits."""
        places = self.where(_IS_DIGIT)
        return Occurrences(places, self.count(places))

    @cached_property
    def folded(self) -> bytes:
        """What `fold` leaves of each line, ended by a line feed."""
        return fold_lines(self.text)

    @cached_property
    def folds(self) -> list[bytes]:
        """What `fold` leaves of each line."""
        return self.folded.split(b"\n")[:-1]

    def hashes(self, *, fold: bool = False) -> npt.NDArray[np.uint64]:
        """`hash64` of each line, or of what folding leaves of it."""
        lines = self.folds if fold else self.data.split(b"\n")[:-1]
        return np.fromiter(map(hash64, lines), np.uint64, len(lines))

    def where(self, table: bytes) -> Places:
        """The places of the bytes for which `table` has something."""
        return np.flatnonzero(np.frombuffer(self.data.translate(table), np.uint8))

    def at(self, *codes: int) -> Places:
        """The places where these bytes, at most three, stand in a row."""
        places = np.flatnonzero(self.array == codes[0])
        for offset, code in enumerate(codes[1:], 1):
            places = places[self._padded[places + offset] == code]
        return places

    def count(self, places: Places) -> Counts:
        """How many of the places lie in each line."""
        return np.diff(np.searchsorted(places, self.starts))

    def has(self, *sequences: bytes) -> npt.NDArray[np.bool_]:
        """Which lines have one of these sequences of at most three bytes."""
        found = np.zeros(len(self), np.bool_)
        for codes in sequences:
            if codes in self.data:
                found[np.searchsorted(self.ends, self.at(*codes))] = True
        return found


def column_of(texts: Sequence[str]) -> Column:
    """The column of normalised texts."""
    return Column("".join(f"{text}\n" for text in texts))
