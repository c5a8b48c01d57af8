"""Finds stretches of a corpus of which far more pairs are dropped than of the rest: it may be misaligned."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import numpy.typing as npt

STRETCH_HEAD = ("corpus", "stretch", "pairs", "dropped", "mostly by")

_LEAST_DROPPED = 10
"""Fewest dropped pairs of a stretch."""

_RATE, _FACTOR, _MOST_USUAL = 0.3, 3.0, 0.3
"""A stretch drops about this share, and this many times as much as the corpus, whose rate must be lower."""

_CERTAIN = 10.0
"""Natural logarithm of the odds against chance, beyond the number of places where a stretch may begin."""

_OF_ALIGNMENT = ("ratio", "sentences", "numbers", "urls", "empty", "length")
"""Filters that drop pairs whose sides do not belong together."""


@dataclass(frozen=True, slots=True)
class LossyStretch:
    """Consecutive pairs of which many were dropped.

    Attributes:
        first: origin of the first pair, as `file:line`.
        last: origin of the last one.
        read: number of pairs.
        dropped: number of pairs that each filter dropped.
    """

    first: str
    last: str
    read: int
    dropped: dict[str, int]

    @property
    def place(self) -> str:
        """The lines and the file."""
        (file, _, begin), (other, _, end) = self.first.rpartition(":"), self.last.rpartition(":")
        if file == other and begin.isdecimal() and end.isdecimal():
            return f"lines {int(begin):,}–{int(end):,} of {PurePath(file).name}"
        return f"{self.first} to {self.last}"

    @property
    def reasons(self) -> str:
        """The filters with their counts, the largest first."""
        return ", ".join(f"{name} {count:,}" for name, count in Counter(self.dropped).most_common())

    def row(self, corpus: str) -> list[str]:
        """The cells of a table under `STRETCH_HEAD`."""
        return [corpus, self.place, f"{self.read:,}", f"{sum(self.dropped.values()):,}", self.reasons]

    def __str__(self) -> str:
        total = sum(self.dropped.values())
        kinds = sum(count for name, count in self.dropped.items() if name.startswith(_OF_ALIGNMENT))
        look = "look misaligned" if kinds > total / 2 else "differ from the rest"
        return f"{self.place} {look}: {total:,} of {self.read:,} pairs were dropped ({self.reasons})"


def find_stretches(dropped: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Begin and end of each stretch in which pairs are dropped far more often than in the whole corpus.

    Args:
        dropped: [pairs], whether each pair was dropped.

    A stretch maximises the logarithm of the likelihood ratio of two rates, the usual one and a higher one
    (the cumulative sum test of Page 1954).
    """
    where = np.flatnonzero(dropped).tolist()
    usual = len(where) / max(1, len(dropped))
    if len(where) < _LEAST_DROPPED or usual > _MOST_USUAL:
        return
    higher = min(0.9, max(_RATE, _FACTOR * usual))
    gain, cost = math.log(higher / usual), math.log((1 - usual) / (1 - higher))
    needed = math.log(len(dropped)) + _CERTAIN
    begin, count, score, best, end, last = 0, 0, 0.0, 0.0, 0, -1
    for position in [*where, -1]:
        score -= cost * (position - last - 1)
        is_over = position < 0 or score <= 0 or score < best - needed
        if is_over and best >= needed and count >= _LEAST_DROPPED:
            yield begin, end
        if is_over:
            begin, count, score, best = position, 0, 0.0, 0.0
        score += gain
        last = position
        if score > best:
            best, end = score, position + 1
        count += 1


def told(stretches: Sequence[LossyStretch], most: int) -> Iterator[str]:
    """Lines about the longest stretches, and how many more there are."""
    ranked = sorted(stretches, key=lambda stretch: -stretch.read)
    yield from map(str, ranked[:most])
    if len(ranked) > most:
        yield f"{len(ranked) - most:,} more stretches are in report.html"
