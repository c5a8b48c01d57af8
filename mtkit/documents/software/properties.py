"""Java's `.properties`: the value of each entry."""

from __future__ import annotations

import re

from mtkit.documents.software.messages import ICU_TEXT, Markups, message_markup, value_slot, with_escapes
from mtkit.documents.spans import Slot, Spliced
from mtkit.errors import InputError, shortened

_BREAK = r"(?:\r\n|\r|\n)"
_BLANK = r"[ \t\f]"
_ENTRY = re.compile(
    rf"{_BLANK}*+(?:[#!][^\r\n]*+|(?P<key>(?:\\{_BREAK}{_BLANK}*|\\.|[^\\:= \t\f\r\n])*+)"
    rf"{_BLANK}*+[:=]?{_BLANK}*+(?:\\{_BREAK}{_BLANK}*+)*+(?P<value>(?:\\{_BREAK}|\\.|[^\\\r\n])*+)\\?)(?:{_BREAK}|\Z)"
)
_ESCAPE = re.compile(rf"\\(?:u([0-9a-fA-F]{{4}})|({_BREAK}{_BLANK}*)|(.))")
_INVALID = re.compile(r"(?<!\\)(?:\\\\)*+\\u(?![0-9a-fA-F]{4})")
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
_WRITTEN = {character: f"\\{letter}" for letter, character in _NAMED.items()} | {"\\": r"\\"}

_FORMATTED = re.compile(r"\{\s*\d+\s*[,}]")
_CHOICE = re.compile(r"\{\s*\d+\s*,\s*choice\b")
_EXPRESSION = r"[$#]\{(?:[^{}']|'[^']*')*\}"


def _doubled(text: str) -> str:
    return text.replace("'", "''")


def _single(raw: str) -> str:
    return raw.replace("''", "'")


_PLAIN: Markups = message_markup(own=_EXPRESSION), ICU_TEXT
_MESSAGE: Markups = message_markup(("java",), escape=_doubled, unescape=_single), ICU_TEXT


def _read(raw: str) -> str:
    """The value that Java reads."""

    def character(found: re.Match[str]) -> str:
        if found[1]:
            return chr(int(found[1], 16))
        return "" if found[2] else _NAMED.get(found[3], found[3])

    return _ESCAPE.sub(character, raw).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _markups(value: str) -> Markups | None:
    """The kind of message of a value, by its arguments and apostrophes; None if its syntax is unknown."""
    if _CHOICE.search(value):
        return None
    is_message = _FORMATTED.search(value) or ("''" in value and "'" not in value.replace("''", ""))
    return _MESSAGE if is_message else _PLAIN


def open_properties(name: str, data: bytes) -> Spliced:
    """The values; keys and comments stay.

    A file is read as UTF-8 if it can be, else as ISO-8859-1. Where its encoding has no character, or the file
    is in ASCII, an answer has escapes (`\\u00e9`). A value with numbered arguments (`{0}`) is a message of
    Java's MessageFormat, in which an apostrophe is doubled; one with a choice stays.

    Raises:
        InputError: an escape is not one of Java.
    """
    try:
        source, encoding = data.decode(), "ascii" if data.isascii() else "utf-8"
    except UnicodeDecodeError:
        source, encoding = data.decode("latin-1"), "latin-1"

    def spelled(value: str) -> str:
        raw = re.sub(r"[\\\n\t\r\f]|^ ", lambda found: _WRITTEN.get(found[0], "\\ "), value)
        return with_escapes(raw, encoding)

    slots: list[Slot] = []
    place = int(source.startswith("\ufeff"))
    while place < len(source) and (entry := _ENTRY.match(source, place)):
        if entry["key"] is not None and (wrong := _INVALID.search(entry[0])):
            line = source.count("\n", 0, place + wrong.start()) + 1
            shown = shortened(wrong[0][-2:] + entry[0][wrong.end() : wrong.end() + 4])
            raise InputError(
                f"{name}:{line}: {shown} is not an escape.", r"Write \u and four digits, or \\u."
            )
        value = _read(entry["value"] or "")
        if markups := _markups(value):
            slots.append(value_slot(source, *entry.span("value"), value, markups, spelled))
        place = max(entry.end(), place + 1)
    return Spliced(source, slots, encoding=encoding)
