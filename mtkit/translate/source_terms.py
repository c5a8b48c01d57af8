"""Terms written into sources, for a model that has learned to use them. Free of torch.

`text/term_marks.py` is how, in training as well; this is where: at the places that a glossary finds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from mtkit.text.casing import MARKS
from mtkit.text.term_marks import InlineTerm, write_terms
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.glossary import Term

Places = Iterable[tuple[int, int, Term]]
"""Terms, each with where its source begins and ends in a text."""

_MARK = re.compile("|".join(map(re.escape, MARKS)))


class SourceTerms:
    """Writes terms into the ids of sources.

    Args:
        tokenizer: of the model; it has the marks.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def write(
        self, formed: str, ids: Sequence[int], places: Places, terms: Sequence[Term]
    ) -> tuple[list[int], bool]:
        """The ids of a source with terms, and whether all of these terms are in it.

        Args:
            formed: the source as the subword model reads it.
            ids: of the source, without tags.
            places: where terms are in its clean text, which has no marks of case; others are left out.
            terms: that are written, as often as they are given.
        """
        bounds = _bounds(formed)
        text = self._tokenizer.form.without_marks(formed)
        if len(bounds) != len(text):
            return list(ids), not terms
        wanted = Counter(terms)
        inline: dict[InlineTerm, Term] = {}
        last = 0
        for start, end, term in sorted(places, key=lambda place: place[:2]):
            if wanted[term] and start >= last:
                wanted[term] -= 1
                last = end
                inline[InlineTerm(bounds[start][0], bounds[end - 1][1], self._ids(term.tgt))] = term
        written, found = write_terms(self._tokenizer.src, formed, ids, list(inline))
        return written, Counter(inline[one] for one in found) == Counter(terms)

    def _ids(self, text: str) -> tuple[int, ...]:
        """A term as training sources have it; nothing if the model has no pieces for this spelling."""
        form = self._tokenizer.form
        (ids,) = self._tokenizer.src.encode([form.pair("", form.normalize(text))[1]])
        return () if Tokenizer.UNK in ids else tuple(ids)


def _bounds(formed: str) -> list[tuple[int, int]]:
    """Where each character of a text begins and ends; a mark of case belongs to the one before it."""
    bounds: list[tuple[int, int]] = []
    marks = {mark.start(): mark.end() for mark in _MARK.finditer(formed)}
    place = 0
    while place < len(formed):
        if place in marks and bounds:
            bounds[-1] = (bounds[-1][0], marks[place])
        elif place not in marks:
            bounds.append((place, place + 1))
        place = marks.get(place, place + 1)
    return bounds
