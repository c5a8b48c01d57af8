"""Qt's `.ts`: messages without a translation get one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from xml.sax.saxutils import escape

from mtkit.documents.base import unescape
from mtkit.documents.catalogues.bilingual import Edit, Passage, edited_slot
from mtkit.documents.elements import XmlNode, decode_xml, opened, read_nodes, with_attributes
from mtkit.documents.software.messages import XML_KEPT, XML_SILENT, Markups, is_text, message_markup
from mtkit.documents.spans import Slot, Spliced
from mtkit.text.placeholders import DEFAULT

_GONE = frozenset({"vanished", "obsolete"})
_BEFORE = frozenset({"source", "oldsource", "comment", "oldcomment", "extracomment", "translatorcomment"})
"""Elements of a message that stand before its translation."""
_DRAFT = {"type": "unfinished"}
_QUOTES = {'"': "&quot;", "'": "&apos;"}
_LINES = r"(?<![^\S\n\t])[^\S\n\t]*+(?:[\n\t]|&\#(?:10|x0*a);)\s*+"
_MNEMONIC = r"&amp;(?=[^\W_])"
_ENTITY = r"&amp;\#?\w{1,16};"
"""The markup of HTML inside a text."""
_SILENT = re.compile(rf"{XML_SILENT.pattern}|&amp;", re.DOTALL)


@cache
def _markups(encoding: str) -> Markups:
    def spelled(text: str) -> str:
        return escape(text, _QUOTES).encode(encoding, "xmlcharrefreplace").decode(encoding)

    own = f"{XML_KEPT}|{_ENTITY}|{_MNEMONIC}"
    families = ("qt-plural", *DEFAULT)
    return message_markup(
        families, own, lines=_LINES, silent=_SILENT, escape=spelled, unescape=unescape
    ), None


def open_qt(name: str, data: bytes) -> Spliced:
    """The messages whose translation is empty, all numerus forms of one alike; drafts and obsolete ones stay.

    A new translation is marked as unfinished, for a person to check.

    Raises:
        InputError: it is not in the encoding that it declares, not well-formed or not a file of Qt, declares
            entities or attributes, or is deeper or has longer tags than any real one.
    """
    source, encoding = decode_xml(name, data)
    messages = read_nodes(name, source, "TS", {"message"})
    languages = ("", "")
    if messages:
        languages = messages[0].inherited("sourcelanguage"), messages[0].inherited("language")
    slots = [slot for message in messages if (slot := _slot(source, message, encoding))]
    return Spliced(source, slots, languages, encoding)


def _slot(source: str, message: XmlNode, encoding: str) -> Slot | None:
    """The place of the translation of a message; None if it has one."""
    given, place = message.child("source"), message.child("translation")
    if not given or (place and not _is_open(source, place)):
        return None
    raw = source[given.text : given.text_end]
    markups = _markups(encoding)
    if not is_text(unescape(raw)) or (
        message.attributes.get("numerus") == "yes" and not (place and place.children)
    ):
        return None
    passage = Passage(raw, *markups)

    def edits(answers: Sequence[str]) -> Iterator[Edit]:
        content = passage.put(answers)
        if content == raw:
            return  # no answer could be used
        if not place:
            last = [node for node in message.children if node.name in _BEFORE][-1]
            begin = given.start - len(re.split(r"\S", source[message.text : given.start])[-1])
            space = source[begin : given.start]
            yield Edit(last.end, last.end, f'{space}<translation type="unfinished">{content}</translation>')
            return
        tag = with_attributes(source[place.start : place.text], _DRAFT)
        if place.children:
            yield Edit(place.start, place.text, tag)
            for form in place.children:
                start, end = opened(source[form.start : form.text])
                yield Edit(form.start, form.end, f"{start}{content}{end}")
        else:
            start, end = opened(tag)
            yield Edit(place.start, place.end, f"{start}{content}{end}")

    return edited_slot(source, message.start, message.end, passage.texts, edits) if passage.texts else None


def _is_open(source: str, place: XmlNode) -> bool:
    """Whether a translation, or each numerus form of it, is empty."""
    if place.attributes.get("type") in _GONE:
        return False
    forms = place.children or [place]
    return all(
        form.name in ("translation", "numerusform") and not source[form.text : form.text_end].strip()
        for form in forms
    )
