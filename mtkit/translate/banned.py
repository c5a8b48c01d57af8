"""Phrases that translations may not hold: as runs of ids for the search, and found in text. Free of torch."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from mtkit.text.tokenizer import Tokenizer

Runs = tuple[tuple[int, ...], ...]

MAX_SEARCHES = 4
"""Searches of one line: each forbids the pieces by which the one before still said a phrase."""


class Banned:
    """Phrases, whatever their case.

    Args:
        phrases: text.
        tokenizer: of the model, whose pieces the search forbids.
    """

    def __init__(self, phrases: Sequence[str], tokenizer: Tokenizer) -> None:
        self._folded = [" ".join(phrase.split()).casefold() for phrase in phrases]
        self._tgt = tokenizer.tgt
        cases = (str, str.lower, str.upper, str.capitalize, str.title)
        spelled = [case(phrase) for phrase in phrases for case in cases]
        self.runs: Runs = tuple(sorted({tuple(ids) for ids in self._tgt.encode(spelled) if ids}))

    def __bool__(self) -> bool:
        return bool(self._folded)

    def is_in(self, text: str) -> bool:
        """Whether a text holds a phrase."""
        folded = " ".join(text.split()).casefold()
        return any(phrase and phrase in folded for phrase in self._folded)

    def spelled_in(self, ids: Sequence[int]) -> Runs:
        """The shortest runs of `ids` whose text holds a phrase: spellings that are yet to be forbidden."""
        text = self._text(ids)
        found = []
        for phrase in self._folded:
            if phrase and phrase in text:
                # What a longer run says holds what a shorter one says, so that both ends can be bisected.
                end = bisect_left(range(len(ids)), 1, key=lambda end: phrase in self._text(ids[:end]))
                size = bisect_left(
                    range(end), 1, key=lambda size: phrase in self._text(ids[end - size : end])
                )
                found.append(tuple(ids[end - size : end]))
        return tuple(found)

    def _text(self, ids: Sequence[int]) -> str:
        return self._tgt.decode([list(ids)])[0].casefold()
