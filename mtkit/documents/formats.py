"""Opens a document by the name of its format."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, Protocol, assert_never, get_args

if TYPE_CHECKING:
    from mtkit.documents.base import Document, LineDocument
    from mtkit.documents.catalogues.po import PoOptions
    from mtkit.documents.tables.csv_table import Skip

LineFormat = Literal["tsv", "jsonl"]
SoftwareFormat = Literal[
    "json", "arb", "strings", "stringsdict", "android", "properties", "qt", "xcstrings", "yaml", "ftl",
]  # fmt: skip
OfficeFormat = Literal["docx", "pptx", "xlsx", "odt", "epub"]
FileFormat = Literal["md", "html", "srt", "vtt", "ass", "csv", "po", "xliff", SoftwareFormat, OfficeFormat]
LINE_FORMATS: dict[str, LineFormat] = {name: name for name in get_args(LineFormat)}
FILE_FORMATS: dict[str, FileFormat] = {name: name for name in get_args(FileFormat)}
FORMATS = ("text", *LINE_FORMATS, *FILE_FORMATS)
"""The values of `--format`: plain lines, formats read line by line, and formats read as a whole."""

BILINGUAL = ("text", "tsv", "csv", "srt", "vtt", "ass", "html", "docx")
"""Formats that have room for a text and its translation."""

SUFFIXES = {
    ".txt": "text",
    ".text": "text",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".md": "md",
    ".markdown": "md",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".srt": "srt",
    ".vtt": "vtt",
    ".ass": "ass",
    ".ssa": "ass",
    ".csv": "csv",
    ".json": "json",
    ".arb": "arb",
    ".strings": "strings",
    ".stringsdict": "stringsdict",
    ".properties": "properties",
    ".ts": "qt",
    ".docx": "docx",
    ".pptx": "pptx",
    ".xlsx": "xlsx",
    ".odt": "odt",
    ".epub": "epub",
    ".po": "po",
    ".pot": "po",
    ".xlf": "xliff",
    ".xliff": "xliff",
    ".sdlxliff": "xliff",
    ".mqxliff": "xliff",
    ".xml": "android",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".xcstrings": "xcstrings",
    ".ftl": "ftl",
}
"""The format of a file by the suffix of its name."""

AMBIGUOUS = frozenset({".json", ".xml", ".yaml", ".yml", ".ts", ".properties"})
"""Suffixes of settings, too: files in a folder that have them are translated only if `--format` says so."""

DECLARING = frozenset(
    {
        "html",
        "po",
        "xliff",
        "android",
        "strings",
        "stringsdict",
        "properties",
        "qt",
        "docx",
        "pptx",
        "xlsx",
        "odt",
        "epub",
    }
)
"""Formats whose files say themselves how they are encoded, or are no text."""

PACKED = (".gz", ".bz2", ".xz", ".zst")
"""Suffixes of compressed files; the suffix before tells the format."""


def suffix_of(path: PurePath) -> str:
    """The suffix in small letters, such as `.md` of `A.MD.gz`; empty if there is none."""
    return (path.with_suffix("") if path.suffix in PACKED else path).suffix.lower()


class LineReader(Protocol):
    """Reads the lines of a stream one after the other, in bounded memory.

    Attributes:
        number: of lines read; can be set to continue within a stream.
    """

    number: int

    def read(self, line: bytes) -> LineDocument:
        """The next line, with its line feed or without."""


def line_format(
    kind: LineFormat,
    name: str,
    *,
    column: int | str = 1,
    field: str = "text",
    terms: str = "",
    beside: str | None = None,
) -> LineReader:
    """Reads each line of a stream.

    Args:
        kind: of format.
        name: of the file, for errors.
        column: number from 1, or name, of the text in a TSV.
        field: dotted path of the text in a line of JSON.
        terms: dotted path of the terms in a line of JSON; none are read if empty.
        beside: the language of translations that are put beside the text, or of none that replace it.

    Raises:
        UsageError: there is no such column in any file.
    """
    match kind:
        case "tsv":
            from mtkit.documents.tables.tsv import TsvFormat

            return TsvFormat(name, column, beside)
        case "jsonl":
            from mtkit.documents.tables.jsonl import JsonlFormat

            return JsonlFormat(name, field, terms)
        case _:
            assert_never(kind)


def open_document(
    kind: FileFormat,
    name: str,
    data: bytes,
    po: PoOptions | None = None,
    target: str = "",
    *,
    column: int | str = 1,
    skip: Skip | None = None,
    is_bilingual: bool = False,
) -> Document:
    """Reads a whole file.

    Args:
        kind: of format.
        name: of the file, for errors.
        data: its bytes.
        po: how a catalogue is filled.
        target: language of the translations, for formats that name it.
        column: number from 1, or name, of the text in a CSV.
        skip: what becomes of a row of a CSV without the column; without it, it is an error.
        is_bilingual: whether texts stay with their translations beside them, in a format of `BILINGUAL`.

    Raises:
        InputError: the file is not UTF-8 or not of this format.
    """
    beside = target if is_bilingual else None
    match kind:
        case "md":
            from mtkit.documents.markup.md import open_md

            return open_md(name, data)
        case "html":
            from mtkit.documents.markup.html import open_html

            return open_html(name, data, beside)
        case "srt":
            from mtkit.documents.subtitles.srt import open_srt

            return open_srt(name, data, beside)
        case "vtt":
            from mtkit.documents.subtitles.vtt import open_vtt

            return open_vtt(name, data, beside)
        case "ass":
            from mtkit.documents.subtitles.ass import open_ass

            return open_ass(name, data, beside)
        case "csv":
            from mtkit.documents.tables.csv_table import open_csv

            return open_csv(name, data, column, skip, beside)
        case "po":
            from mtkit.documents.catalogues.po import open_po

            return open_po(name, data, po)
        case "xliff":
            from mtkit.documents.catalogues.xliff import open_xliff

            return open_xliff(name, data)
        case (
            "json"
            | "arb"
            | "strings"
            | "stringsdict"
            | "android"
            | "properties"
            | "qt"
            | "xcstrings"
            | "yaml"
            | "ftl"
        ):
            return _open_software(kind, name, data, target)
        case "docx" | "pptx" | "xlsx" | "odt" | "epub":
            return _open_office(kind, name, data, is_bilingual)
        case _:
            assert_never(kind)


def _open_software(kind: SoftwareFormat, name: str, data: bytes, target: str) -> Document:
    """Reads the strings of a program."""
    match kind:
        case "json":
            from mtkit.documents.software.keyed_json import open_json

            return open_json(name, data)
        case "arb":
            from mtkit.documents.software.keyed_json import open_arb

            return open_arb(name, data, target)
        case "strings":
            from mtkit.documents.software.strings import open_strings

            return open_strings(name, data)
        case "stringsdict":
            from mtkit.documents.software.strings import open_stringsdict

            return open_stringsdict(name, data)
        case "android":
            from mtkit.documents.software.android import open_android

            return open_android(name, data)
        case "properties":
            from mtkit.documents.software.properties import open_properties

            return open_properties(name, data)
        case "qt":
            from mtkit.documents.software.qt import open_qt

            return open_qt(name, data)
        case "xcstrings":
            from mtkit.documents.software.xcstrings import open_xcstrings

            return open_xcstrings(name, data, target)
        case "yaml":
            from mtkit.documents.software.keyed_yaml import open_yaml

            return open_yaml(name, data, target)
        case "ftl":
            from mtkit.documents.software.fluent import open_ftl

            return open_ftl(name, data)
        case _:
            assert_never(kind)


def _open_office(kind: OfficeFormat, name: str, data: bytes, is_bilingual: bool) -> Document:
    """Reads an office file or a book."""
    match kind:
        case "docx":
            from mtkit.documents.office.ooxml import open_docx

            return open_docx(name, data, is_bilingual=is_bilingual)
        case "pptx":
            from mtkit.documents.office.ooxml import open_pptx

            return open_pptx(name, data)
        case "xlsx":
            from mtkit.documents.office.ooxml import open_xlsx

            return open_xlsx(name, data)
        case "odt":
            from mtkit.documents.office.odf import open_odt

            return open_odt(name, data)
        case "epub":
            from mtkit.documents.office.epub import open_epub

            return open_epub(name, data)
        case _:
            assert_never(kind)
