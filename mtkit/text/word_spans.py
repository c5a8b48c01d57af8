"""The words of a text with their places, for lexicons: runs of letters and digits, or single characters.

Text without spaces between words is divided into characters, because the languages table says no more.
"""

from __future__ import annotations

import re
from functools import cache

from mtkit.text.languages import language_of


@cache
def word_pattern(lang: str) -> re.Pattern[str]:
    """A pattern that matches each word of a text in this language, or each character if it has no spaces."""
    language = language_of(lang)
    own = "" if "a" in language.alphabet else language.alphabet
    if language.spaced or not own:
        # Vowel signs of Indic scripts are no letters for `\w`.
        return re.compile(rf"(?:[^\W_]|[{own}])+" if own else r"[^\W_]+")
    return re.compile(rf"(?=[{own}])[^\W_]|(?:(?![{own}])[^\W_])+")


def words_of(text: str, lang: str) -> list[str]:
    """The words of a text in lower case, in order."""
    return word_pattern(lang).findall(text.lower())
