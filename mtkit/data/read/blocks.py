"""Many raw pairs at once, as they are sent to workers: two texts with a line per pair, and their origins."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from mtkit.data.read.pair import Pair

Run = tuple[str, int, int]
"""Consecutive origins: the file, the number of the first line (-1 if unknown), and how many there are."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive raw pairs of a corpus.

    Attributes:
        src: the sources, each ended by a line feed.
        tgt: the targets, likewise.
        origins: where they were read.
        tags: of each pair; empty if no pair has tags.
        scores: of each pair; empty if no pair has a score.
    """

    src: str
    tgt: str
    origins: tuple[Run, ...]
    tags: tuple[tuple[str, ...], ...] = ()
    scores: tuple[float | None, ...] = ()

    def __len__(self) -> int:
        return sum(count for _, _, count in self.origins)

    def pairs(self) -> Iterator[Pair]:
        """The pairs, one by one."""
        places = Origins(self.origins)
        tags, scores = self.tags or [()] * len(self), self.scores or [None] * len(self)
        sides = zip(lines_of(self.src), lines_of(self.tgt), strict=True)
        for number, (src, tgt) in enumerate(sides):
            yield Pair(src, tgt, places[number], tags[number], scores[number])


def block_of(pairs: Sequence[Pair]) -> Block:
    """The block of pairs whose sides are one line each."""
    return Block(
        "".join(f"{pair.src}\n" for pair in pairs),
        "".join(f"{pair.tgt}\n" for pair in pairs),
        tuple(_runs(pair.origin for pair in pairs)),
        tuple(pair.tags for pair in pairs) if any(pair.tags for pair in pairs) else (),
        tuple(pair.score for pair in pairs) if any(pair.score is not None for pair in pairs) else (),
    )


def gathered(blocks: Iterable[Block], count: int) -> Iterator[Block]:
    """Joins small blocks, without tags and scores, into blocks of at most `count` pairs."""
    some: list[Block] = []
    for block in blocks:
        if some and sum(map(len, some)) + len(block) > count:
            yield _together(some)
            some = []
        some.append(block)
    if some:
        yield _together(some)


def _together(blocks: Sequence[Block]) -> Block:
    origins = tuple(run for block in blocks for run in block.origins)
    return Block("".join(block.src for block in blocks), "".join(block.tgt for block in blocks), origins)


def _runs(origins: Iterable[str]) -> Iterator[Run]:
    run: Run | None = None
    for origin in origins:
        name, _, digits = origin.rpartition(":")
        number = int(digits) if digits.isdecimal() and digits == str(int(digits)) else -1
        if run and number >= 0 and (name, number) == (run[0], run[1] + run[2]):
            run = (name, run[1], run[2] + 1)
            continue
        if run:
            yield run
        run = (name if number >= 0 else origin, number, 1)
    if run:
        yield run


class Origins:
    """The place of each pair, as `file:line`."""

    def __init__(self, runs: Sequence[Sequence[str | int]]) -> None:
        self._runs = runs
        self._ends = list(accumulate(int(count) for _, _, count in runs))

    def __getitem__(self, number: int) -> str:
        index = bisect_right(self._ends, number)
        name, first, count = self._runs[index]
        return (
            f"{name}:{int(first) + number - (self._ends[index] - int(count))}"
            if int(first) >= 0
            else str(name)
        )


def lines_of(text: str) -> list[str]:
    """The lines of a text in which every line ends with a line feed."""
    return text.split("\n")[:-1]
