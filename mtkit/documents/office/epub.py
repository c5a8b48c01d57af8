"""Books in EPUB: each chapter as HTML is, and the titles in the package and in the table of contents."""

from __future__ import annotations

import re
from posixpath import dirname, join, normpath
from urllib.parse import unquote

from mtkit.documents.base import Document, unescape
from mtkit.documents.elements import XmlNode, read_nodes
from mtkit.documents.markup.html import open_html
from mtkit.documents.office.paragraph import PLAIN, Words, content, paragraph_slot
from mtkit.documents.office.zipped import Archive, Bundle
from mtkit.documents.spans import Spliced
from mtkit.errors import InputError

_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_ALGORITHM = re.compile(rb"EncryptionMethod\b[^<>]*\bAlgorithm\s*=\s*[\"']([^\"']*)")
_OF_FONTS = {b"http://www.idpf.org/2008/embedding", b"http://ns.adobe.com/pdf/enc#RC"}
_DECLARATIONS = re.compile(rb"<!DOCTYPE[^<>\[]*\[")


def open_epub(name: str, data: bytes) -> Bundle:
    """The text of each chapter, the entries of the table of contents, and the book's title.

    Raises:
        InputError: it is no EPUB file, or one that is damaged, protected against copying, signed or made to
            do harm.
    """
    archive = Archive(name, data)
    if archive.read("mimetype").strip() != b"application/epub+zip":
        raise InputError(f"{name}: is not an EPUB file.", "Set format to that of the file.")
    if set(_ALGORITHM.findall(archive.read(_ENCRYPTION))) - _OF_FONTS:
        raise InputError(f"{name}: is protected against copying.", "Use a copy without protection.")
    if "META-INF/signatures.xml" in archive.members:
        raise InputError(f"{name}: is signed, which its translation would not be.", "Remove the signature.")
    documents: dict[str, Document] = {}
    languages = set()
    source, _ = archive.read_xml(_CONTAINER)
    for root in read_nodes(f"{name}: {_CONTAINER}", source, "container", {"rootfile"}):
        package = root.attributes.get("full-path", "")
        if package not in archive.members:
            archive.fail(package, "is not there, though the book names it.", "Export it again.")
        source, encoding = archive.read_xml(package)
        found = read_nodes(f"{name}: {package}", source, "package", {"title", "language", "item"})
        documents[package] = _titles(source, encoding, [node for node in found if node.name == "title"])
        for node in found:
            if node.name == "language":
                languages.add(unescape(content(source[node.text : node.text_end])).strip())
            href = unquote(unescape(node.attributes.get("href", "")))
            member = normpath(join(dirname(package), href))
            kind = node.attributes.get("media-type", "") if member in archive.members else ""
            if kind == "application/xhtml+xml":
                documents[member] = _chapter(archive, member)
            elif kind == "application/x-dtbncx+xml":
                text, own = archive.read_xml(member)
                documents[member] = _titles(text, own, read_nodes(f"{name}: {member}", text, "ncx", {"text"}))
    return Bundle(archive, documents, (languages.pop() if len(languages) == 1 else "", ""))


def _titles(source: str, encoding: str, nodes: list[XmlNode]) -> Spliced:
    slots = []
    for node in nodes:
        words = Words(content(source[node.text : node.text_end]), PLAIN)
        slots.append(paragraph_slot(source, node.text, node.text_end, [words]))
    return Spliced(source, slots, encoding=encoding)


def _chapter(archive: Archive, member: str) -> Document:
    data = archive.read(member)
    if _DECLARATIONS.search(data):
        archive.fail(member, "declares entities, which is not allowed.", "Remove [...] from DOCTYPE.")
    return open_html(f"{archive.name}: {member}", data)
