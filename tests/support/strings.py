"""Files of software strings: real ones, and what several models make of them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

from mtkit.documents.base import Document
from mtkit.documents.formats import FileFormat, open_document
from tests.support.corpora import corpus
from tests.support.translators import NASTY

HOSTILE: list[Callable[[str], str]] = [
    lambda text: f"{NASTY}{text}{NASTY}",
    lambda text: text[::-1],
    lambda text: " ".join(text.split()[1:]),
    lambda text: "",
    lambda text: f"{text} {text}",
    lambda text: f"{text}'{{\"",
    lambda text: f"@[.*?{text}: #x\\",
]


def real(name: str) -> bytes:
    """A real file, by its path under `formats/more`."""
    data = (corpus("formats") / "more" / name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


def rendered(document: Document, translate: Callable[[str], str]) -> bytes:
    """The document with each of its texts translated."""
    return document.render([translate(text) for text in document.texts])


def translated(kind: FileFormat, source: str, translate: Callable[[str], str], target: str = "") -> str:
    """A document in UTF-8, translated."""
    return rendered(open_document(kind, "a", source.encode(), target=target), translate).decode()


def texts_of(kind: FileFormat, source: str) -> list[str]:
    """What is translated of a document in UTF-8."""
    return list(open_document(kind, "a", source.encode()).texts)


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """All values that are no collection, by path."""
    if isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for key, member in members:
            yield from leaves(member, f"{path}/{key}")
    else:
        yield path, value
