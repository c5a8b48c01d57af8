"""Detects by its first bytes whether a file is text, and of the format that its name says."""

from __future__ import annotations

import codecs
import re

from mtkit.errors import InputError

HEAD = 1 << 12
"""Bytes that are looked at."""

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ZIPPED = ("docx", "pptx", "xlsx", "odt", "epub")
_ZIP = b"PK\x03\x04"
_UNPACK = "Decompress it, or end its name in"
_BINARIES = (
    (b"%PDF-", "a PDF", "Convert it first, for instance with pdftotext, or to DOCX with a word processor."),
    (
        _ZIP,
        "a zip archive, as office documents are",
        "Unpack it, or give a document its own suffix, such as .docx.",
    ),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old office document", "Save it as DOCX, PPTX or XLSX first."),
    (b"{\\rtf", "an RTF document", "Save it as DOCX first."),
    (b"\x1f\x8b", "compressed by gzip", f"{_UNPACK} .gz."),
    (b"BZh91AY&SY", "compressed by bzip2", f"{_UNPACK} .bz2."),
    (b"\xfd7zXZ\0", "compressed by xz", f"{_UNPACK} .xz."),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", f"{_UNPACK} .zst."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it, and translate the files in it."),
    (b"Rar!\x1a\x07", "a RAR archive", "Unpack it, and translate the files in it."),
    (b"\xde\x12\x04\x95", "a compiled gettext catalogue", "Translate the PO file; msgunfmt makes one."),
    (b"\x95\x04\x12\xde", "a compiled gettext catalogue", "Translate the PO file; msgunfmt makes one."),
    (b"\x89PNG\r\n", "an image", "Only text is translated."),
    (b"\xff\xd8\xff", "an image", "Only text is translated."),
    (b"GIF89a", "an image", "Only text is translated."),
    (b"\x1aE\xdf\xa3", "a video", "Only text is translated. Extract its subtitles first."),
    (b"\x7fELF", "a program", "Only text is translated."),
    (b"SQLite format 3\0", "a database", "Only text is translated."),
)
_CONTROLS = bytes([*range(9), *range(0x0E, 0x1B), *range(0x1C, 0x20)])
_SHARE, _FEW = 0.05, 8
"""A file in which more than these are control characters is no text in UTF-8; a tenth of random bytes are."""

_SIGNS = (
    ("html", re.compile(r"<!doctype html|<html[\s>]", re.IGNORECASE)),
    ("xliff", re.compile(r"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:\w+:)?xliff[\s>]", re.DOTALL)),
    ("vtt", re.compile(r"WEBVTT(?:\s|\Z)")),
    ("ass", re.compile(r"\[Script Info\]", re.IGNORECASE)),
    ("srt", re.compile(r"\d+[ \t]*\r?\n\d+:\d+:\d+,\d+ +--> +\d+:\d+:\d+,\d+")),
    ("po", re.compile(r"(?:#[^\n]*\n|\s)*msgid +\"")),
)
_LINES_OF_JSON = re.compile(r"\{[^\n]*\}[ \t]*\r?\n\s*\{")
_LOOSE = ("text", "md")
"""Formats in which any text can be read; the others complain themselves about what is not theirs."""


def encoding_of(head: bytes) -> str:
    """The encoding that a byte order mark at the beginning of a file says; UTF-8 if there is none."""
    return next((name for mark, name in _BOMS if head.startswith(mark)), "utf-8")


def check_text(name: str, head: bytes, kind: str, encoding: str) -> None:
    """Checks that a file is no binary.

    Args:
        name: of the file, for the error.
        head: its first bytes.
        kind: its format.
        encoding: that it is read with.

    Raises:
        InputError: it is one, such as an image, or has no byte order mark although it is UTF-16.
    """
    for magic, what, advice in _BINARIES:
        if head.startswith(magic) and not (magic == _ZIP and kind in _ZIPPED):
            raise InputError(f"{name}: is {what}.", advice)
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if kind not in _ZIPPED and encoding == "utf-8" and controls > max(_FEW, _SHARE * len(head)):
        raise InputError(
            f"{name}: is not text in UTF-8: {controls:,} of its first {len(head):,} bytes are controls.",
            "If it is UTF-16, set --encoding utf-16-le or utf-16-be. Other binaries cannot be translated.",
        )


def check_named(name: str, head: str, kind: str) -> None:
    """Checks that a file whose name says `kind` is not obviously of another format.

    Args:
        name: of the file, for the error.
        head: the beginning of its text.
        kind: the format that its name says.

    Raises:
        InputError: it begins as a file of another format.
    """
    text = head.lstrip("\ufeff \t\r\n")
    looks = kind
    if kind in _LOOSE:
        looks = next((other for other, sign in _SIGNS if sign.match(text)), kind)
    elif kind == "json" and _LINES_OF_JSON.match(text):
        looks = "jsonl"
    if looks != kind:
        raise InputError(
            f"{name}: looks like {looks}, but its name says {kind}.",
            f"Set --format {looks}; or --format {kind} to read it as that.",
        )
