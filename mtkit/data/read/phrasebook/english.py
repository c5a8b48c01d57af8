"""English: plurals, a and an."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mtkit.data.read.phrasebook.words import Adjective, Noun

DETERMINERS = ("a", "the", "this", "my", "your", "our", "pl")

_ARTICLE = re.compile(r"\b([Aa]) (?=[aeio]|u(?!ni|se|su)|hour|8|11\b|18\b)(?!one|eu)", re.IGNORECASE)


def read_noun(cell: str) -> Noun:
    """A noun from `coffee` or, where the plural is irregular, `knife/knives`."""
    singular, _, plural = cell.partition("/")
    return Noun(singular, plural or _plural(singular))


def _plural(noun: str) -> str:
    if re.search(r"(s|x|z|ch|sh)$", noun):
        return noun + "es"
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + "s"


def read_adjective(cell: str) -> Adjective:
    """An adjective, which never changes."""
    return Adjective(cell)


def noun_phrase(determiner: str, count: str, adjectives: Sequence[Adjective], noun: Noun) -> str:
    """`a red shirt`, `two red shirts`; the determiner `pl` is a bare plural."""
    plural = bool(count) or determiner == "pl"
    words = [determiner if determiner != "pl" else "", count, *(adjective.base for adjective in adjectives)]
    return " ".join([*filter(None, words), noun.plural if plural else noun.singular])


def predicate(adjective: Adjective, gender: str) -> str:
    """The adjective itself."""
    return adjective.base


def finish(text: str) -> str:
    """The sentence with `an` before a vowel, no second full stop, and a capital."""
    text = _ARTICLE.sub(r"\1n ", text).replace("..", ".")
    return text[0].upper() + text[1:]
