"""One column of a table between tabs."""

from __future__ import annotations

from collections.abc import Sequence

from mtkit.documents.base import HeaderError, Lines, Terms, decode, encode
from mtkit.errors import InputError, UsageError

_MARK = b"\xef\xbb\xbf"


class TsvLine:
    """A row; only bytes of the column change."""

    terms: Terms = ()

    def __init__(self, line: bytes, start: int, end: int) -> None:
        self._before, self._after = line[:start], line[end:]
        self._text = Lines(decode(line[start:end]))
        self.texts = self._text.texts

    def render(self, translations: Sequence[str]) -> bytes:
        """The row with the column translated."""
        return self._before + encode(self._text.put(translations)) + self._after


class TsvFormat:
    """Reads rows one after the other.

    Args:
        name: of the file, for errors.
        column: its number from 1, or its name in the first line, which is then a header and stays.

    Attributes:
        number: of rows read.

    Raises:
        UsageError: the number is less than 1.
    """

    def __init__(self, name: str, column: int | str) -> None:
        if column in (0, "") or (isinstance(column, int) and column < 0):
            raise UsageError(f"column = {column!r} must be at least 1, or a name.")
        self._name, self._column = name, column
        self.number = 0
        self._index = column - 1 if isinstance(column, int) else None

    def read(self, line: bytes) -> TsvLine:
        """The next row, with its line feed or without.

        Raises:
            InputError: it does not have the column.
        """
        self.number += 1
        body = line.rstrip(b"\r\n")
        start = len(_MARK) if self.number == 1 and body.startswith(_MARK) else 0
        cells = body[start:].split(b"\t")
        if self._index is None:
            self._index = self._find(cells)
            return TsvLine(line, 0, 0)
        if not body:
            return TsvLine(line, 0, 0)
        if self._index >= len(cells):
            raise InputError(
                f"{self._name}:{self.number}: has {len(cells)} column{'s'[: len(cells) != 1]}, "
                f"expected at least {self._index + 1}.",
                "Set column, or repair the line.",
            )
        start += sum(map(len, cells[: self._index])) + self._index
        return TsvLine(line, start, start + len(cells[self._index]))

    def _find(self, cells: list[bytes]) -> int:
        names = [cell.decode(errors="replace").strip() for cell in cells]
        if self._column not in names:
            raise HeaderError(
                f"{self._name}:{self.number}: there is no column {self._column}; "
                f"there are {', '.join(names)[:80]}.",
                "Name one of these, or give its number.",
            )
        return names.index(str(self._column))
