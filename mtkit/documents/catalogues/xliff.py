"""XLIFF 1.2 and 2, and what Trados Studio and memoQ make of it: segments without a translation get one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from xml.sax.saxutils import escape

from mtkit.documents.base import unescape
from mtkit.documents.catalogues.bilingual import CHOICE, ENDS, KEPT, Edit, Passage, edited_slot
from mtkit.documents.elements import XmlNode, decode_xml, opened, read_nodes, with_attributes
from mtkit.documents.items import Role
from mtkit.documents.spans import Markup, Piece, Slot, Spliced, pair_of
from mtkit.errors import InputError, shortened
from mtkit.text import icu
from mtkit.text.inline import FORMATTING
from mtkit.text.languages import same_language
from mtkit.text.placeholders import DEFAULT
from mtkit.text.protect import build_finder

_UNITS = frozenset({"trans-unit", "segment"})
_CODES = frozenset({"ph", "bpt", "ept", "it"})
"""Inline elements whose content is code."""

_UNTRANSLATED = frozenset({"new", "initial", "needs-translation"})
"""States of a target that is no translation, whatever is in it."""
_UNCONFIRMED = _UNTRANSLATED | {"", "NotStarted", "Unspecified", "Draft"}
"""States of 1.2 and 2, memoQ and Trados in which a copy of the source is no translation."""
_FINAL = frozenset({"final", "signed-off"})

_DRAFT_1 = {"state": "needs-review-translation", "state-qualifier": "leveraged-mt"}
_DRAFT_2 = {"state": "translated", "subState": "mtkit:draft"}
_DRAFT_TRADOS = {"conf": "Draft", "origin": "mt"}
_DRAFT_MEMOQ = "MachineTranslated"

_CDATA = re.compile(r"<!--.*?-->|<\?.*?\?>|<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_LINE_FEED = r"&\#(?:10|13|x0*[ad]);"
_SPACE = r"(?:(?<!\s)[^\S\n]++)?+"
_FINDER = rf"""
    (?P<tag></?(?P<name>[A-Za-z][\w.:-]*)(?>(?:[^>"']|"[^"]*"|'[^']*')*)>)
    | <!--.*?--> | <\?.*?\?>
    | &lt;({KEPT})\b(?:(?!&[lg]t;)[^<>])*&gt;(?:(?!&lt;)[^<>])*+&lt;/\3&gt;
    | &lt;/?[A-Za-z](?:(?!&[lg]t;)[^<>])*&gt;
    | {_SPACE}(?:{_LINE_FEED})(?:\s|{_LINE_FEED})*+
"""
_PROTECTED = re.compile(r"\b(?:translate\s*=\s*[\"']no|mtype\s*=\s*[\"']protected)[\"']")
_ID = re.compile(r"\bid\s*=\s*[\"']([^\"']*)[\"']")
_IDS = re.compile(r"\b(id|rid|startRef)\s*=\s*(\"[^\"]*\"|'[^']*')")
_HALF = re.compile(r"<(?:\w+:)?(bpt|bx|sc|sm|ept|ex|ec|em)\b[^>]*>")
_STATUS = re.compile(r"\s([\w.-]+:status)\s*=")
_SILENT = re.compile(
    rf"</?(?:\w+:)?(?:{'|'.join(sorted(FORMATTING - _CODES))})\b[^<>]*>"
    rf"|<(?:\w+:)?(?:{'|'.join(sorted(FORMATTING & _CODES))})\b.*>"
    r"|&lt;/?(?!br\b)[A-Za-z](?:(?!&lt;).)*&gt;|<!--.*-->",
    re.DOTALL,
)
_BREAKS = re.compile(
    rf"(?:\s|{_LINE_FEED})+|&lt;br\b.*&gt;|<(?:\w+:)?(?:x|ph)\b[^<>]*type\s*=\s*[\"'](?:x-)?(?:lb|br)[\"'].*>",
    re.DOTALL | re.IGNORECASE,
)


@cache
def _markup(encoding: str, *, is_preserved: bool, is_icu: bool = False) -> Markup:
    """The spans of a source that are not translated.

    Args:
        encoding: of the file; what it cannot express is written as references.
        is_preserved: whether white space is, and with it line breaks.
        is_icu: whether it is an ICU message.
    """
    placeholders = build_finder(("urls", "emails", "placeholders"), ("icu-plural",) if is_icu else DEFAULT)
    more = rf"|{_SPACE}\n\s*+" if is_preserved else ""
    flags = re.DOTALL | re.IGNORECASE
    finder = re.compile(f"(?x:{_FINDER}){more}|{CHOICE}|(?-i:{placeholders.pattern})", flags)

    def split(raw: str) -> Sequence[Piece]:
        pieces, place = [], 0
        for found in finder.finditer(raw):
            if found.start() >= place:
                pieces.append((raw[place : found.start()], False))
                place = _span_end(raw, found)
                pieces.append((raw[found.start() : place], True))
        return [piece for piece in [*pieces, (raw[place:], False)] if piece[0]]

    def spelled(text: str) -> str:
        text = escape(icu.escape(text) if is_icu else text)
        return text.encode(encoding, "xmlcharrefreplace").decode(encoding)

    def read(raw: str) -> str:
        return icu.unescape(unescape(raw)) if is_icu else unescape(raw)

    return Markup(split, _SILENT, _BREAKS, spelled, read, _pair, ENDS, is_icu)


def _pair(raw: str) -> tuple[Role, str]:
    """Whether a code opens or closes something, and what."""
    found = _HALF.match(raw)
    if not found:
        return pair_of(raw)
    ids = {name: value.strip("\"'") for name, value in _IDS.findall(raw[: raw.index(">")])}
    key = ids.get("rid") or ids.get("startRef") or ids.get("id", "")
    return ("open" if found[1] in ("bpt", "bx", "sc", "sm") else "close"), f"code {key}"


def _span_end(raw: str, found: re.Match[str]) -> int:
    """The end of a span; code and protected text extend to their end tag."""
    tag, name = found["tag"], found["name"]
    if not tag or tag.startswith("</"):
        return found.end()
    kind = name.rpartition(":")[2]
    is_protected = kind in ("mrk", "sm") and _PROTECTED.search(tag)
    if kind == "sm" and is_protected:
        mark = _ID.search(tag)
        end = rf"<(?:\w+:)?em\b[^<>]*\bstartRef\s*=\s*[\"']{re.escape(mark[1] if mark else '')}[\"'][^<>]*>"
        closing = re.compile(end).search(raw, found.end())
        return closing.end() if closing else found.end()
    if tag.endswith("/>") or not (is_protected or kind in _CODES):
        return found.end()
    depth = 1
    for other in re.compile(rf"<(/?){re.escape(name)}\b[^<>]*>").finditer(raw, found.end()):
        depth += -1 if other[1] else not other[0].endswith("/>")
        if not depth:
            return other.end()
    return len(raw)


def open_xliff(name: str, data: bytes) -> Spliced:
    """The segments without a translation: their target is empty, missing, or a copy of the source.

    What is final, approved, locked or not to be translated stays, and so do inline elements. A translation
    is marked as a draft. The file keeps its encoding.

    Raises:
        InputError: it is not in the encoding that it declares, not well-formed or not XLIFF, declares
            entities or attributes, refers to other files, is deeper or has longer tags than any real one,
            or has several languages.
    """
    source, encoding = decode_xml(name, data)
    units = read_nodes(name, source, "xliff", _UNITS)
    languages = ("", "")
    for unit in units:
        own = (
            unit.inherited("source-language") or unit.inherited("srcLang"),
            unit.inherited("target-language") or unit.inherited("trgLang"),
        )
        languages = languages if any(languages) else own
        for one, other in zip(own, languages, strict=True):
            if one and other and not same_language(one, other):
                raise InputError(
                    f"{name}: is for {shortened(other)} and for {shortened(one)}.",
                    "Split it into one file for each language.",
                )
    slots = [slot for unit in units if (slot := _slot(source, unit, encoding))]
    return Spliced(source, slots, languages, encoding)


def _slot(source: str, node: XmlNode, encoding: str) -> Slot | None:
    """The place of all that a translation changes in a unit; None if nothing does."""
    given, cut = node.child("source"), node.child("seg-source")
    is_kept = node.inherited("translate") == "no" or node.attributes.get("approved") == "yes"
    if not given or is_kept or _is_locked(node):
        return None
    unit = _Unit(source, node, cut if cut and any(_marks(cut)) else given, encoding)
    texts = [text for part in unit.content if isinstance(part, Passage) for text in part.texts]
    return edited_slot(source, node.start, node.end, texts, unit.edits) if texts else None


class _Unit:
    """A unit whose target is to be filled.

    Args:
        source: the file.
        node: the unit, or in XLIFF 2 its segment.
        given: what is translated: the source, or its form that is cut into segments.
        encoding: of the file.

    Attributes:
        content: of its target: what stays, and what is translated.
    """

    def __init__(self, source: str, node: XmlNode, given: XmlNode, encoding: str) -> None:
        self._source, self._node = source, node
        self._target = node.child("target")
        self._is_preserved = given.inherited("space") == "preserve"
        self._markup = _markup(encoding, is_preserved=self._is_preserved)
        self._icu = _markup(encoding, is_preserved=self._is_preserved, is_icu=True)
        self._definitions = {
            seg.attributes.get("id", ""): seg
            for seg in node.descendants()
            if seg.name == "seg" and seg.parent and seg.parent.name == "seg-defs"
        }
        self._filled: list[str] = []  # the segments that get a translation
        self.content: list[str | Passage] = []
        marks = {mark.attributes.get("mid", ""): mark for mark in _marks(given)}
        if marks and self._target and any(_marks(self._target)):
            self._fill(self._target, marks)
        elif self._is_open(given, self._target, ""):
            self._fill(given, marks)

    def _fill(self, outline: XmlNode, marks: Mapping[str, XmlNode]) -> None:
        """Translates each segment, or all there is if there are none, within an outline."""
        if not marks:
            self.content = [self._passage(outline)]
            return
        place = outline.text
        for mark in _marks(outline):
            mid = mark.attributes.get("mid", "")
            if mid in marks and self._is_open(marks[mid], mark if outline is self._target else None, mid):
                tag, end = opened(self._source[mark.start : mark.text])
                self.content += [self._source[place : mark.start] + tag, self._passage(marks[mid]), end]
                self._filled.append(mid)
                place = mark.end
        self.content.append(self._source[place : outline.text_end])

    def _passage(self, node: XmlNode) -> Passage:
        return Passage(_without_cdata(self._source[node.text : node.text_end]), self._markup, self._icu)

    def _is_open(self, given: XmlNode, place: XmlNode | None, mid: str) -> bool:
        """Whether a segment, or the unit, has no translation yet in its place."""
        definition = self._definitions.get(mid)
        if definition and _is_locked(definition):
            return False
        if not place:
            return True
        state = self._state(definition)
        text = self._visible(place)
        if not text:
            return state not in _FINAL
        return state in _UNTRANSLATED or (state in _UNCONFIRMED and text == self._visible(given))

    def _state(self, definition: XmlNode | None) -> str:
        if definition:
            return definition.attributes.get("conf", "")
        own = self._target.attributes if self._target else {}
        attributes = self._node.attributes
        return own.get("state", "") or attributes.get("state", "") or attributes.get("status", "")

    def _visible(self, node: XmlNode) -> str:
        pieces = self._markup.split(_without_cdata(self._source[node.text : node.text_end]))
        return " ".join("".join(unescape(piece) for piece, is_span in pieces if not is_span).split())

    def edits(self, answers: Sequence[str]) -> Iterator[Edit]:
        """The filled target, and the states that say so."""
        remaining = iter(answers)
        parts = [
            part if isinstance(part, str) else part.put(islice(remaining, len(part.texts)))
            for part in self.content
        ]
        if parts == [part if isinstance(part, str) else part.raw for part in self.content]:
            return  # none of the answers could be used
        content = "".join(parts)
        start = self._source[self._node.start : self._node.text]
        status = _STATUS.search(start)
        draft: Mapping[str, str] = {}
        if self._node.name == "segment":
            yield Edit(self._node.start, self._node.text, with_attributes(start, _DRAFT_2))
        elif self._definitions:
            for seg in (self._definitions[mid] for mid in self._filled if mid in self._definitions):
                tag = self._source[seg.start : seg.text]
                yield Edit(seg.start, seg.text, with_attributes(tag, _DRAFT_TRADOS))
        elif status:
            yield Edit(self._node.start, self._node.text, with_attributes(start, {status[1]: _DRAFT_MEMOQ}))
        else:
            draft = _DRAFT_1
        if target := self._target:
            tag, end = opened(self._source[target.start : target.text])
            yield Edit(target.start, target.end, with_attributes(tag, draft) + content + end)
        else:
            yield self._new_target(content, draft)

    def _new_target(self, content: str, draft: Mapping[str, str]) -> Edit:
        """A target behind the source, on a line of its own if the source has one."""
        first = next(node for node in self._node.children if node.name in ("source", "seg-source"))
        last = self._node.child("seg-source") or first
        begin = first.start
        while self._source[begin - 1].isspace():
            begin -= 1
        end = opened(self._source[first.start : first.text])[1]
        end = re.sub(r"(?:seg-)?source>", "target>", end)
        preserved = {"xml:space": "preserve"} if "space" in first.attributes and self._is_preserved else {}
        tag = with_attributes(end.replace("</", "<"), {**preserved, **draft})
        return Edit(last.end, last.end, f"{self._source[begin : first.start]}{tag}{content}{end}")


def _marks(node: XmlNode) -> Iterator[XmlNode]:
    """The segments of a source or a target."""
    for child in node.children:
        if child.name == "mrk" and child.attributes.get("mtype") == "seg":
            yield child
        else:
            yield from _marks(child)


def _is_locked(node: XmlNode) -> bool:
    return node.attributes.get("locked", "").lower() in ("true", "yes", "locked", "1")


def _without_cdata(raw: str) -> str:
    return _CDATA.sub(lambda found: found[0] if found[1] is None else escape(found[1]), raw)
