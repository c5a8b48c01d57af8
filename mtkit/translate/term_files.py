"""Glossaries in files: tables between tabs or as CSV, and TBX, the exchange format of term bases."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from mtkit.errors import InputError, listed
from mtkit.text.languages import same_language
from mtkit.text.normalize import normalize
from mtkit.translate.glossary import Glossary, Term, folded
from mtkit.translate.inflection import build_stem

logger = logging.getLogger(__name__)

_NAMES = (
    {"source", "src", "source term", "source_term", "sourcestring", "term"},
    {"target", "tgt", "target term", "target_term", "targetstring", "translation"},
)
"""Header names of the source and the target column, beside their language codes."""

_OUTDATED = ("deprecated", "superseded", "obsolete")
"""Parts of the administrative status of a term that is not to be used."""

Languages = tuple[str, str]
Row = tuple[int, Sequence[str]]


def read_glossary(path: Path, languages: Languages = ("", "")) -> Glossary:
    """The glossary in a TSV, CSV or TBX file, by its suffix; others are read as TSV.

    The first row of a table may name its columns: by the codes of both languages, or as source and target.
    Else the first two columns are meant. Of the terms that TBX has for the source language each is found, and
    the first one of the target language that is not deprecated is used.

    Args:
        path: of the file.
        languages: source and target of the model; empty if unknown.

    Raises:
        InputError: a row has no source or no target, or there is no term at all; the file cannot be read.
    """
    name = path.name.casefold()
    if ".tbx" in name:
        terms = _read_tbx(path, languages)
    else:
        terms = _read_table(path, _csv_rows(path) if ".csv" in name else _tsv_rows(path), languages)
    glossary = Glossary(terms, build_stem(languages[0]))
    if not len(glossary):
        raise InputError(f"{path}: there is no term in it.", "Write one a line: source, tab, target.")
    return glossary


def _tsv_rows(path: Path) -> Iterator[Row]:
    from mtkit.data.read.lines import read_lines  # with all its ways to decompress

    return ((number, line.split("\t")) for number, line in enumerate(read_lines(path), start=1))


def _csv_rows(path: Path) -> Iterator[Row]:
    from mtkit.data.read.lines import read_lines
    from mtkit.data.read.repairs import Repairs
    from mtkit.data.read.tables import csv_rows

    for number, row in csv_rows(path, read_lines(path, Repairs()), ",", Repairs()):
        if isinstance(row, str):
            raise InputError(f"{path}:{number}: {row}.", "Repair it, or export it again.")
        yield number, row


def _read_table(path: Path, rows: Iterator[Row], languages: Languages) -> Iterator[Term]:
    rows = ((number, [normalize(column) for column in row]) for number, row in rows)
    rows = (row for row in rows if any(row[1]))
    head = next(rows, (1, []))
    named = _columns(head[1], languages)
    src_place, tgt_place = named or (0, 1)
    first: dict[str, tuple[int, str]] = {}
    for number, row in rows if named else chain([head] if head[1] else [], rows):
        src, tgt = (row[place] if place < len(row) else "" for place in (src_place, tgt_place))
        if not (src and tgt):
            raise InputError(f"{path}:{number}: expected a source term and a target term.", "Add them.")
        known = first.setdefault(folded(src), (number, tgt))
        if known[1] != tgt:
            logger.warning("%s:%d: its source stands in line %d too, which counts.", path, number, known[0])
        yield Term(src, tgt)


def _columns(head: Sequence[str], languages: Languages) -> tuple[int, int] | None:
    """The places of source and target in a row that names them; None if it does not."""
    for src, tgt in ((_NAMES[0].__contains__, _NAMES[1].__contains__), tuple(map(_names, languages))):
        places = [
            next((i for i, name in enumerate(head) if is_it(name.casefold())), -1) for is_it in (src, tgt)
        ]
        if min(places) >= 0:
            return places[0], places[1]
    return None


def _names(language: str) -> Callable[[str], bool]:
    return lambda name: bool(language) and len(name) <= 12 and same_language(name, language)


def _read_tbx(path: Path, languages: Languages) -> Iterator[Term]:
    entries, found = 0, 0
    codes: dict[str, None] = {}
    for terms in _entries(path):
        entries += 1
        codes |= dict.fromkeys(terms)
        srcs, tgts = (
            [term for code, own in terms.items() if same_language(code, wanted) for term in own]
            for wanted in languages
        )
        found += bool(srcs and tgts)
        yield from (Term(src, tgts[0]) for src in srcs[: len(srcs) * bool(tgts)])
    if not found:
        raise InputError(
            f"{path}: none of its {entries:,} entries has both {' and '.join(languages)}.",
            f"It has {listed(codes) or 'no languages'}.",
        )


def _entries(path: Path) -> Iterator[dict[str, list[str]]]:
    """The terms of each entry by language; without those of an outdated status."""
    from mtkit.data.read.markup import read_elements
    from mtkit.data.read.repairs import Repairs

    roots, texts = frozenset({"martif", "tbx"}), frozenset({"term", "termNote"})
    terms: dict[str, list[str]] = {}
    own: list[str] = []
    is_status = False
    for element in read_elements(path, Repairs(), roots, texts, frozenset()):
        match element.name:
            case "termEntry" | "conceptEntry":
                if element.is_end:
                    yield terms
                terms = {}
            case "langSet" | "langSec" if not element.is_end:
                own = terms.setdefault(element.attributes.get("lang", ""), [])
            case "term" if element.text is not None:
                own.extend(filter(None, [normalize(element.text)]))
            case "termNote" if element.text is None:
                is_status = "status" in element.attributes.get("type", "").casefold()
            case "termNote" if is_status and own and any(word in (element.text or "") for word in _OUTDATED):
                own.pop()
