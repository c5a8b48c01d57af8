"""Reads the grammar of the phrasebook from its text files; README.md describes their format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import groupby

from mtkit.data.read.phrasebook.book import GRAMMARS, Category, Pattern, Placeholder, Row, Token
from mtkit.data.read.phrasebook.renderings import LANGUAGES, computed_categories
from mtkit.data.read.phrasebook.words import Adjective, Noun

Line = tuple[str, str]  # where (file:line), text
Cells = Mapping[str, str]  # column, as `de` or `de.acc` -> cell

_HEADING = re.compile(r"\[(?P<name>[a-z_]+)(: (?P<kind>noun|adjective|text))?\]")
_HEADER = re.compile(r"((en|fr|de|zh)(\.[a-z]+)?|g|p)(, *(en|fr|de|zh))*")
_SLOT = re.compile(r"(?P<slot>(?P<category>[a-z_]+)\d?)(\.(?P<form>[a-z]+))?(@(?P<agrees>[a-z_]+\d?))?")
_BRACES = re.compile(r"\{([^{}]*)\}")
_PERSONS = {"I": 0, "he": 1, "we": 2, "they": 3}


class BookError(Exception):
    """A line of the phrasebook's own files that is invalid: a mistake of its author."""


@cache
def read_book() -> dict[str, Category]:
    """All categories by name; the sentences of a scene are the category `scene/NAME`."""
    return _Reader().read()


class _Reader:
    """Collects all sections first, because rows may name categories of later files."""

    def __init__(self) -> None:
        self.categories: dict[str, Category] = {}
        self.sections: list[tuple[Category, str, list[Line]]] = []

    def read(self) -> dict[str, Category]:
        for name, rows in computed_categories().items():
            category = self._open(name, f"formats.py: {name}")
            category.rows += [self._text_row(category.name, cells) for cells in rows]
        folder = files("mtkit.data.read.phrasebook")
        for file in (*_sorted(folder / "lexicon"), *_sorted(folder / "scenes")):
            self._split(file)
        for category, kind, lines in self.sections:
            category.rows += self._sentences(lines) if kind == "" else self._table(kind, lines)
        return self.categories

    def _open(self, name: str, where: str) -> Category:
        if name in self.categories:
            raise BookError(f"{where}: the category {name} exists already.")
        category = self.categories[name] = Category(name)
        return category

    def _split(self, file: Traversable) -> None:
        """Adds the sections of a file."""
        for number, text in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
            where = f"{file.name}:{number}"
            if heading := _HEADING.fullmatch(text):
                scene = heading["name"] == "sentences"
                name = f"scene/{file.name.removesuffix('.txt')}" if scene else heading["name"]
                self.sections.append((self._open(name, where), heading["kind"] or "", []))
            elif self.sections and not text.startswith("#"):
                self.sections[-1][2].append((where, text.strip()))

    def _sentences(self, lines: list[Line]) -> Iterator[Row]:
        """Blocks of four lines, one per language."""
        for filled, group in groupby(lines, key=lambda line: line[1] != ""):
            if filled:
                block = list(group)
                where = block[0][0]
                if len(block) != len(LANGUAGES):
                    raise BookError(f"{where}: expected {len(LANGUAGES)} lines, found {len(block)}.")
                yield self._text_row(where, dict(zip(LANGUAGES, (text for _, text in block), strict=True)))

    def _table(self, kind: str, lines: list[Line]) -> Iterator[Row]:
        header = ["en", "fr", "de", "zh"]
        for where, text in lines:
            if not text:
                continue
            cells = [cell.strip() for cell in text.split(" | ")]
            if all(_HEADER.fullmatch(cell) for cell in cells):
                header = cells
                continue
            if len(cells) != len(header):
                raise BookError(f"{where}: expected {len(header)} cells, found {len(cells)}.")
            columns = {
                column: cell
                for columns, cell in zip(header, cells, strict=True)
                for column in columns.replace(" ", "").split(",")
            }
            yield self._text_row(where, columns) if kind == "text" else self._word_row(kind, where, columns)

    def _word_row(self, kind: str, where: str, cells: Cells) -> Row:
        words: dict[str, Noun | Adjective] = {}
        for lang, grammar in GRAMMARS.items():
            read = grammar.read_noun if kind == "noun" else grammar.read_adjective
            words[lang] = read(cells[lang])
        texts: dict[tuple[str, str], Pattern] = {
            (lang, form): (cell,) for lang, form, cell in _columns(cells) if form
        }
        return Row(where, cells["en"], words, texts, cells.get("g", ""), 1, {})

    def _text_row(self, where: str, cells: Cells) -> Row:
        texts: dict[tuple[str, str], Pattern] = {}
        slots: dict[str, dict[str, Category]] = {}
        for lang, form, cell in _columns(cells):
            used: dict[str, Category] = {}
            texts[lang, form] = tuple(self._pattern(lang, cell, used, where))
            slots[f"{lang}.{form}"] = used
        expected = next(iter(slots.values()))
        for name, used in slots.items():
            if used.keys() != expected.keys():
                raise BookError(f"{where}: {name} has the slots {sorted(used)}, not {sorted(expected)}.")
        person = _PERSONS[cells.get("p", "he")]
        return Row(where, cells["en"], {}, texts, cells.get("g", "").strip("-"), person, expected)

    def _pattern(
        self, lang: str, text: str, slots: dict[str, Category], where: str
    ) -> Iterator[str | Placeholder]:
        for index, part in enumerate(_BRACES.split(text)):
            if index % 2 == 0:
                if part:
                    yield part
                continue
            name, colon, options = part.partition(":")
            if colon:
                token = self._token(name, slots, where)
                yield Placeholder("", "", (token,), tuple(options.split("/")))
                continue
            words = name.split(" ")
            determiner, agrees = "", ""
            if len(words) > 1 and words[0].rstrip("0123456789") not in self.categories:
                determiner, _, agrees = words.pop(0).partition("@")
                if unknown := set(determiner.split("/")) - set(GRAMMARS[lang].DETERMINERS):
                    raise BookError(f"{where}: {lang} has no determiner {' '.join(unknown)}.")
            yield Placeholder(determiner, agrees, tuple(self._token(word, slots, where) for word in words))

    def _token(self, word: str, slots: dict[str, Category], where: str) -> Token:
        match = _SLOT.fullmatch(word)
        if match is None or match["category"] not in self.categories:
            raise BookError(f"{where}: {{{word}}} is not a category.")
        slots[match["slot"]] = self.categories[match["category"]]
        return Token(match["slot"], match["form"] or "", match["agrees"] or "")


def _columns(cells: Cells) -> Iterator[tuple[str, str, str]]:
    for column, cell in cells.items():
        lang, _, form = column.partition(".")
        if lang in LANGUAGES:
            yield lang, form, cell


def _sorted(folder: Traversable) -> Iterable[Traversable]:
    texts = (file for file in folder.iterdir() if file.name.endswith(".txt"))
    return sorted(texts, key=lambda file: file.name)
