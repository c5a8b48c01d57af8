"""Random segmentations that follow from a seed alone, word by word, with the pieces of a SentencePiece model.

SentencePiece samples too, but its generator begins differently in every process, whatever its seed.
"""

from __future__ import annotations

import functools
import heapq
import math
import random
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import xxhash

from mtkit.text.subwords import Subwords

if TYPE_CHECKING:
    from mtkit.config.data import ModelType

_CANDIDATES = 64
"""Segmentations of a word among which one is drawn; what Kudo (2018) calls l."""

_WORDS = 8192
"""Words whose segmentations are remembered."""

Ids = tuple[int, ...]


class Sampler:
    """Draws segmentations from one subword model.

    Unigram: of the 64 best segmentations of a word, each with its probability to the power of `strength`
    (Kudo 2018; a piece never spans words, so that words are independent). BPE: each merge is skipped with
    probability `strength` when its turn comes (Provilkov et al. 2020, as in SentencePiece). Words with
    unknown characters, bytes or symbols keep their best segmentation.
    """

    def __init__(self, model: Subwords, model_type: ModelType, strength: float) -> None:
        self._model, self._strength = model, strength
        self._kind = {"unigram": self._unigram, "bpe": self._bpe}[model_type]
        self._pieces = model.plain_pieces()
        self._plain = {token for token, _ in self._pieces.values()}
        self._word = functools.lru_cache(_WORDS)(self._candidates)

    def encode(self, texts: Sequence[str], seed: str) -> list[list[int]]:
        """The ids of each text; a text's follow from it and the seed, whatever stands beside it."""
        return [self._sample(text, seed) for text in texts]

    def _sample(self, text: str, seed: str) -> list[int]:
        if not text:
            return []
        draw = random.Random(xxhash.xxh3_64_intdigest(f"{seed}\t{text}".encode())).random
        ids: list[int] = []
        for word in text.split(" "):
            ids += self._word(word)(draw())
        return ids

    def _candidates(self, word: str) -> Callable[[float], Ids]:
        """A function from a number between 0 and 1 to a segmentation of the word."""
        (best,) = self._model.encode([word]) if word else (self._model.ids_of(["▁"]),)
        if len(word) < 2 or not self._plain.issuperset(best):
            return lambda number: tuple(best)
        return self._kind(word)

    def _unigram(self, word: str) -> Callable[[float], Ids]:
        found = [tuple(ids) for ids in self._model.best(word, _CANDIDATES) if self._plain.issuperset(ids)]
        scores = [self._strength * sum(self._model.scores(ids)) for ids in found]
        sums = list(accumulate(math.exp(score - max(scores)) for score in scores))

        def pick(number: float) -> Ids:
            return next(
                (ids for ids, end in zip(found, sums, strict=True) if number * sums[-1] < end), found[-1]
            )

        return pick

    def _bpe(self, word: str) -> Callable[[float], Ids]:
        @functools.cache
        def variant(number: int) -> Ids:
            draw = random.Random(xxhash.xxh3_64_intdigest(f"{number}\t{word}".encode())).random
            return merge(f"▁{word}", self._pieces, lambda: draw() < self._strength)

        return lambda number: variant(int(number * _CANDIDATES))


def merge(word: str, pieces: dict[str, tuple[int, float]], drop: Callable[[], bool]) -> Ids:
    """The ids of `word`, whose characters are all pieces, by merges in the order of their scores.

    Args:
        word: with its `▁`.
        pieces: id and score of each.
        drop: asked at each merge whether to skip it.
    """
    parts: list[str] = list(word)
    right = [*range(1, len(parts)), -1]
    left = list(range(-1, len(parts) - 1))
    agenda: list[tuple[float, int, int, str]] = []

    def propose(first: int, second: int) -> None:
        if first >= 0 and second >= 0:
            merged = parts[first] + parts[second]
            if merged in pieces:
                heapq.heappush(agenda, (-pieces[merged][1], first, second, merged))

    for first in range(len(parts) - 1):
        propose(first, first + 1)
    while agenda:
        _, first, second, merged = heapq.heappop(agenda)
        if not parts[first] or not parts[second] or parts[first] + parts[second] != merged or drop():
            continue
        parts[first], parts[second] = merged, ""
        right[first] = right[second]
        if right[second] >= 0:
            left[right[second]] = first
        propose(left[first], first)
        propose(first, right[first])
    return tuple(pieces[part][0] for part in parts if part)
