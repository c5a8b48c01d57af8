"""One side of many pairs as strings, as an array of bytes for numpy, and folded."""

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
    """Bytes of one kind.

    Attributes:
        places: [bytes], their places in the column.
        counts: [lines], how many each line has.
    """

    places: Places
    counts: Counts


class Column:
    """Normalised lines.

    Args:
        text: all lines, each ended by a line feed.

    Attributes:
        data: `text` in UTF-8; `array` is the same as uint8.
        ends: [lines], the place of each line feed.
        starts: [lines + 1], where each line begins, and the total size.
        bytes: [lines], the size of each line without its line feed.
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
        """[lines], the number of characters."""
        return self.bytes if self.text.isascii() else self.bytes - self.count(self.where(_IS_CONTINUATION))

    @cached_property
    def spaces(self) -> Counts:
        """[lines], the number of spaces."""
        return self.count(self.at(0x20))

    @cached_property
    def digits(self) -> Occurrences:
        """ASCII digits."""
        places = self.where(_IS_DIGIT)
        return Occurrences(places, self.count(places))

    @cached_property
    def folded(self) -> bytes:
        """All folded lines, each ended by a line feed."""
        return fold_lines(self.text)

    @cached_property
    def folds(self) -> list[bytes]:
        """The folded lines."""
        return self.folded.split(b"\n")[:-1]

    def hashes(self, *, fold: bool = False) -> npt.NDArray[np.uint64]:
        """[lines], `hash64` of each line or, with `fold`, of each folded line."""
        lines = self.folds if fold else self.data.split(b"\n")[:-1]
        return np.fromiter(map(hash64, lines), np.uint64, len(lines))

    def where(self, table: bytes) -> Places:
        """The places of the bytes that `table`, a flag for each of the 256 bytes, marks."""
        return np.flatnonzero(np.frombuffer(self.data.translate(table), np.uint8))

    def at(self, *codes: int) -> Places:
        """The places where this sequence of at most three bytes begins."""
        places = np.flatnonzero(self.array == codes[0])
        for offset, code in enumerate(codes[1:], 1):
            places = places[self._padded[places + offset] == code]
        return places

    def count(self, places: Places) -> Counts:
        """[lines], how many of the places lie in each line."""
        return np.diff(np.searchsorted(places, self.starts))

    def has(self, *sequences: bytes) -> npt.NDArray[np.bool_]:
        """[lines], true where a line contains one of these sequences of at most three bytes."""
        found = np.zeros(len(self), np.bool_)
        for codes in sequences:
            if codes in self.data:
                found[np.searchsorted(self.ends, self.at(*codes))] = True
        return found


def column_of(texts: Sequence[str]) -> Column:
    """The column of normalised texts."""
    return Column("".join(f"{text}\n" for text in texts))
