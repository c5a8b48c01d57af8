"""Fluent's `.ftl`: messages, terms, attributes of messages, and each variant of a selector."""

from __future__ import annotations

import re

from mtkit.documents.base import check_utf8
from mtkit.documents.software.messages import Markups, message_markup, value_slot
from mtkit.documents.spans import Slot, Spliced

_MAX_DEPTH = 64
_ID = r"[a-zA-Z][a-zA-Z0-9_-]*+"
_STRING = r'"(?:[^"\\\n]|\\.)*+"'
_PLACEABLE = rf"\{{(?:[^{{}}\"]|{_STRING}|\{{(?:[^{{}}\"]|{_STRING})*+\}})*+\}}"
_ENTRY = re.compile(rf"(?:^|(?<=\n))(?P<id>-?{_ID})(?P<equals> *= *)?")
_NEXT_ENTRY = re.compile(r"\n(?=[a-zA-Z#-])")
_ATTRIBUTE = re.compile(rf"\s*?\n[ ]+\.(?P<name>{_ID}) *= *")
_TEXT = re.compile(r"[^{}\n\r]++")
_LINE = re.compile(r"(?:\r?\n[ ]*)*\r?\n[ ]+(?![ .\[*}\r\n])")
_SELECTOR = re.compile(rf"\{{(?:[^{{}}\"]|{_STRING}|{_PLACEABLE})*?->\s*")
_VARIANT = re.compile(r"\s*\*?\[\s*[\w.-]+\s*\][ ]*")
_SIMPLE = re.compile(_PLACEABLE)
_KEYS = re.compile(r"(?:access|command)?key(?:code)?|accelerator|style")
"""Attributes that are no text."""
_FIRST = re.compile(r"(\n[ ]+)([.\[*])")

_MARKUPS: Markups = message_markup(("i18next",), rf"{_PLACEABLE}|[{{}}]"), None


class _UnfinishedError(Exception):
    pass


class _Pattern:
    """Finds the texts of a pattern: around its selectors, and in their variants.

    Attributes:
        texts: where they begin and end.
        end: where the pattern ends.
    """

    def __init__(self, source: str, start: int, stop: int) -> None:
        self._source, self._stop = source, stop
        self.texts: list[tuple[int, int]] = []
        self.end = self._read(start, 0)

    def _read(self, place: int, depth: int) -> int:
        """Reads a pattern that begins at `place`, and gives its end."""
        if depth > _MAX_DEPTH:
            raise _UnfinishedError
        source, stop, begin = self._source, self._stop, place
        while place < stop:
            if found := _TEXT.match(source, place, stop) or _LINE.match(source, place, stop):
                place = found.end()
            elif simple := self._simple(place):
                place = simple
            elif selector := _SELECTOR.match(source, place, stop):
                self._add(begin, place)
                begin = place = self._variants(selector.end(), depth)
            else:
                break
        self._add(begin, place)
        return place

    def _simple(self, place: int) -> int:
        found = _SIMPLE.match(self._source, place, self._stop)
        return found.end() if found and "->" not in re.sub(_STRING, "", found[0]) else 0

    def _variants(self, place: int, depth: int) -> int:
        count = 0
        while variant := _VARIANT.match(self._source, place, self._stop):
            place, count = self._read(variant.end(), depth + 1), count + 1
        closing = re.compile(r"\s*\}").match(self._source, place, self._stop)
        if not closing or not count:
            raise _UnfinishedError
        return closing.end()

    def _add(self, start: int, end: int) -> None:
        if self._source[start:end].strip():
            self.texts.append((start, end))


def open_ftl(name: str, data: bytes) -> Spliced:
    """The texts; identifiers, placeables, comments, attributes of terms and malformed entries stay.

    Raises:
        InputError: it is not UTF-8.
    """
    source = check_utf8(name, data)
    slots: list[Slot] = []
    for entry in _ENTRY.finditer(source):
        if not entry["equals"]:
            continue
        following = _NEXT_ENTRY.search(source, entry.end())
        stop = following.start() if following else len(source)
        try:
            texts = _texts_of(source, entry, stop)
        except _UnfinishedError:
            continue
        slots += [
            value_slot(source, start, end, source[start:end], _MARKUPS, _spelled) for start, end in texts
        ]
    return Spliced(source, slots)


def _texts_of(source: str, entry: re.Match[str], stop: int) -> list[tuple[int, int]]:
    value = _Pattern(source, entry.end(), stop)
    texts, place = value.texts, value.end
    while attribute := _ATTRIBUTE.match(source, place, stop):
        pattern = _Pattern(source, attribute.end(), stop)
        place = pattern.end
        if not entry["id"].startswith("-") and not _KEYS.fullmatch(attribute["name"]):
            texts = [*texts, *pattern.texts]
    if source[place:stop].strip():
        raise _UnfinishedError
    return texts


def _spelled(text: str) -> str:
    """Writes as a placeable the start of a line that would begin an attribute or a variant."""
    return _FIRST.sub(r'\1{"\2"}', text)
