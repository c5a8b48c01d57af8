"""Apple's `.strings` and `.stringsdict`: the value of each entry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from xml.sax.saxutils import escape

from mtkit.documents.base import check_utf8, unescape
from mtkit.documents.elements import XmlNode, decode_xml, read_nodes
from mtkit.documents.software.messages import (
    XML_KEPT,
    XML_SILENT,
    Markups,
    message_markup,
    same,
    value_slot,
    with_escapes,
)
from mtkit.documents.spans import Slot, Spliced
from mtkit.errors import InputError

_QUOTED = r'"(?:[^"\\]++|\\.)*+"'
_SPACE = r"(?:\s++|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+"
_ENTRY = re.compile(
    rf"(?:{_QUOTED}|[\w$./:-]++){_SPACE}(?:=(?P<space>{_SPACE})(?P<value>{_QUOTED}|[\w$./:-]++){_SPACE})?;",
    re.DOTALL,
)
_GAP = re.compile(_SPACE)
_ESCAPE = re.compile(r"\\(?:[Uu]([0-9a-fA-F]{4})|([0-7]{1,3})|(.))", re.DOTALL)
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_SPECIAL = re.compile('[\x00-\x1f\x7f"\\\\]')
_WRITTEN = {character: f"\\{letter}" for letter, character in _NAMED.items()} | {'"': r"\"", "\\": r"\\"}
_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}

_ARGUMENT = r"%%|%(?:\d+\$)?arg\b"
_NO_TEXT = frozenset({"NSStringFormatSpecTypeKey", "NSStringFormatValueTypeKey"})

APPLE: Markups = message_markup(("printf",), _ARGUMENT), None
"""The markup of a value as the program reads it."""


def _read(raw: str) -> str:
    """The text between the quotes, as the program reads it."""

    def character(found: re.Match[str]) -> str:
        if found[1] or found[2]:
            return chr(int(found[1], 16) if found[1] else int(found[2], 8))
        return _NAMED.get(found[3], found[3])

    # Characters beyond U+FFFF are two escapes.
    return _ESCAPE.sub(character, raw).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _spelled(value: str) -> str:
    def escaped(found: re.Match[str]) -> str:
        return _WRITTEN.get(found[0], f"\\U{ord(found[0]):04x}")

    return f'"{_SPECIAL.sub(escaped, value)}"'


def _spelled_in_ascii(value: str) -> str:
    return with_escapes(_spelled(value), "ascii", "U")


def open_strings(name: str, data: bytes) -> Spliced:
    """The values; keys and comments stay. The file keeps its encoding, UTF-8 or UTF-16.

    Raises:
        InputError: it is in neither, or a line is none of such a file.
    """
    source, encoding = _decoded(name, data)
    in_ascii = source.isascii() and bool(re.search(r"\\[Uu][0-9a-fA-F]{4}", source))
    spell = _spelled_in_ascii if in_ascii else _spelled
    slots: list[Slot] = []
    place = _end_of_gap(source, int(source.startswith("\ufeff")))
    while place < len(source):
        found = _ENTRY.match(source, place)
        if not found:
            line = source.count("\n", 0, place) + 1
            raise InputError(
                f'{name}:{line}: is not an entry, "key" = "value"; with a semicolon.',
                "Check it: plutil -lint.",
            )
        raw = found["value"]
        if raw and raw[0] == '"':
            start, end = found.span("value")
            slots.append(value_slot(source, start, end, _read(raw[1:-1]), APPLE, spell))
        place = _end_of_gap(source, found.end())
    return Spliced(source, slots, encoding=encoding)


def _end_of_gap(source: str, place: int) -> int:
    found = _GAP.match(source, place)
    return found.end() if found else place


def _decoded(name: str, data: bytes) -> tuple[str, str]:
    """The text of a file, with its byte order mark, and its encoding."""
    encoding = _MARKS.get(data[:2])
    if not encoding:
        return check_utf8(name, data), "utf-8"
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: begins like UTF-16, but byte {error.start + 1} is not.", "Export it again as UTF-8."
        ) from None


def open_stringsdict(name: str, data: bytes) -> Spliced:
    """The formats and plural forms of a property list; keys and types stay.

    Raises:
        InputError: it is not in the encoding that it declares, not well-formed or not a property list,
            declares entities or attributes, or is deeper or has longer tags than any real one.
    """
    source, encoding = decode_xml(name, data)
    slots = [
        value_slot(
            source, node.text, node.text_end, source[node.text : node.text_end], _in_xml(encoding), same
        )
        for root in read_nodes(name, source, "plist", {"dict"})
        for node in _texts(source, root)
    ]
    return Spliced(source, slots, encoding=encoding)


def _texts(source: str, node: XmlNode) -> Iterator[XmlNode]:
    """The strings of a dictionary, in order."""
    for key, value in pairwise(node.children):
        if value.name == "dict":
            yield from _texts(source, value)
        elif key.name == "key" and value.name == "string" and not _is_type(source, key):
            yield value


def _is_type(source: str, key: XmlNode) -> bool:
    return source[key.text : key.text_end].strip() in _NO_TEXT


@cache
def _in_xml(encoding: str) -> Markups:
    def spelled(text: str) -> str:
        return escape(text).encode(encoding, "xmlcharrefreplace").decode(encoding)

    own = f"{XML_KEPT}|{_ARGUMENT}"
    return message_markup(("printf",), own, silent=XML_SILENT, escape=spelled, unescape=unescape), None
