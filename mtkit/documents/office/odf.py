"""Texts of OpenDocument (ODT): paragraphs and headings, with their spans, links and notes."""

from __future__ import annotations

from collections.abc import Iterator

from mtkit.documents.elements import XmlNode, read_nodes
from mtkit.documents.office.paragraph import PLAIN, Fixed, Item, MarkKind, Words, content, paragraph_slot
from mtkit.documents.office.zipped import Archive, Bundle
from mtkit.documents.spans import Slot, Spliced
from mtkit.errors import InputError

MIMETYPE = "application/vnd.oasis.opendocument.text"

_PARTS = {"content.xml": "document-content", "styles.xml": "document-styles"}
_PARAGRAPHS = {"p", "h"}
_CONTAINERS = {"span", "a", "meta"}
_STAY = {"annotation", "tracked-changes", "deletion", "script"}
"""Elements whose paragraphs stay: comments, and what was deleted."""
_KINDS: dict[str, MarkKind] = {"tab": "end", "line-break": "break", "note": "note"}
_SILENT = {
    *("bookmark", "bookmark-start", "bookmark-end", "reference-mark", "reference-mark-start"),
    *("reference-mark-end", "change", "change-start", "change-end", "soft-page-break", "annotation"),
    *("annotation-end", "alphabetical-index-mark", "alphabetical-index-mark-start", "toc-mark"),
    *("alphabetical-index-mark-end", "toc-mark-start", "toc-mark-end", "script", "frame"),
}


def open_odt(name: str, data: bytes) -> Bundle:
    """Paragraphs and headings of the text, of notes, tables, text boxes, headers and footers; comments stay.

    Raises:
        InputError: it is no ODT file, or one that is damaged, encrypted, signed or made to do harm.
    """
    archive = Archive(name, data)
    mimetype = archive.read("mimetype").decode(errors="replace").strip()
    if mimetype not in (MIMETYPE, f"{MIMETYPE}-template"):
        raise InputError(f"{name}: is not an OpenDocument text.", "Set format to that of the file.")
    if b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise InputError(f"{name}: is encrypted.", "Save the file without a password.")
    if "META-INF/documentsignatures.xml" in archive.members:
        raise InputError(f"{name}: is signed, which its translation would not be.", "Remove the signature.")
    documents = {}
    for part, root in _PARTS.items():
        if part in archive.members:
            source, encoding = archive.read_xml(part)
            nodes = read_nodes(f"{name}: {part}", source, root, _PARAGRAPHS)
            slots = [_slot(source, node) for node in nodes if not _stays(node)]
            documents[part] = Spliced(source, slots, encoding=encoding)
    return Bundle(archive, documents)


def _stays(node: XmlNode) -> bool:
    """Whether a paragraph is within a comment or a deletion."""
    parent = node.parent
    while parent:
        if parent.name in _STAY:
            return True
        parent = parent.parent
    return False


def _slot(source: str, node: XmlNode) -> Slot:
    nested = [_slot(source, child) for child in _nested(node)]
    items = list(_items(source, node, node.text, node.text_end))
    return paragraph_slot(source, node.text, node.text_end, items, nested)


def _nested(node: XmlNode) -> Iterator[XmlNode]:
    """The paragraphs inside a paragraph."""
    for child in node.children:
        if child.name in _PARAGRAPHS:
            yield child
        elif child.name not in _STAY:
            yield from _nested(child)


def _items(source: str, node: XmlNode, place: int, end: int) -> Iterator[Item]:
    """The content of a paragraph, or of an element in it, between two places."""
    for child in node.children:
        yield Words(content(source[place : child.start]), PLAIN)
        place = child.end
        if child.name in _CONTAINERS and child.text_end > child.text:
            yield Fixed("open", child.start, child.text)
            yield from _items(source, child, child.text, child.text_end)
            yield Fixed("close", child.text_end, child.end)
        elif child.name == "s" and "c" not in child.attributes:
            yield Words(" ", PLAIN)
        elif child.name == "s":
            yield Fixed("break", child.start, child.end)
        else:
            kind: MarkKind = "silent" if child.name in _SILENT else "printed"
            yield Fixed(_KINDS.get(child.name, kind), child.start, child.end)
    yield Words(content(source[place:end]), PLAIN)
