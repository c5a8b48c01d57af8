"""The most similar text by comparison with every text."""

from __future__ import annotations

from collections.abc import Sequence

from mtkit.text.fuzzy import Similar, fuzzy_words


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Levenshtein's distance by its definition, row by row (Wagner and Fischer 1974)."""
    row = list(range(len(other) + 1))
    for n, word in enumerate(one, start=1):
        before, row[0] = row[0], n
        for m, own in enumerate(other, start=1):
            before, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, before + (word != own))
    return row[-1]


def by_brute_force(
    texts: Sequence[str], asked: str, threshold: float, *, differing: bool = False
) -> Similar | None:
    best: Similar | None = None
    words = fuzzy_words(asked)
    for number, text in enumerate(texts):
        own = fuzzy_words(text)
        longest = max(len(words), len(own))
        errors = distance(words, own)
        # In whole numbers, so that 1 - 3 / 10 is at least 0.7.
        if not longest or (differing and not errors) or errors > round((1 - threshold) * longest, 9):
            continue
        found = Similar(number, 1 - errors / longest)
        if best is None or (found.score, found.number) > (best.score, best.number):
            best = found
    return best
