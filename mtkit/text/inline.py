"""Inline codes of translation formats: what a text has in the place of one."""

from __future__ import annotations

import re

from mtkit.text.languages import UNSPACED_CHARACTERS

FORMATTING = frozenset(
    {"g", "mrk", "pc", "sm", "em", "bpt", "ept", "it", "hi", "sc", "ec", "bx", "ex"},
)
"""Elements of TMX and XLIFF that begin or end a format such as bold, inside a word too."""

# After an opening bracket, a hyphen and the like a word continues.
_WORDS_MEET = re.compile(
    rf"[^\s\-_/\\(\[{{<=@#$€£\"'“„‘«¿¡{UNSPACED_CHARACTERS}][^\W_](?<![{UNSPACED_CHARACTERS}])"
)


def gap(before: str, after: str) -> str:
    """What separates two words with nothing but an inline code between them: a space in most scripts.

    Args:
        before: the last character before the code; empty at the beginning of a text.
        after: the first character behind it.
    """
    return " " if _WORDS_MEET.fullmatch(before + after) else ""
