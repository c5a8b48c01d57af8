"""The interface of all formats: the texts of a document, and the document with their translations."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Protocol

from mtkit.errors import InputError

_BREAKS = re.compile("[\t\n\x0b\x0c\r\x1c-\x1e\x85\u2028\u2029]+")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f\ufffe\uffff]")
# A run of white space with a break in it, from its first character on.
_BREAK = re.compile("((?<!\\s)[^\\S\n\r\x0b\x0c\x85\u2028\u2029]*+[\n\r\x0b\x0c\x85\u2028\u2029]\\s*+)")
_ENDLESS = re.compile(r"&#[0-9]{1000,}+;?")
_SURROGATES = re.compile("[\ud800-\udfff]+")


class Marked(Protocol):
    """A stretch of a document with its markup, which has one text."""

    @property
    def spellings(self) -> Sequence[str]:
        """The stretch as the document spells it, and with its words as they are read."""

    def spelled(self, translation: str) -> str | None:
        """A translation of the stretch as the document spells it; None if its markup is another."""


class Text(str):
    """A text to translate, and whether markup stands between its words.

    Attributes:
        has_spans: whether it does.
        marked: the text with this and the markup around it; None if there is none.
    """

    has_spans: bool
    marked: Marked | None

    def __new__(cls, text: str, has_spans: bool = False, marked: Marked | None = None) -> Text:
        """A text."""
        made = super().__new__(cls, text)
        made.has_spans, made.marked = has_spans, marked
        return made


class Answer(str):
    """A translation with what a document needs to know of it.

    Attributes:
        anchors: offsets in the text and in the translation at which words begin that belong together.
        is_marked: whether it has the markup of the document, as `Marked.spelled` gives it.
        is_placed: false once a document could not put the text's markup into it, and left the text as it was.
    """

    anchors: Sequence[tuple[int, int]]
    is_marked: bool
    is_placed: bool

    def __new__(cls, text: str, anchors: Sequence[tuple[int, int]] = (), is_marked: bool = False) -> Answer:
        """A translation."""
        made = super().__new__(cls, text)
        made.anchors, made.is_marked, made.is_placed = anchors, is_marked, True
        return made


Terms = tuple[tuple[str, str], ...]
"""Source terms, and what each is to be called in the translation."""


class Document(Protocol):
    """A whole file, or one line of a line format."""

    @property
    def texts(self) -> Sequence[str]:
        """The texts to translate, in order: never blank, each without line breaks."""

    def render(self, translations: Sequence[str]) -> bytes:
        """The document with one translation for each of `texts`; all else is as it was, byte for byte.

        A translation equal to its text leaves the place as it stands.
        """


class LineDocument(Document, Protocol):
    """One line of a line format."""

    @property
    def terms(self) -> Terms:
        """The terms that the line asks for."""


def decode(data: bytes) -> str:
    """Text whose bytes come back by `encode`, UTF-8 or not."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes of text from `decode`."""
    return text.encode("utf-8", "surrogateescape")


def clean(text: str) -> str:
    """`text` as one line without controls, and with U+FFFD for what is no character."""
    if text.isprintable():  # most are, and hold none of these
        return text.strip(" ")
    text = _SURROGATES.sub("\ufffd", _CONTROLS.sub("", _BREAKS.sub(" ", text)))
    return text.strip(" ")


def unescape(text: str) -> str:
    """`text` with the characters that HTML's references in it stand for."""
    return html.unescape(_ENDLESS.sub("\ufffd", text))  # int() refuses numbers that long


def check_utf8(name: str, data: bytes) -> str:
    """`data` as text; a byte order mark stays.

    Raises:
        InputError: it is not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{name}:{number}: the byte 0x{data[error.start]:02x} is not UTF-8.",
            "Set --encoding to the file's, such as windows-1252, or convert it with iconv.",
        ) from None


class HeaderError(InputError):
    """The first line lacks what says how to read the others."""


class Lines:
    """A text of several lines, each translated on its own; breaks and white space around them stay.

    Attributes:
        texts: the lines that are not blank.
    """

    def __init__(self, text: str) -> None:
        self._parts = _BREAK.split(text)
        self.texts = [clean(part) for part in self._parts[::2] if clean(part).strip()]

    def put(self, translations: Sequence[str]) -> str:
        """The text with its lines translated."""
        remaining = iter(zip(self.texts, translations, strict=True))
        filled = []
        for number, part in enumerate(self._parts):
            if number % 2 or not clean(part).strip():
                filled.append(part)
                continue
            text, translation = next(remaining)
            if translation == text:
                filled.append(part)
            else:
                start = len(part) - len(part.lstrip())
                filled.append(part[:start] + clean(translation) + part[len(part.rstrip()) :])
        return "".join(filled)
