"""Terms and prefixes in the pieces of a model, as the search wants them. Free of torch."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mtkit.decode.hypothesis import Terms
from mtkit.text.languages import UNSPACED_CHARACTERS
from mtkit.text.lazy import lazy_pattern
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.glossary import Term

Ids = tuple[int, ...]

_UNSPACED = lazy_pattern(f"[{UNSPACED_CHARACTERS}]")

_NEIGHBOURS = ("(", "-", "'", ",")
"""Characters that a term may follow without a space; a model may lack some of them."""

_TYPOGRAPHIES: tuple[dict[int, int], ...] = (
    {},
    str.maketrans("’‘ʼ“”„«»‐‑", '\'\'\'"""""--'),
    str.maketrans("'\"", "’”"),
)
"""Spellings to try in turn if the model lacks pieces: the text itself, straight quotes, curly quotes."""


class Prefix(NamedTuple):
    """What a translation begins with.

    Attributes:
        ids: of what the model has pieces for.
        text: all of it, as the subword model would read it.
        known: the text of `ids`.
        unknown: the characters without pieces, each once.
    """

    ids: Ids = ()
    text: str = ""
    known: str = ""
    unknown: str = ""

    def restored(self, translation: str, spaced: bool) -> str:
        """A translation that begins with `known`, beginning with `text` instead."""
        if not self.unknown:
            return translation
        rest = translation.removeprefix(self.known)
        return f"{self.text} {rest}" if rest and spaced and not self.known else self.text + rest


NO_PREFIX = Prefix()


class Speller:
    """Spells text of the target language in pieces of the model.

    Args:
        tokenizer: of the model.
        spaced: whether the language puts spaces between words.
    """

    def __init__(self, tokenizer: Tokenizer, spaced: bool) -> None:
        self._tokenizer, self._spaced = tokenizer, spaced
        self._known: dict[str, tuple[Ids, ...]] = {}

    def terms(self, terms: Sequence[Term]) -> tuple[Terms | None, list[Term]]:
        """The terms for the search, and those for which the model has no pieces."""
        spelled = [self._runs(term.tgt) for term in terms]
        impossible = [term for term, runs in zip(terms, spelled, strict=True) if not runs]
        wanted = tuple(filter(None, spelled))
        return (Terms(wanted, self._pieces, self._spaced) if wanted else None), impossible

    def prefix(self, text: str) -> Prefix:
        """What a translation begins with; characters without pieces are left out of its ids."""
        for written in _written(text):
            ids = self._encode(written)
            if Tokenizer.UNK not in ids:
                return Prefix(ids)
        formed = self._formed(text)
        unknown = dict.fromkeys(
            char for char in formed if Tokenizer.UNK in self._tokenizer.tgt.encode([char])[0]
        )
        kept = "".join(char for char in formed if char not in unknown)
        ids = tuple(token for token in self._tokenizer.tgt.encode([kept])[0] if token != Tokenizer.UNK)
        return Prefix(ids, formed, self._tokenizer.tgt.decode([ids])[0], "".join(unknown))

    @functools.cached_property
    def _pieces(self) -> tuple[str, ...]:
        return tuple(self._tokenizer.tgt.pieces(range(self._tokenizer.tgt.size)))

    def _runs(self, text: str) -> tuple[Ids, ...]:
        """The runs of ids that spell a term in the first typography that the model has pieces for."""
        if text not in self._known:
            found = (tuple(self._in_context(written)) for written in _written(text))
            self._known[text] = next(filter(None, found), ())
        return self._known[text]

    def _in_context(self, text: str) -> Iterator[Ids]:
        """A term after a space and after punctuation, with a small first letter and a capital one.

        Between words without spaces it follows its neighbour at once.
        """
        runs: list[Ids] = []
        for spelling in (text, text[:1].upper() + text[1:]) if self._spaced else (text,):
            ids = self._encode(spelling)
            if self._spaced or not _UNSPACED.match(text):
                runs.append(ids)
            for neighbour in _NEIGHBOURS:
                before, both = self._encode(neighbour), self._encode(neighbour + spelling)
                if Tokenizer.UNK not in before and both[: len(before)] == before:
                    runs.append(both[len(before) :])
                    break
        return (run for run in dict.fromkeys(runs) if run and Tokenizer.UNK not in run)

    def _encode(self, text: str) -> Ids:
        return tuple(self._tokenizer.tgt.encode([self._formed(text)])[0])

    def _formed(self, text: str) -> str:
        """A text as the subword model reads it."""
        form = self._tokenizer.form
        return form.pair("", form.normalize(text))[1]


def _written(text: str) -> Iterator[str]:
    return (text.translate(typography) for typography in _TYPOGRAPHIES)
