"""Words of the lexicon in one language, and the functions that a language provides for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun of one language; forms that the language does not have are empty.

    Attributes:
        singular: citation form.
        plural: plural form, in German of all cases except the dative.
        gender: `m`, `f` or `n`.
        genitive: German genitive singular.
        weak: German n-declension: every singular case except the nominative equals the plural form.
        measure: Chinese measure word.
    """

    singular: str
    plural: str = ""
    gender: str = ""
    genitive: str = ""
    weak: bool = False
    measure: str = ""


@dataclass(frozen=True, slots=True)
class Adjective:
    """An adjective of one language.

    Attributes:
        base: masculine singular; the form of the predicate.
        feminine: French feminine singular.
        liaison: French masculine before a vowel (`bel`); German stem before endings (`teur`).
        before: whether a French adjective comes before its noun.
    """

    base: str
    feminine: str = ""
    liaison: str = ""
    before: bool = False


class Grammar(Protocol):
    """The functions of each language module."""

    @property
    def DETERMINERS(self) -> Collection[str]:  # noqa: N802
        """The words that may begin a noun phrase in a template."""

    def read_noun(self, cell: str) -> Noun:
        """A noun from its cell of the lexicon."""

    def read_adjective(self, cell: str) -> Adjective:
        """An adjective from its cell of the lexicon."""

    def noun_phrase(self, determiner: str, count: str, adjectives: Sequence[Adjective], noun: Noun) -> str:
        """Determiner, number, adjectives and noun in agreement; plural if there is a number."""

    def predicate(self, adjective: Adjective, gender: str) -> str:
        """The adjective after "to be", for a subject of this gender."""

    def finish(self, text: str) -> str:
        """Applies what depends on neighbouring words: elision, contraction, a or an, the capital."""
