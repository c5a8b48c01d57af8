"""From the name of a format to what reads it."""

from __future__ import annotations

from typing import Literal, Protocol, assert_never

from mtkit.documents.base import Document
from mtkit.documents.jsonl import JsonlFormat
from mtkit.documents.tsv import TsvFormat

LineFormat = Literal["tsv", "jsonl"]


class LineReader(Protocol):
    """Reads the lines of a stream one after the other, in bounded memory."""

    def read(self, line: bytes) -> Document:
        """The next line, with its line feed or without."""


def line_format(kind: LineFormat, name: str, *, column: int | str = 1, field: str = "text") -> LineReader:
    """What reads each line of a stream.

    Args:
        kind: of format.
        name: of the file, for errors.
        column: number from 1, or name, of the text in a TSV.
        field: dotted path of the text in a line of JSON.

    Raises:
        UsageError: there is no such column in any file.
    """
    match kind:
        case "tsv":
            return TsvFormat(name, column)
        case "jsonl":
            return JsonlFormat(name, field)
        case _:
            assert_never(kind)
