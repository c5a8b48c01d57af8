"""Reads parts of cleaned corpora again: pairs, keys and folds."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mtkit.data.clean.dedup import Keys, Positions
from mtkit.data.clean.splits import Folds
from mtkit.data.prepare.cleaning import KEPT
from mtkit.data.prepare.parts import array_text, read_part
from mtkit.data.read.blocks import lines_of

Fates = npt.NDArray[np.uint8]
"""[pairs], `KEPT`, or the number of the filter or split that removed the pair."""


@dataclass(frozen=True, slots=True)
class CleanPart:
    """A part of a cleaned corpus.

    Attributes:
        source: number of the corpus.
        begin: position of its first pair among the pairs of all corpora.
        text: digest of its pairs.
        notes: digest of their origins and of the details of dropped ones.
        keys: number of keys for each filter that finds duplicates, by the filter's index.
    """

    path: Path
    source: int
    begin: int
    pairs: int
    text: str
    notes: str
    keys: dict[str, int]

    @property
    def end(self) -> int:
        """The position after its last pair."""
        return self.begin + self.pairs


@dataclass(frozen=True, slots=True)
class SentenceCount:
    """How many sentences the sources of training pairs have.

    Attributes:
        pairs: how many were counted.
        mean: sentences per source.
        several: share of the sources with more than one.
    """

    pairs: int
    mean: float
    several: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} sentences per pair; {self.several:.1%} of the pairs have several"


def num_kept(parts: Iterable[CleanPart], fates: Fates) -> int:
    """How many pairs of these parts are kept."""
    return sum(int((fates[part.begin : part.end] == KEPT).sum()) for part in parts)


def sampled(
    parts: Sequence[CleanPart], fates: Fates, wanted: int, rng: random.Random
) -> Iterator[tuple[int, tuple[str, str]]]:
    """A random sample of `wanted` kept pairs, in order, each with the number of its corpus."""
    chosen = np.array(sorted(rng.sample(range(num_kept(parts, fates)), wanted)), np.int64)
    before = 0  # kept pairs of earlier parts
    for part in parts:
        kept = np.flatnonzero(fates[part.begin : part.end] == KEPT)
        begin, end = np.searchsorted(chosen, [before, before + len(kept)])
        for pair in texts_of(part, kept[chosen[begin:end] - before].tolist()):
            yield part.source, pair
        before += len(kept)


def texts_of(part: CleanPart, numbers: Sequence[int]) -> Iterator[tuple[str, str]]:
    """The pairs with these numbers in a part."""
    if numbers:
        srcs, tgts = (lines_of(array_text(side)) for side in read_part(part.path, "src", "tgt"))
        for number in numbers:
            yield srcs[number], tgts[number]


def keys_of(parts: Iterable[CleanPart], index: int) -> Iterator[tuple[Keys, Positions]]:
    """The keys that each part has for filter number `index`, and the position of the pair of each."""
    for part in parts:
        keys, owners = read_part(part.path, f"keys{index}", f"owners{index}")
        yield keys, owners + part.begin


def folds_of(parts: Iterable[CleanPart], fates: Fates) -> Iterator[tuple[Folds, Positions]]:
    """The folded keys [pairs, 2] of the kept pairs of each part, and their positions [pairs]."""
    for part in parts:
        (folds,) = read_part(part.path, "folds")
        kept = np.flatnonzero(fates[part.begin : part.end] == KEPT)
        yield folds[kept], kept + part.begin
