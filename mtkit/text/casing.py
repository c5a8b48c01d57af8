"""Case as marks after lower-cased words (inline casing, Bérard et al. 2019), without loss."""

from __future__ import annotations

import re

CAPITAL, UPPER = "⟦C⟧", "⟦U⟧"
MARKS = (CAPITAL, UPPER)

# Letters before a combining mark are left alone, so that a mark of ours never parts the two.
_WORD = re.compile(r"(?<![^\W\d_])[^\W\d_]++(?![\u0300-\u036f\u0483-\u0487\u1ab0-\u1aff\u1dc0-\u1dff])")
_MARKED = re.compile(r"(?<![^\W\d_])([^\W\d_]++)(⟦C⟧|⟦U⟧)")
_STRAY = re.compile(r"⟦[CU]⟧")


def mark_case(text: str) -> str:
    """`text` in lower case, `⟦C⟧` after words with a capital and `⟦U⟧` after words in capitals.

    Words that neither mark would bring back, such as iPhone, stay as they are.
    """
    return text if text.islower() else _WORD.sub(lambda found: _marked(found[0]), text)


def restore_case(text: str) -> str:
    """The inverse of `mark_case`; marks that follow no word are dropped."""
    if "⟦" not in text:
        return text
    return _STRAY.sub("", _MARKED.sub(lambda found: _cased(found[1], found[2]), text))


def _marked(word: str) -> str:
    lower = word.lower()
    if lower == word:
        return word
    for mark in MARKS:
        if _cased(lower, mark) == word:
            return lower + mark
    return word


def _cased(word: str, mark: str) -> str:
    return word.upper() if mark == UPPER else word[:1].upper() + word[1:]
