"""Translation formats in XML, as a stream of elements: no tree is built, and memory stays constant.

The iterators over trees in the standard library do not know the line of an element.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from mtkit.data.read.lines import open_bytes
from mtkit.data.read.repairs import BAD_UTF8, BYTE_ORDER_MARK, CONTROL, Repairs
from mtkit.data.read.xml import CHUNK, XmlParser, local
from mtkit.errors import shortened
from mtkit.text.inline import FORMATTING, gap

MAX_TEXT = 1 << 22
"""Most characters of the text of one element."""

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udfff]+")
_OTHER_ENCODING = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"'](?!utf-?8[\"'])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Element:
    """The start or the end of an element.

    Attributes:
        name: without namespace.
        parent: name of the element around it; empty at the root.
        line: where it starts.
        attributes: without namespaces (`xml:lang` is `lang`).
        text: at the end of an element whose text was requested; None at every start.
        has_blank: at the end of such an element, whether a segment in it has no text.
        segments: at the end of such an element, how many segments are in it.
    """

    name: str
    parent: str
    line: int
    attributes: dict[str, str]
    text: str | None = None
    has_blank: bool = False
    segments: int = 0
    is_end: bool = False


def read_elements(
    path: Path, repairs: Repairs, roots: frozenset[str], texts: frozenset[str], codes: frozenset[str]
) -> Iterator[Element]:
    """Starts and ends of the elements of an XML file, in order.

    Args:
        path: the file, decompressed by its suffix.
        repairs: counts bytes that are not UTF-8 and characters that XML forbids.
        roots: allowed names of the outermost element.
        texts: elements whose text is requested, including the text of elements inside them. Those that do
            more than format become a space where two words would meet.
        codes: elements inside those whose text is code, not language, and is omitted.

    Raises:
        InputError: the file cannot be read, is not well-formed, declares entities or attributes, refers to
            other files, or is deeper or has longer tags or texts than any real one.
    """
    with open_bytes(path) as stream:
        chunk = stream.read(CHUNK)
        repair = None if _is_other_encoding(chunk) else _Repair(path, repairs)
        elements = _Elements(path, "utf-8" if repair else None, roots, texts, codes)
        while chunk:
            elements.parser.feed(repair(chunk) if repair else chunk)
            yield from elements.found
            elements.found.clear()
            chunk = stream.read(CHUNK)
        elements.parser.feed(repair(b"", last=True) if repair else b"", last=True)
        yield from elements.found


def _is_other_encoding(head: bytes) -> bool:
    """Whether the file is not in UTF-8 and expat has to decode it."""
    return head.startswith((b"\xff\xfe", b"\xfe\xff")) or bool(_OTHER_ENCODING.match(head))


class _Repair:
    """UTF-8 without characters that XML forbids, and with U+FFFD for bytes that are not UTF-8."""

    def __init__(self, path: Path, repairs: Repairs) -> None:
        self._path, self._repairs = path, repairs
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._line = 0

    def __call__(self, chunk: bytes, *, last: bool = False) -> bytes:
        text = self._decode(chunk, last)
        if not self._line:
            self._line = 1
            if text.startswith("\ufeff"):
                self._repairs.repair(BYTE_ORDER_MARK, self._path, 1)
                text = text[1:]
        whole = "".join(self._repaired(text)) if _FORBIDDEN.search(text) else text
        self._line += text.count("\n")
        return whole.encode()

    def _repaired(self, text: str) -> Iterator[str]:
        begin, line = 0, self._line
        for found in _FORBIDDEN.finditer(text):
            line += text.count("\n", begin, found.start())
            bad_bytes = "\ud800" <= found[0][0] <= "\udfff"
            self._repairs.repair(BAD_UTF8 if bad_bytes else CONTROL, self._path, line)
            yield text[begin : found.start()]
            yield "\ufffd" * len(found[0]) if bad_bytes else ""
            begin = found.end()
        yield text[begin:]


class _Elements:
    """Collects the elements that a parser reports."""

    def __init__(
        self,
        path: Path,
        encoding: str | None,
        roots: frozenset[str],
        texts: frozenset[str],
        codes: frozenset[str],
    ) -> None:
        self.found: list[Element] = []
        self._roots, self._texts, self._codes = roots, texts, codes
        self._open: list[Element] = []
        self._text: list[str] | None = None  # empty texts stand for elements that separate words
        self._length = 0
        self._begins: list[int] = []  # for each element open inside a text: the parts of the text before it
        self._has_blank = False
        self._segments = 0
        self._code = 0  # open elements inside the outermost code, itself included
        self.parser = XmlParser(str(path), self._start, self._end, self._characters, encoding)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open and name not in self._roots:
            expected = " or ".join(sorted(self._roots))
            self.parser.fail(
                f"the file is <{shortened(name)}>, expected <{expected}>.", "Set reader to the file's format."
            )
        parent = self._open[-1].name if self._open else ""
        attributes = {local(key): value for key, value in attributes.items()}
        element = Element(name, parent, self.parser.line, attributes)
        self._open.append(element)
        if self._text is not None:
            self._begins.append(len(self._text))
            self._code += bool(self._code or name in self._codes)
            self._separate(element)
        elif name in self._texts:
            self._text, self._length, self._has_blank, self._segments = [], 0, False, 0
        if not self._begins:
            self.found.append(element)

    def _separate(self, element: Element) -> None:
        if self._text is not None and (element.name not in FORMATTING or is_segment(element)):
            self._text.append("")

    def _characters(self, text: str) -> None:
        if self._text is not None and not self._code:
            self._text.append(text)
            self._length += len(text)
            if self._length > MAX_TEXT:
                self.parser.fail(
                    f"a text has more than {MAX_TEXT:,} characters.", "This is not a file of translations."
                )

    def _end(self, name: str) -> None:
        element, text = self._open.pop(), self._text
        if text is not None and self._begins:
            begin = self._begins.pop()
            self._code = max(0, self._code - 1)
            self._separate(element)
            self._has_blank |= is_segment(element) and not "".join(text[begin:]).strip()
            self._segments += is_segment(element)
            return
        self._text = None
        self.found.append(
            replace(
                element,
                text=None if text is None else _joined(text),
                has_blank=text is not None and self._has_blank,
                segments=0 if text is None else self._segments,
                is_end=True,
            )
        )


def is_segment(element: Element) -> bool:
    """Whether it is a segment of a unit."""
    return element.attributes.get("mtype") == "seg"


def _joined(parts: list[str]) -> str:
    """The parts of a text as one; an empty part keeps the words around it apart."""
    joined: list[str] = []
    for before, part in pairwise(["", *parts]):
        if part:
            if not before and joined and (space := gap(joined[-1][-1], part[0])):
                joined.append(space)
            joined.append(part)
    return "".join(joined)
