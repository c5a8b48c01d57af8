"""XLIFF 1.2 and 2: units without a target get one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from mtkit.data.read.xml import XmlParser
from mtkit.documents.base import check_utf8, unescape
from mtkit.documents.spans import PLACEHOLDERS, Cut, Markup, Slot, Spliced, split_by
from mtkit.errors import shortened

_UNITS = {"trans-unit", "segment"}
_START = re.compile(r"<[^\s/>]++(?>(?:[^>\"']|\"[^\"]*+\"|'[^']*+')*)>")
_CDATA = re.compile(r"<!--.*?-->|<\?.*?\?>|<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_CODE = r"<((?:\w+:)?(?:ph|bpt|ept|it|sub))\b(?:[^>\"'/]|\"[^\"]*\"|'[^']*')*(?:/>|>.*?</\1\s*>)"
_FINDER = re.compile(
    rf"{_CODE}|</?[A-Za-z](?:[^>\"']|\"[^\"]*\"|'[^']*')*>|<!--.*?-->|<\?.*?\?>"
    rf"|&lt;/?[A-Za-z](?:(?!&[lg]t;)[^<>])*&gt;|{PLACEHOLDERS}",
    re.DOTALL,
)
_SILENT = re.compile(
    r"</?(?:\w+:)?(?:g|mrk|pc|sm|em|bpt|ept|sc|ec)\b.*>|&lt;/?(?!br\b)[A-Za-z].*&gt;|<!--.*-->", re.DOTALL
)
_MARKUP = Markup(split_by(_FINDER), silent=_SILENT, escape=escape, unescape=unescape)


@dataclass(slots=True)
class _Part:
    """A source or a target: where its tags begin and end, in bytes."""

    start: int
    end_tag: int = 0
    end: int = 0


@dataclass(slots=True)
class _Unit:
    depth: int
    is_kept: bool
    parts: dict[str, _Part] = field(default_factory=dict)


class _Units:
    """The units of a file."""

    def __init__(self, name: str) -> None:
        self._kept = [False]
        self._unit: _Unit | None = None
        self.found: list[_Unit] = []
        self._parser = XmlParser(name, self._start, self._end)

    def parse(self, data: bytes) -> None:
        self._parser.feed(data, last=True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        depth = len(self._kept)
        if depth == 1 and name != "xliff":
            self._parser.fail(
                f"the file is <{shortened(name)}>, expected <xliff>.", "Set format to the file's."
            )
        self._kept.append({"no": True, "yes": False}.get(attributes.get("translate", ""), self._kept[-1]))
        if name in _UNITS:
            self._unit = _Unit(depth, self._kept[-1])
            self.found.append(self._unit)
        elif self._unit and depth == self._unit.depth + 1 and name in ("source", "seg-source", "target"):
            self._unit.parts[name] = _Part(self._parser.byte)

    def _end(self, name: str) -> None:
        self._kept.pop()
        depth = len(self._kept)
        if not self._unit:
            return
        if depth == self._unit.depth:
            self._unit = None
        elif depth == self._unit.depth + 1 and name in self._unit.parts:
            self._unit.parts[name].end_tag = self._parser.byte


def open_xliff(name: str, data: bytes) -> Spliced:
    """The units whose target is empty or not there; `translate="no"` and inline elements stay.

    Raises:
        InputError: it is not UTF-8, not well-formed or not XLIFF, declares entities or attributes, refers
            to other files, or is deeper or has longer tags than any real one.
    """
    source = check_utf8(name, data)
    units = _Units(name)
    units.parse(data)
    chars = _Chars(data)
    slots = []
    for unit in units.found:
        for part in sorted(unit.parts.values(), key=lambda part: part.start):
            part.start = chars.at(part.start)
            part.end_tag = max(chars.at(part.end_tag), part.start)
            part.end = part.end_tag
            if not _tag(source, part).endswith("/>"):
                part.end = source.index(">", part.end_tag) + 1
        if not unit.is_kept and "source" in unit.parts and (slot := _slot(source, unit)):
            slots.append(slot)
    return Spliced(source, slots)


class _Chars:
    """From places in bytes to places in characters, asked for in order."""

    def __init__(self, data: bytes) -> None:
        self._data, self._byte, self._char = data, 0, 0

    def at(self, byte: int) -> int:
        if byte > self._byte:
            self._char += len(self._data[self._byte : byte].decode())
            self._byte = byte
        return self._char


def _slot(source: str, unit: _Unit) -> Slot | None:
    given = unit.parts["source"]
    inside = _CDATA.sub(
        lambda found: found[0] if found[1] is None else escape(found[1]), _inside(source, given)
    )
    cut = Cut(inside, _MARKUP)
    target = unit.parts.get("target")
    if target:
        if _inside(source, target).strip():
            return None
        opening = _tag(source, target)
        name = opening.removeprefix("<").rstrip("/>").split()[0]
        opening = opening.removesuffix(">").rstrip("/").rstrip() + ">"
        return Slot(target.start, target.end, cut.texts, lambda found: f"{opening}{cut.put(found)}</{name}>")
    last = unit.parts.get("seg-source", given)
    name = _tag(source, given).removeprefix("<").rstrip("/>").split()[0].removesuffix("source") + "target"
    begin = given.start
    while begin and source[begin - 1].isspace():
        begin -= 1
    space = source[begin : given.start]
    return Slot(last.end, last.end, cut.texts, lambda found: f"{space}<{name}>{cut.put(found)}</{name}>")


def _tag(source: str, part: _Part) -> str:
    found = _START.match(source, part.start)
    return found[0] if found else ""


def _inside(source: str, part: _Part) -> str:
    return source[part.start + len(_tag(source, part)) : part.end_tag]
