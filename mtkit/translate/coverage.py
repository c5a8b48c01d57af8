"""Words of a source without a counterpart in its translation, and of a translation without one in its source.

A lexicon learned from the training data says which words translate each other. Words that it does not know
are not judged, frequent words weigh little, and what is copied or much alike counts as explained. No torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mtkit.runs.word_table import WordTable, read_table
from mtkit.text.word_spans import word_pattern

Spans = tuple[tuple[int, int], ...]

ALIKE = 4
"""Letters at the beginning that two words must share to be taken for cognates or names."""
ENOUGH = 0.1
"""Probability from which a translation explains a word wholly; a less probable one does it in proportion."""
LITTLE = 0.2
"""Words that are explained to a smaller part than this are reported as unexplained."""
FREQUENT = 0.05
"""Words in a larger share of the training pairs are not reported; translations often do without them."""
EVIDENCE = 50.0
USUAL = 0.1
"""Detachment is a mean to which words of this weight are added, of which this share is unexplained."""
MOST_DETACHED = 0.42
"""Detachment above which a translation has little to do with its source."""


@dataclass(frozen=True, slots=True)
class Covered:
    """How well a source and its translation explain each other.

    Attributes:
        missing: character spans of source words that nothing in the translation explains.
        invented: character spans of translated words that nothing in the source explains.
        src_share: share of the source's words that are explained, weighted by rarity, from 0 to 1.
        tgt_share: the same of the translation's words. 1 where nothing can be judged.
        detachment: how much of the source is unexplained, from 0 to 1, and near `USUAL` for short texts.
    """

    missing: Spans
    invented: Spans
    src_share: float
    tgt_share: float
    detachment: float = 0.0


class _Known(NamedTuple):
    """A word of the lexicon.

    Attributes:
        weight: its rarity, the logarithm of the inverse share of pairs that contain it.
        strong: words of the other language that explain it wholly.
        weak: words that explain it in part, with that part.
    """

    weight: float
    strong: frozenset[str]
    weak: dict[str, float]


class _Judged(NamedTuple):
    """One side of a pair.

    Attributes:
        places: of the words that nothing explains, but for frequent ones.
        lost: the weight that is not explained.
        total: the weight of all words that can be judged.
    """

    places: list[int]
    lost: float
    total: float

    @property
    def share(self) -> float:
        return 1 - self.lost / self.total if self.total else 1.0

    @property
    def detachment(self) -> float:
        return (self.lost + EVIDENCE * USUAL) / (self.total + EVIDENCE)


class Coverage:
    """Judges translations of one language pair by a lexicon.

    Args:
        table: the lexicon.
    """

    def __init__(self, table: WordTable) -> None:
        self._table = table
        self._numbers = tuple({word: number for number, word in enumerate(words)} for words in table.words)
        self._patterns = tuple(map(word_pattern, table.langs))
        self._known: tuple[dict[str, _Known | None], ...] = ({}, {})
        self._rarest = math.log(1 + table.num_pairs)
        self._reported = -math.log(FREQUENT)

    def of(self, src: str, tgt: str) -> Covered:
        """How well `src` and its translation `tgt` explain each other."""
        srcs, tgts = ([*found.finditer(text)] for found, text in zip(self._patterns, (src, tgt), strict=True))
        src_words, tgt_words = ([each[0].lower() for each in own] for own in (srcs, tgts))
        source, target = self._judge(0, src_words, tgt_words), self._judge(1, tgt_words, src_words)
        return Covered(
            tuple(srcs[place].span() for place in source.places),
            tuple(tgts[place].span() for place in target.places),
            source.share,
            target.share,
            source.detachment,
        )

    def num_words(self, src: str, tgt: str) -> tuple[int, int]:
        """The number of words of either side."""
        src_words, tgt_words = (
            sum(1 for _ in found.finditer(text))
            for found, text in zip(self._patterns, (src, tgt), strict=True)
        )
        return src_words, tgt_words

    def detachment(self, src: str, tgt: str) -> float:
        """`Covered.detachment` alone, in less than half the time of `of`."""
        src_words, tgt_words = (
            found.findall(text.lower()) for found, text in zip(self._patterns, (src, tgt), strict=True)
        )
        return self._judge(0, src_words, tgt_words).detachment

    def _judge(self, side: int, words: Sequence[str], others: Sequence[str]) -> _Judged:
        there, known = frozenset(others), self._known[side]
        begins = {other[:ALIKE] for other in others if len(other) >= ALIKE}
        total, lost, places = 0.0, 0.0, []
        for place, word in enumerate(words):
            try:
                entry = known[word]
            except KeyError:
                entry = known[word] = self._look_up(side, word)
            if entry is None:
                if word in there or word[:ALIKE] in begins:
                    total += self._rarest
                continue
            weight, strong, weak = entry
            total += weight
            if not strong.isdisjoint(there) or word in there or word[:ALIKE] in begins:
                continue
            part = max(map(weak.__getitem__, weak.keys() & there), default=0.0)
            lost += weight * (1 - part)
            if part < LITTLE and weight > self._reported:
                places.append(place)
        return _Judged(places, lost, total)

    def _look_up(self, side: int, word: str) -> _Known | None:
        """What the lexicon knows of a word; None if it has no translations of it."""
        number = self._numbers[side].get(word)
        if number is None:
            return None
        names = self._table.words[1 - side]
        parts = {names[other]: min(1.0, prob / ENOUGH) for other, prob in self._table.links[side].of(number)}
        if not parts:
            return None
        count = self._table.counts[side][number]
        return _Known(
            max(0.0, math.log((1 + self._table.num_pairs) / (1 + count))),
            frozenset(name for name, part in parts.items() if part >= 1),
            {name: part for name, part in parts.items() if part < 1},
        )


def open_coverage(folder: Path) -> Coverage | None:
    """The coverage by the lexicon of a model folder or an export; None if it has none.

    Raises:
        InputError: the lexicon is damaged.
    """
    table = read_table(folder)
    return Coverage(table) if table else None
