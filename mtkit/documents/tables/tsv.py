"""One column of a table between tabs."""

from __future__ import annotations

from collections.abc import Sequence

from mtkit.documents.base import Lines, Terms, decode, encode
from mtkit.documents.tables.csv_table import check_column, column_beside, column_named, lacks_column

_MARK = b"\xef\xbb\xbf"


class TsvLine:
    """A row; only bytes of the column change.

    Quotes around a cell stay, and so does one that only opens or only closes it: a spreadsheet may have
    written a line break within the cell, and reads it again.

    Args:
        line: the row.
        start: where the cell begins.
        end: where it ends.
        is_bilingual: whether the cell stays, and the translation gets one behind it.
    """

    terms: Terms = ()

    def __init__(self, line: bytes, start: int, end: int, is_bilingual: bool = False) -> None:
        opening, closing = _quotes(line[start:end])
        before = line[:end] + b"\t" + line[start : start + opening]
        start, end = start + opening, end - closing
        self._before, self._after = before if is_bilingual else line[:start], line[end:]
        self._is_quoted = bool(opening or closing)
        cell = decode(line[start:end])
        self._text = Lines(cell.replace('""', '"') if self._is_quoted else cell)
        self.texts = self._text.texts

    def render(self, translations: Sequence[str]) -> bytes:
        """The row with the column translated."""
        cell = self._text.put(translations)
        return self._before + encode(cell.replace('"', '""') if self._is_quoted else cell) + self._after


def _quotes(cell: bytes) -> tuple[int, int]:
    """How many quotes around a cell belong to how it is written, at its beginning and at its end."""
    for opening, closing in ((1, 1), (1, 0), (0, 1)):
        inside = cell[opening : len(cell) - closing]
        if len(cell) < opening + closing or cell != b'"' * opening + inside + b'"' * closing:
            continue
        if b'"' not in inside.replace(b'""', b""):
            return opening, closing
    return 0, 0


class TsvFormat:
    """Reads rows one after the other.

    Args:
        name: of the file, for errors.
        column: its number from 1, or its name in the first line, which is then a header and stays.
        beside: the language of translations that get a column of their own behind the text's.

    Attributes:
        number: of rows read.

    Raises:
        UsageError: the number is less than 1.
    """

    def __init__(self, name: str, column: int | str, beside: str | None = None) -> None:
        check_column(column)
        self._name, self._column, self._beside = name, column, beside
        self.number = 0
        self._index = column - 1 if isinstance(column, int) else None
        self._opened = 0  # the line with a quote that nothing has closed yet

    def read(self, line: bytes) -> TsvLine:
        """The next row, with its line feed or without.

        Raises:
            InputError: it does not have the column.
        """
        self.number += 1
        body = line.rstrip(b"\r\n")
        start = len(_MARK) if self.number == 1 and body.startswith(_MARK) else 0
        cells = body[start:].split(b"\t")
        if isinstance(self._column, str) and self._index is None:
            names = [cell.decode(errors="replace").strip() for cell in cells]
            self._index = column_named(self._column, names, f"{self._name}:{self.number}")
            if self._beside is None:
                return TsvLine(line, 0, 0)
            end = start + len(b"\t".join(cells[: self._index + 1]))
            added = column_beside(self._beside, self._column, names).encode()
            return TsvLine(line[:end] + b"\t" + added + line[end:], 0, 0)
        assert self._index is not None
        if not body:
            return TsvLine(line, 0, 0)
        opened = self._opened
        if opened and body.count(b'"') % 2:
            self._opened = 0
        elif not opened and _quotes(cells[-1]) == (1, 0):
            self._opened = self.number
        if self._index >= len(cells):
            error = lacks_column(f"{self._name}:{self.number}", len(cells), self._index + 1)
            if opened:
                error.hint = f"A cell that line {opened} begins may continue here: set format to csv."
            raise error
        start += sum(map(len, cells[: self._index])) + self._index
        return TsvLine(line, start, start + len(cells[self._index]), self._beside is not None)
