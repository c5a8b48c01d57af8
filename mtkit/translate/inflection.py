"""The common form of inflected words: by simplemma if it is installed, otherwise by common endings."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from mtkit.text.languages import language_of

_ENDINGS = {
    "en": ("s", "es"),
    "fr": ("s", "x", "e", "es"),
    "de": ("e", "en", "er", "ern", "es", "n", "s"),
    "es": ("s", "es"),
    "pt": ("s", "es"),
    "nl": ("s", "en", "e"),
}
"""Endings of nouns and adjectives that hardly ever make another word."""

_SHORTEST = 3
"""Letters that are left of a word without its ending."""


def build_stem(language: str) -> Callable[[str], str]:
    """Gives what all forms of a word have in common; a word itself where the language is not known."""
    code = language_of(language).code if language else ""
    with contextlib.suppress(ImportError):
        from simplemma import lemmatize
        from simplemma.strategies.dictionaries.dictionary_factory import SUPPORTED_LANGUAGES

        if code in SUPPORTED_LANGUAGES:
            return lambda word: word if word.isupper() else lemmatize(word, lang=code)
    endings = sorted(_ENDINGS.get(code, ()), key=len, reverse=True)

    def stem(word: str) -> str:
        if not word.isupper():
            for ending in endings:
                if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST:
                    return word[: -len(ending)]
        return word

    return stem
