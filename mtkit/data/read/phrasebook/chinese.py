"""Chinese: measure words, 的, no spaces."""

from __future__ import annotations

from collections.abc import Sequence

from mtkit.data.read.phrasebook.words import Adjective, Noun

DETERMINERS = ("一", "这", "那", "每", "哪", "几", "另一")


def read_noun(cell: str) -> Noun:
    """A noun from `measure word/noun`."""
    measure, _, singular = cell.partition("/")
    return Noun(singular, singular, measure=measure)


def read_adjective(cell: str) -> Adjective:
    """An adjective without 的."""
    return Adjective(cell)


def noun_phrase(determiner: str, count: str, adjectives: Sequence[Adjective], noun: Noun) -> str:
    """`这三件红色的衬衫`: an adjective of two or more characters takes 的."""
    attributes = (a.base + ("的" if len(a.base) > 1 else "") for a in adjectives)
    measure = noun.measure if determiner or count else ""
    return determiner + count + measure + "".join(attributes) + noun.singular


def predicate(adjective: Adjective, gender: str) -> str:
    """The adjective itself."""
    return adjective.base


def finish(text: str) -> str:
    """The sentence as it is."""
    return text
