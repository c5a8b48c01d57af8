"""Terms that translations must use: found in source lines, counted in translations.

Free of torch. `term_files.py` reads them, and `decode/constrained.py` has the translations contain them.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from mtkit.text.lazy import lazy_pattern

_SAME = {"'": "’‘ʼ", '"': "“”„«»", "-": "‐‑", " ": "\u202f\xa0"}
_TYPOGRAPHY = {ord(other): sign for sign, others in _SAME.items() for other in others}

_WORDS = lazy_pattern(r"\w+|[^\w\s]")
_CHARACTERS = lazy_pattern(r"[0-9A-Za-z\xc0-\u024f]+|\S")
"""For a language without spaces: words in Latin letters still match as wholes."""


@dataclass(frozen=True, slots=True)
class Term:
    """A source text and its required translation."""

    src: str
    tgt: str


def folded(text: str) -> str:
    """`text` without case, with straight quotes, plain hyphens and spaces."""
    return text.translate(_TYPOGRAPHY).casefold()


def pattern_of(text: str, spaced: bool) -> str:
    """A pattern that finds `text` in any case and typography, as whole words if they have spaces between."""
    signs = text.translate(_TYPOGRAPHY)
    spelled = "".join(f"[{sign}{_SAME[sign]}]" if sign in _SAME else re.escape(sign) for sign in signs)
    left, right = (
        (bound if spaced and edge.isalnum() else "")
        for bound, edge in ((r"(?<!\w)", text[:1]), (r"(?!\w)", text[-1:]))
    )
    return f"{left}(?i:{spelled}){right}"


class Glossary:
    """Terms, found in text whatever the case of letters and the typography.

    Args:
        terms: of equal sources the first one counts.
        stem: what all forms of a word have in common; a word is found in other forms by it.
    """

    def __init__(self, terms: Iterable[Term], stem: Callable[[str], str] = str) -> None:
        self._terms: dict[str, Term] = {}
        for term in terms:
            self._terms.setdefault(folded(term.src), term)
        self._stem = cache(lambda word: folded(stem(word)))

    def __len__(self) -> int:
        return len(self._terms)

    def find(self, text: str, spaced: bool) -> list[Term]:
        """The terms in `text`, from left to right; none overlaps another, and longer ones come first.

        Args:
            text: of a source.
            spaced: its words have spaces between them, which keeps `art` from being found in `start`.
        """
        return [term for _, _, term in self.places(text, spaced)]

    def places(self, text: str, spaced: bool) -> list[tuple[int, int, Term]]:
        """What `find` finds, each with where it begins and ends."""
        index = self._words if spaced else self._characters
        spans, units = self._units(text, spaced)
        found, place = [], 0
        while place < len(units):
            longest = self._at(index, units, place)
            size = len(longest[0]) if longest else 1
            if longest is not None:
                found.append((spans[place][0], spans[place + size - 1][1], longest[1]))
            place += size
        return found

    def _at(self, index: _Index, units: _Units, place: int) -> tuple[_Units, Term] | None:
        for key in dict.fromkeys(units[place]):
            for own, term in index.get(key, ()):
                there = units[place : place + len(own)]
                if len(there) == len(own) and all(map(_alike, own, there)):
                    return own, term
        return None

    def _units(self, text: str, spaced: bool) -> tuple[list[tuple[int, int]], _Units]:
        """The words of `text` or its characters: where each is, and what it is, by itself and by its stem."""
        found = list((_WORDS if spaced else _CHARACTERS).finditer(text.translate(_TYPOGRAPHY)))
        stem = self._stem if spaced else str.casefold
        return [own.span() for own in found], [(own[0].casefold(), stem(own[0])) for own in found]

    @cached_property
    def _words(self) -> _Index:
        return self._indexed(spaced=True)

    @cached_property
    def _characters(self) -> _Index:
        return self._indexed(spaced=False)

    def _indexed(self, spaced: bool) -> _Index:
        """The terms by their first word and its stem, longest first."""
        index: dict[str, list[tuple[_Units, Term]]] = defaultdict(list)
        for term in self._terms.values():
            units = self._units(term.src, spaced)[1]
            if units:
                for key in dict.fromkeys(units[0]):
                    index[key].append((units, term))
        for found in index.values():
            found.sort(key=lambda pair: -len(pair[0]))
        return index


_Units = list[tuple[str, str]]
_Index = Mapping[str, Sequence[tuple[_Units, Term]]]


def _alike(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return one[0] == other[0] or one[1] == other[1]


def deal(terms: Iterable[Term], texts: Sequence[str]) -> list[list[Term]]:
    """The terms of a line, each given to the first of its parts that has the source; else to the longest."""
    rest = [folded(text) for text in texts]
    longest = max(range(len(texts)), key=lambda place: len(texts[place]), default=0)
    dealt: list[list[Term]] = [[] for _ in texts]
    for term in terms if texts else ():
        source = folded(term.src)
        place = next((place for place, text in enumerate(rest) if source in text), longest)
        rest[place] = rest[place].replace(source, "\n", 1)
        dealt[place].append(term)
    return dealt


def terms_used(terms: Iterable[Term], hyp: str, spaced: bool) -> int:
    """How many of `terms` are in the translation `hyp`; one that is given twice has to be there twice.

    Terms may overlap, but one that is part of another has to stand elsewhere, too.
    """
    times = Counter(folded(term.tgt) for term in terms)
    text = folded(hyp)
    used = 0
    for target, count in times.items():
        inside = sum(many * _count(target, other, spaced) for other, many in times.items() if other != target)
        used += max(0, min(count, _count(target, text, spaced) - inside))
    return used


def _count(target: str, text: str, spaced: bool) -> int:
    """The number of times `target` is in `text`, as whole words if these have spaces between them."""
    if target not in text:
        return 0
    if not spaced:
        return text.count(target)
    left, right = (r"\b" if edge.isalnum() else "" for edge in (target[0], target[-1]))
    return len(re.findall(f"{left}{re.escape(target)}{right}", text))
