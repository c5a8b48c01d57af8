"""Word, PowerPoint and Excel (Office Open XML): the runs of a paragraph, or of a cell, are one text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from typing import Literal

from mtkit.data.read.xml import XmlParser
from mtkit.documents.base import unescape
from mtkit.documents.elements import XmlNode, read_nodes
from mtkit.documents.office.followed import followed_slot
from mtkit.documents.office.paragraph import Fixed, Item, MarkKind, Style, Words, content, paragraph_slot
from mtkit.documents.office.zipped import Archive, Bundle
from mtkit.documents.spans import Slot, Spliced
from mtkit.errors import InputError

Kind = Literal["docx", "pptx", "xlsx"]

_TYPES = "[Content_Types].xml"
_MAIN: dict[str, Kind] = {
    "word": "docx",
    "presentation": "pptx",
    "powerpoint": "pptx",
    "spreadsheet": "xlsx",
    "excel": "xlsx",
}
_PARTS: dict[str, dict[str, str]] = {
    "docx": {
        ".main+xml": "document",
        ".header+xml": "hdr",
        ".footer+xml": "ftr",
        ".footnotes+xml": "footnotes",
        ".endnotes+xml": "endnotes",
    },
    "pptx": {".slide+xml": "sld", ".notesSlide+xml": "notes"},
    "xlsx": {".sharedStrings+xml": "sst", ".worksheet+xml": "worksheet", ".drawing+xml": "wsDr"},
}
"""The root element of a part, by the end of its content type."""
_DIAGRAMS = {".diagramData+xml": "dataModel", ".diagramDrawing+xml": "drawing"}
_DRAWN = {"sld", "notes", "wsDr", *_DIAGRAMS.values()}

_CONTAINERS = {"hyperlink", "ins", "moveTo", "smartTag", "customXml", "dir", "bdo", "sdt"}
_PRINTED = {
    *(
        "drawing",
        "pict",
        "object",
        "sym",
        "oMath",
        "oMathPara",
        "fldSimple",
        "ruby",
        "fld",
        "AlternateContent",
    ),
    *("pgNum", "m"),
}
"""Elements that stand where a word could."""
_TEXT = {"t": "", "noBreakHyphen": "\u2011", "softHyphen": ""}
"""Elements of a run that are text, and what each stands for where it has no content."""
_NOTES = {"footnoteReference", "endnoteReference"}
_STRONGEST: tuple[MarkKind, ...] = ("end", "break", "printed", "note")
_DROPPED = {"proofErr", "lastRenderedPageBreak", "rPr", "rPh"}
"""Elements that an office program restores by itself, or that make no sense in another language."""
_NO_NESTED = {"del", "moveFrom", "lockedCanvas", "chart"}
# Attributes and elements that make no difference to how a text looks.
_UNSEEN = re.compile(
    r"\s(?:lang|altLang|dirty|err|smtClean|smtId|noProof)=(?:\"[^\"]*\"|'[^']*')"
    r"|<(?:\w+:)?(?:lang|noProof)\b[^<>]*/>|(?<=>)\s+(?=<)|\s+(?=/?>)"
)
_EMPTY = re.compile(r"<(?:\w+:)?rPr(?:/>|></(?:\w+:)?rPr>)")
_SPACES = re.compile(r"[ \t\r\n]+")


def open_docx(name: str, data: bytes, *, is_bilingual: bool = False) -> Bundle:
    """Paragraphs of the text, of headers, footers, footnotes, endnotes, text boxes and diagrams.

    Args:
        name: of the file, for errors.
        data: its bytes.
        is_bilingual: whether paragraphs stay, and the translation of each follows it; diagrams stay.

    Raises:
        InputError: it is no Word file, or one that is damaged, encrypted, signed or made to do harm.
    """
    return _open("docx", name, data, is_bilingual)


def open_pptx(name: str, data: bytes) -> Bundle:
    """Paragraphs of slides, of their notes and of diagrams; layouts, charts and comments stay.

    Raises:
        InputError: it is no PowerPoint file, or one that is damaged, encrypted, signed or made to do harm.
    """
    return _open("pptx", name, data)


def open_xlsx(name: str, data: bytes) -> Bundle:
    """Cells of text, and paragraphs of shapes and diagrams; formulas and the heads of tables stay.

    Raises:
        InputError: it is no Excel file, or one that is damaged, encrypted, signed or made to do harm.
    """
    return _open("xlsx", name, data)


def _open(kind: Kind, name: str, data: bytes, is_bilingual: bool = False) -> Bundle:
    archive = Archive(name, data)
    types = _types(archive)
    main = next((value for value in types.values() if value.endswith(".main+xml")), "")
    found = next((own for part, own in _MAIN.items() if part in main), "")
    if found != kind:
        raise InputError(
            f"{name}: is {f'a {found} file' if found else 'of another format'}, expected {kind}.",
            "Set format to that of the file.",
        )
    if any(value.endswith(".digital-signature-xmlsignature+xml") for value in types.values()):
        raise InputError(f"{name}: is signed, which its translation would not be.", "Remove the signature.")
    kept = {column for part in _parts(types, ".table+xml") for column in _columns(archive, part)}
    documents = {}
    for ending, root in (_PARTS[kind] | ({} if is_bilingual else _DIAGRAMS)).items():
        for part in _parts(types, ending):
            source, encoding = archive.read_xml(part)
            if root != "worksheet" or "inlineStr" in source:
                slots = _slots(f"{name}: {part}", source, root, kept, is_bilingual)
                documents[part] = Spliced(source, slots, encoding=encoding)
    return Bundle(archive, documents)


def _types(archive: Archive) -> Mapping[str, str]:
    """The content type of each member."""
    given: dict[str, str] = {}

    def start(tag: str, attributes: dict[str, str]) -> None:
        place = attributes.get("PartName", "").removeprefix("/") or f".{attributes.get('Extension', '')}"
        given[place.lower()] = attributes.get("ContentType", "")

    if raw := archive.read(_TYPES):
        XmlParser(f"{archive.name}: {_TYPES}", start, lambda tag: None).feed(raw, last=True)
    endings = {member: "." + member.rpartition(".")[2].lower() for member in archive.members}
    return {member: given.get(member.lower(), given.get(ending, "")) for member, ending in endings.items()}


def _parts(types: Mapping[str, str], ending: str) -> list[str]:
    """The members of a type, by their numbers."""
    found = [part for part, value in types.items() if value.endswith(ending)]
    return sorted(found, key=lambda part: [int(digits) for digits in re.findall("[0-9]{1,9}", part)])


def _columns(archive: Archive, part: str) -> Sequence[str]:
    """The names of a table's columns, which must be those in the table's first row."""
    names: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "tableColumn":
            names.append(re.sub("_x000a_", "\n", attributes.get("name", ""), flags=re.IGNORECASE))

    XmlParser(f"{archive.name}: {part}", start, lambda tag: None).feed(archive.read(part), last=True)
    return names


def _slots(name: str, source: str, root: str, kept: set[str], is_bilingual: bool) -> list[Slot]:
    """The paragraphs of a part, or its strings if it is of a spreadsheet; those that are `kept` stay."""
    wanted = {"sst": "si", "worksheet": "is"}.get(root, "p")
    reader = _Runs(source, root in _DRAWN)
    return [
        _slot(reader, node, is_bilingual)
        for node in read_nodes(name, source, root, {wanted})
        if not kept or _spelled(source, node) not in kept
    ]


def _spelled(source: str, node: XmlNode) -> str:
    """All text of a cell."""
    found = [own for own in node.descendants() if own.name == "t"]
    return unescape("".join(content(source[own.text : own.text_end]) for own in found))


def _slot(reader: _Runs, node: XmlNode, is_bilingual: bool) -> Slot:
    nested = [_slot(reader, child, is_bilingual) for child in _nested(node)]
    source, items = reader.source, list(reader.items(node.children))
    slot = paragraph_slot(source, node.text, node.text_end, items, nested)
    return followed_slot(source, node, slot, nested) if is_bilingual else slot


def _nested(node: XmlNode) -> Iterator[XmlNode]:
    """The paragraphs inside a paragraph."""
    for child in node.children:
        if child.name == "p":
            yield child
        elif child.name not in _NO_NESTED:
            yield from _nested(child)


@dataclass(slots=True)
class _ComputedField:
    """A field, such as a link or a number of a page: from which of some elements to which.

    Attributes:
        first: where it begins.
        middle: what its result follows.
        last: where it ends.
        code: what computes it.
    """

    first: int
    middle: int = -1
    last: int = -1
    code: str = ""


class _Runs:
    """Makes words and marks of the elements of a paragraph.

    Args:
        source: the part.
        is_drawn: it is of a drawing or a slide, where white space always counts.
    """

    def __init__(self, source: str, is_drawn: bool) -> None:
        self.source, self._is_drawn = source, is_drawn

    def items(self, nodes: Sequence[XmlNode]) -> Iterator[Item]:
        """Makes those of a paragraph, or of another element that has runs."""
        fields = self._fields(nodes)
        place = 0
        while place < len(nodes):
            node = nodes[place]
            if field := fields.get(place):
                if "HYPERLINK" in field.code and field.first <= field.middle < field.last:
                    yield Fixed("open", node.start, nodes[field.middle].end)
                    yield from self.items(nodes[field.middle + 1 : field.last])
                    yield Fixed("close", nodes[field.last].start, nodes[field.last].end)
                else:
                    yield Fixed("printed", node.start, nodes[field.last].end)
                place = field.last
            elif node.name == "r":
                yield from self._run(node)
            elif node.name == "t":
                name = self._name(node)
                yield self._words(node, Style("", f"<{name}", f"</{name}>", not self._is_drawn))
            elif node.name in _CONTAINERS and any(own.name == "r" for own in node.descendants()):
                yield from self._container(node)
            elif node.name not in _DROPPED:
                yield _mark(node)
            place += 1

    def _fields(self, nodes: Sequence[XmlNode]) -> dict[int, _ComputedField]:
        """The fields that begin and end among some elements, by where they begin."""
        found: dict[int, _ComputedField] = {}
        opened: list[_ComputedField] = []
        for number, child in (
            (number, child) for number, node in enumerate(nodes) for child in node.children
        ):
            kind = child.attributes.get("fldCharType", "") if child.name == "fldChar" else child.name
            if kind == "begin":
                opened.append(_ComputedField(number))
            elif kind == "end" and opened:
                field = opened.pop()
                field.last = number
                found[field.first] = field
            elif kind == "separate" and opened:
                opened[-1].middle = number
            elif kind == "instrText" and opened:
                opened[-1].code += self.source[child.text : child.text_end]
        return found

    def _container(self, node: XmlNode) -> Iterator[Item]:
        outer = node.child("sdtContent") or node
        inner = list(dropwhile(lambda child: child.name.endswith("Pr"), outer.children))
        yield Fixed("open", node.start, inner[0].start if inner else outer.text_end)
        yield from self.items(inner)
        yield Fixed("close", outer.text_end, node.end)

    def _run(self, node: XmlNode) -> Iterator[Item]:
        inner = [child for child in node.children if child.name not in _DROPPED]
        if not any(child.name in _TEXT for child in inner):
            kinds = {_kind(child) for child in inner}
            yield Fixed(next((kind for kind in _STRONGEST if kind in kinds), "silent"), node.start, node.end)
            return
        look = node.child("rPr")
        properties = self.source[look.start : look.end] if look else ""
        before = self.source[node.start : node.text] + properties
        prefix = self._name(node).removesuffix("r")
        key = _EMPTY.sub("", _UNSEEN.sub("", properties))
        style = Style(key, f"{before}<{prefix}t", f"</{prefix}t></{prefix}r>", not self._is_drawn)
        for child in inner:
            if child.name in _TEXT:
                yield self._words(child, style)
            else:
                yield _mark(child, before, f"</{prefix}r>")

    def _name(self, node: XmlNode) -> str:
        return re.split(r"[\s/>]", self.source[node.start + 1 : node.text], maxsplit=1)[0]

    def _words(self, node: XmlNode, style: Style) -> Words:
        if node.name != "t":
            return Words(_TEXT[node.name], style)
        text = content(self.source[node.text : node.text_end])
        if not self._is_drawn and node.inherited("space") != "preserve":
            text = text.strip(" \t\r\n")
        return Words(text, style)


def _mark(node: XmlNode, before: str = "", after: str = "") -> Fixed:
    return Fixed(_kind(node), node.start, node.end, before, after)


def _kind(node: XmlNode) -> MarkKind:
    if node.name in ("tab", "ptab"):
        return "end"
    if node.name in ("br", "cr"):
        return "end" if node.attributes.get("type") in ("page", "column") else "break"
    if node.name in _PRINTED and all(own.name != "anchor" for own in node.descendants()):
        return "printed"
    return "note" if node.name in _NOTES else "silent"
