"""Android's `strings.xml`: strings, plurals and arrays."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from xml.sax.saxutils import escape

from mtkit.documents.base import unescape
from mtkit.documents.elements import XmlNode, decode_xml, read_nodes
from mtkit.documents.software.messages import (
    XML_KEPT,
    XML_SILENT,
    Markups,
    message_markup,
    value_slot,
    with_escapes,
)
from mtkit.documents.spans import Slot, Spliced
from mtkit.text import icu
from mtkit.text.placeholders import Family

_FAMILIES: tuple[Family, ...] = ("templates", "printf", "braces")
_PLURALS = frozenset({"plurals", "string-array"})
_CDATA = re.compile(r"\s*<!\[CDATA\[((?:(?!<!\[CDATA\[|\]\]>).)*)\]\]>\s*", re.DOTALL)
_XLIFF_G = r"<(?P<g>(?:\w+:)?g)\b[^<>]*(?:/>|>.*?</(?P=g)\s*>)"
_BREAK = r"(?:(?<!\\)\\[nt]|&\#(?:10|x0*a);)"
_LINES = rf"(?:(?<!\s)\s++)?+{_BREAK}(?:\s*+{_BREAK})*+\s*+"
_QUOTE = r"(?<!\\)\""
_SILENT = re.compile(rf"{XML_SILENT.pattern}|\"", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_NAMED = {"n": "\n", "t": "\t"}


def _read(raw: str) -> str:
    """The text that Android shows for a value without markup."""

    def character(found: re.Match[str]) -> str:
        return chr(int(found[1], 16)) if found[1] else _NAMED.get(found[2], found[2])

    # Characters beyond U+FFFF are two escapes.
    return _ESCAPE.sub(character, raw).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@cache
def _markups(encoding: str, *, is_cdata: bool) -> Markups:
    """The markup of values in XML, or in a CDATA section, which needs no escapes."""

    def spelled(text: str) -> str:
        raw = re.sub(r"[\\'\"]", r"\\\g<0>", text)
        codes = with_escapes(raw, encoding)
        return codes if is_cdata else escape(codes)

    def read(raw: str) -> str:
        return _read(raw if is_cdata else unescape(raw))

    own = rf"{_XLIFF_G}|{XML_KEPT}|{_QUOTE}"
    markup = message_markup(_FAMILIES, own, lines=_LINES, silent=_SILENT, escape=spelled, unescape=read)
    in_icu = message_markup(("icu-plural",), own, lines=_LINES, silent=_SILENT)
    return markup, replace(
        in_icu,
        icu=True,
        escape=lambda text: spelled(icu.escape(text)),
        unescape=lambda raw: icu.unescape(read(raw)),
    )


def open_android(name: str, data: bytes) -> Spliced:
    """Strings and the items of plurals and arrays; those with `translatable="false"` stay.

    Raises:
        InputError: it is not in the encoding that it declares, not well-formed or not a file of resources,
            declares entities or attributes, or is deeper or has longer tags than any real one.
    """
    source, encoding = decode_xml(name, data)
    nodes = read_nodes(name, source, "resources", {"string", *_PLURALS})
    language = nodes[0].inherited("locale") if nodes else ""
    values = [value for node in nodes for value in (node.children if node.name in _PLURALS else [node])]
    slots = [_slot(source, value, encoding) for value in values if value.inherited("translatable") != "false"]
    return Spliced(source, slots, (language, ""), encoding)


def _slot(source: str, node: XmlNode, encoding: str) -> Slot:
    start, end = node.text, node.text_end
    section = _CDATA.fullmatch(source, start, end)
    if section:
        start, end = section.span(1)
    markups = _markups(encoding, is_cdata=bool(section))

    def spell(value: str) -> str:
        return f"\\{value}" if value[0] in "@?" else value  # which begin a reference

    return value_slot(source, start, end, source[start:end], markups, spell)
