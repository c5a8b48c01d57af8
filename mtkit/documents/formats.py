"""From the name of a format to what reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, assert_never, get_args

if TYPE_CHECKING:
    from mtkit.documents.base import Document, LineDocument
    from mtkit.documents.po import PoOptions

LineFormat = Literal["tsv", "jsonl"]
FileFormat = Literal["md", "html", "srt", "po", "xliff", "docx", "pptx", "xlsx", "odt", "epub"]
LINE_FORMATS: dict[str, LineFormat] = {name: name for name in get_args(LineFormat)}
FILE_FORMATS: dict[str, FileFormat] = {name: name for name in get_args(FileFormat)}
FORMATS = ("text", *LINE_FORMATS, *FILE_FORMATS)
"""What `--format` accepts: plain lines, formats read line by line, and formats read as a whole."""


class LineReader(Protocol):
    """Reads the lines of a stream one after the other, in bounded memory.

    Attributes:
        number: of lines read; it can be set, to go on within a stream.
    """

    number: int

    def read(self, line: bytes) -> LineDocument:
        """The next line, with its line feed or without."""


def line_format(
    kind: LineFormat, name: str, *, column: int | str = 1, field: str = "text", terms: str = ""
) -> LineReader:
    """What reads each line of a stream.

    Args:
        kind: of format.
        name: of the file, for errors.
        column: number from 1, or name, of the text in a TSV.
        field: dotted path of the text in a line of JSON.
        terms: dotted path of the terms in a line of JSON; none are read if empty.

    Raises:
        UsageError: there is no such column in any file.
    """
    match kind:
        case "tsv":
            from mtkit.documents.tsv import TsvFormat

            return TsvFormat(name, column)
        case "jsonl":
            from mtkit.documents.jsonl import JsonlFormat

            return JsonlFormat(name, field, terms)
        case _:
            assert_never(kind)


def open_document(kind: FileFormat, name: str, data: bytes, po: PoOptions | None = None) -> Document:
    """Reads a whole file.

    Args:
        kind: of format.
        name: of the file, for errors.
        data: its bytes.
        po: how a catalogue is filled.

    Raises:
        InputError: the file is not UTF-8 or not of this format.
    """
    match kind:
        case "md":
            from mtkit.documents.md import open_md

            return open_md(name, data)
        case "html":
            from mtkit.documents.html import open_html

            return open_html(name, data)
        case "srt":
            from mtkit.documents.srt import open_srt

            return open_srt(name, data)
        case "po":
            from mtkit.documents.po import open_po

            return open_po(name, data, po)
        case "xliff":
            from mtkit.documents.xliff import open_xliff

            return open_xliff(name, data)
        case "docx":
            from mtkit.documents.ooxml import open_docx

            return open_docx(name, data)
        case "pptx":
            from mtkit.documents.ooxml import open_pptx

            return open_pptx(name, data)
        case "xlsx":
            from mtkit.documents.ooxml import open_xlsx

            return open_xlsx(name, data)
        case "odt":
            from mtkit.documents.odf import open_odt

            return open_odt(name, data)
        case "epub":
            from mtkit.documents.epub import open_epub

            return open_epub(name, data)
        case _:
            assert_never(kind)
