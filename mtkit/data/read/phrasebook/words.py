"""What the lexicon knows of a word in one language, and what a language must be able to do with it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun of one language; what a language does not have stays empty.

    Attributes:
        singular: citation form.
        plural: plural form, of all cases but the German dative.
        gender: `m`, `f` or `n`.
        genitive: German genitive singular.
        weak: German n-declension: every singular case but the nominative is the plural form.
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
        before: French: stands before its noun.
    """

    base: str
    feminine: str = ""
    liaison: str = ""
    before: bool = False


class Grammar(Protocol):
    """The four languages are modules of this shape."""

    @property
    def DETERMINERS(self) -> Collection[str]:  # noqa: N802
        """The words that may open a noun phrase in a template."""

    def read_noun(self, cell: str) -> Noun:
        """A noun from its cell of the lexicon."""

    def read_adjective(self, cell: str) -> Adjective:
        """An adjective from its cell of the lexicon."""

    def noun_phrase(self, determiner: str, count: str, adjectives: Sequence[Adjective], noun: Noun) -> str:
        """Determiner, number, adjectives and noun in agreement; plural where there is a number."""

    def predicate(self, adjective: Adjective, gender: str) -> str:
        """The adjective after "to be", for a subject of this gender."""

    def finish(self, text: str) -> str:
        """The sentence after what depends on neighbours: elision, contraction, a or an, the capital."""
