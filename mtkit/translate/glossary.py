"""Terms that translations must use: read from a table, found in source lines, counted in translations.

Free of torch. That the terms are said is the search's business (`decode/constrained.py`).
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mtkit.errors import InputError
from mtkit.text.normalize import normalize

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Term:
    """What a source text is to be called in the translation."""

    src: str
    tgt: str


class Glossary:
    """Terms, found in text whatever the case of letters; longer ones come before those that they contain.

    Args:
        terms: of equal sources the first one counts.
    """

    def __init__(self, terms: Iterable[Term]) -> None:
        self._by_first: dict[str, list[tuple[str, Term]]] = defaultdict(list)
        self._sources: set[str] = set()
        for term in terms:
            folded = term.src.casefold()
            if folded not in self._sources:
                self._sources.add(folded)
                self._by_first[folded[0]].append((folded, term))
        for found in self._by_first.values():
            found.sort(key=lambda pair: -len(pair[0]))

    def __len__(self) -> int:
        return len(self._sources)

    def find(self, text: str, spaced: bool) -> list[Term]:
        """The terms in `text`, from left to right; none overlaps another.

        Args:
            text: of a source.
            spaced: its words have spaces between them, which keeps `art` from being found in `start`.
        """
        folded = text.casefold()
        found, place = [], 0
        while place < len(folded):
            match = self._at(folded, place, spaced)
            if match is None:
                place += 1
            else:
                found.append(match[1])
                place += len(match[0])
        return found

    def _at(self, folded: str, place: int, spaced: bool) -> tuple[str, Term] | None:
        if spaced and place and folded[place - 1].isalnum() and folded[place].isalnum():
            return None
        for source, term in self._by_first.get(folded[place], ()):
            end = place + len(source)
            inside = spaced and source[-1].isalnum() and folded[end : end + 1].isalnum()
            if not inside and folded.startswith(source, place):
                return source, term
        return None


def terms_used(terms: Iterable[Term], hyp: str) -> int:
    """How many of `terms` are in the translation `hyp`; one that is given twice has to be there twice."""
    used, rest = 0, hyp.casefold()
    for target, times in Counter(term.tgt.casefold() for term in terms).items():
        found = min(times, rest.count(target))
        used += found
        rest = rest.replace(target, "\n", found)
    return used


def read_glossary(path: Path) -> Glossary:
    """The glossary in a TSV file of source and target terms; further columns and empty lines are passed over.

    Raises:
        InputError: a line has no target, or there is no term at all; the file cannot be read.
    """
    glossary = Glossary(_read_terms(path))
    if not len(glossary):
        raise InputError(f"{path}: there is no term in it.", "Write one a line: source, tab, target.")
    return glossary


def _read_terms(path: Path) -> Iterator[Term]:
    from mtkit.data.read.lines import read_lines  # with all its ways to decompress

    first: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        columns = [normalize(column) for column in line.split("\t")]
        if len(columns) < 2 or not (columns[0] and columns[1]):
            raise InputError(
                f"{path}:{number}: expected a source term, a tab and a target term.", "Add them."
            )
        src, tgt = columns[:2]
        known = first.setdefault(src.casefold(), (number, tgt))
        if known[1] != tgt:
            logger.warning("%s:%d: its source stands in line %d too, which counts.", path, number, known[0])
        yield Term(src, tgt)
