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
LEAST = 0.01
"""Probability from which a translation explains a word."""


@dataclass(frozen=True, slots=True)
class Covered:
    """How well a source and its translation explain each other.

    Attributes:
        missing: character spans of source words that nothing in the translation explains.
        invented: character spans of translated words that nothing in the source explains.
        src_share: share of the source's words that are explained, weighted by rarity, from 0 to 1.
        tgt_share: the same of the translation's words. 1 where nothing can be judged.
    """

    missing: Spans
    invented: Spans
    src_share: float
    tgt_share: float


class _Known(NamedTuple):
    """A word of the lexicon.

    Attributes:
        weight: its rarity.
        others: words of the other language that explain it.
    """

    weight: float
    others: frozenset[str]


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

    def of(self, src: str, tgt: str) -> Covered:
        """How well `src` and its translation `tgt` explain each other."""
        srcs, tgts = ([*found.finditer(text)] for found, text in zip(self._patterns, (src, tgt), strict=True))
        src_words, tgt_words = ([each[0].lower() for each in own] for own in (srcs, tgts))
        missing, src_share = self._unexplained(0, src_words, tgt_words)
        invented, tgt_share = self._unexplained(1, tgt_words, src_words)
        return Covered(
            tuple(srcs[place].span() for place in missing),
            tuple(tgts[place].span() for place in invented),
            src_share,
            tgt_share,
        )

    def _unexplained(self, side: int, words: Sequence[str], others: Sequence[str]) -> tuple[list[int], float]:
        """The places of words that no other word explains, and the weighted share of those explained."""
        there, known = frozenset(others), self._known[side]
        total, lost, places = 0.0, 0.0, []
        for place, word in enumerate(words):
            try:
                entry = known[word]
            except KeyError:
                entry = known[word] = self._look_up(side, word)
            if entry is None:
                continue
            total += entry.weight
            if entry.others.isdisjoint(there) and word not in there and not _is_alike(word, there):
                lost += entry.weight
                places.append(place)
        return places, 1 - lost / total if total else 1.0

    def _look_up(self, side: int, word: str) -> _Known | None:
        """What the lexicon knows of a word; None for words that it cannot judge."""
        number = self._numbers[side].get(word)
        if number is None or any(map(str.isdigit, word)):
            return None
        ids, probs = self._table.links[side].of(number)
        names = self._table.words[1 - side]
        others = frozenset(names[other] for other in ids[probs >= LEAST].tolist())
        count = int(self._table.counts[side][number])
        return _Known(math.log((1 + self._table.num_pairs) / (1 + count)), others) if others else None


def _is_alike(word: str, others: frozenset[str]) -> bool:
    """Whether another word begins as this one."""
    if len(word) < ALIKE:
        return False
    begin = word[:ALIKE]
    return any(other.startswith(begin) for other in others)


def open_coverage(folder: Path) -> Coverage | None:
    """The coverage by the lexicon of a model folder or an export; None if it has none.

    Raises:
        InputError: the lexicon is damaged.
    """
    table = read_table(folder)
    return Coverage(table) if table else None
