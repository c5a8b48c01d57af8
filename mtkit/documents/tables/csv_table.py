"""CSV: one column of a table, the cells of which may be quoted and have line breaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from mtkit.documents.base import HeaderError, Lines, check_utf8
from mtkit.documents.spans import Original, Slot, Spliced
from mtkit.errors import InputError, UsageError

Skip = Callable[[int, InputError], bool]
"""Told of a row without the column, numbered from 0: whether it stays. Else it becomes a blank line; it may
also raise the error."""

_DELIMITERS = ",;\t|"
_SAMPLE = 20
"""Rows that the separator is found by."""
_DECLARED = re.compile(r"\ufeff?sep=([^\r\n])(?:\r\n|\r|\n)")

_QUOTED = re.compile(r'"(?:[^"]++|"")*+"')

_Cell = tuple[int, int]
_Row = list[_Cell]


class Table(Spliced):
    """A table.

    Attributes:
        numbers: the line, from 0, on which the row of each text begins.
    """

    def __init__(
        self,
        source: str,
        slots: Sequence[Slot],
        numbers: Sequence[int],
        originals: Sequence[Original] | None = None,
    ) -> None:
        super().__init__(source, slots, originals=originals)
        self.numbers = numbers


def check_column(column: int | str) -> None:
    """Nothing, if a table can have the column.

    Raises:
        UsageError: it cannot.
    """
    if column in (0, "") or (isinstance(column, int) and column < 0):
        raise UsageError(f"column = {column!r} must be at least 1, or a name.")


def column_named(column: str, names: Sequence[str], place: str) -> int:
    """The number, from 0, of the column with this name.

    Raises:
        HeaderError: there is none.
    """
    if column not in names:
        raise HeaderError(
            f"{place}: there is no column {column}; there are {', '.join(names)[:80]}.",
            "Name one of these, or give its number.",
        )
    return names.index(column)


def column_beside(beside: str, column: str, names: Sequence[str]) -> str:
    """The name of a new column of translations: their language, or one that no other column has.

    Args:
        beside: the language, if it is known.
        column: of the text.
        names: of all columns.
    """
    name = beside or "translation"
    while name in names:
        name = f"{column}.{name}"
    return name


def lacks_column(place: str, count: int, needed: int) -> InputError:
    """For a row that has too few columns."""
    return InputError(
        f"{place}: has {count} column{'s'[: count != 1]}, expected at least {needed}.",
        "Set column, or repair the line.",
    )


def open_csv(
    name: str, data: bytes, column: int | str = 1, skip: Skip | None = None, beside: str | None = None
) -> Table:
    """One column of a table between commas, semicolons, tabs or bars; each line of a cell is a text.

    Args:
        name: of the file, for errors.
        data: its bytes.
        column: its number from 1, or its name in the first row, which is then a header and stays.
        skip: what becomes of a row without the column; without it, it is an error.
        beside: the language of translations that get a column of their own behind the text's.

    Raises:
        UsageError: the number is less than 1.
        InputError: it is not UTF-8, a quoted cell has no end, or a row lacks the column.
    """
    check_column(column)
    source = check_utf8(name, data)
    declared = _DECLARED.match(source)
    start = declared.end() if declared else int(source.startswith("\ufeff"))
    delimiter = declared[1] if declared else _delimiter(name, source, start, column)
    rows = _rows(name, source, start, delimiter)
    originals: list[Original] = []
    if isinstance(column, str):
        header = next(rows, [])
        names = [_text(source, cell).strip() for cell in header]
        index = column_named(column, names, f"{name}:1")
        added = column_beside(beside or "", column, names)
        originals.append(_original(header[index], lambda _: delimiter + _written(added, delimiter)))
    else:
        index = column - 1
    slots, numbers, blank = [], [], []
    number = place = 0
    for row in rows:
        first, last = row[0][0], row[-1][1]
        number, place = number + source.count("\n", place, first), first
        if index < len(row):
            slots.append(_slot(source, row[index], delimiter))
            numbers += [number] * len(slots[-1].texts)
            originals.append(_original(row[index], lambda cell: delimiter + cell))
        elif first < last:
            error = lacks_column(f"{name}:{number + 1}", len(row), index + 1)
            if skip is None:
                raise error
            if not skip(number, error):
                blank.append((first, last))
    if blank:
        kept, place = [], 0
        for first, last in blank:
            kept.append(source[place:first])
            place = last
        return open_csv(name, "".join([*kept, source[place:]]).encode(), column, lambda *_: True, beside)
    return Table(source, slots, numbers, None if beside is None else originals)


def _delimiter(name: str, source: str, start: int, column: int | str) -> str:
    """The separator with which the first rows have the column, and as many columns each."""
    found: list[tuple[tuple[bool, bool, bool, int], str]] = []
    problem = None
    for delimiter in _DELIMITERS:
        try:
            rows = list(islice(_rows(name, source, start, delimiter), _SAMPLE))
        except InputError as error:
            problem = problem or error
            continue
        widths = {len(row) for row in rows if row[0][0] < row[-1][1]} or {1}
        names = [_text(source, cell).strip() for cell in rows[0]] if rows else []
        rank = (column in names, len(widths) == 1 and widths != {1}, widths != {1}, sum(map(len, rows)))
        found.append((rank, delimiter))
    best, delimiter = max(found, key=lambda each: each[0], default=((False, False, False, 0), ","))
    if problem and not any(best[:3]):
        raise problem
    return delimiter


def _rows(name: str, source: str, start: int, delimiter: str) -> Iterator[_Row]:
    """Where each cell of each row begins and ends, with its quotes."""
    cell = re.compile(rf"(?P<quoted>{_QUOTED.pattern})?+[^{re.escape(delimiter)}\r\n]*+")
    row: _Row = []
    place = start
    while place < len(source) or row:
        found = cell.match(source, place)
        assert found
        if found[0].startswith('"') and not found["quoted"]:
            raise InputError(
                f"{name}:{source.count(chr(10), 0, place) + 1}: a cell opens a quote that nothing closes.",
                "Close it, and double the quotes inside the cell.",
            )
        row.append(found.span())
        place = found.end()
        if source.startswith(delimiter, place):
            place += 1
            continue
        yield row
        row = []
        place += 2 if source.startswith("\r\n", place) else 1


def _text(source: str, cell: _Cell) -> str:
    """The text of a cell."""
    raw = source[slice(*cell)]
    quoted = _QUOTED.match(raw)
    return raw[1 : quoted.end() - 1].replace('""', '"') + raw[quoted.end() :] if quoted else raw


def _slot(source: str, cell: _Cell, delimiter: str) -> Slot:
    raw = source[slice(*cell)]
    lines = Lines(_text(source, cell))

    def write(found: Sequence[str]) -> str:
        text = lines.put(found)
        if list(found) == lines.texts:
            return raw
        return _written(text, delimiter, is_quoted=raw.startswith('"') or not text)

    return Slot(*cell, lines.texts, write)


def _written(text: str, delimiter: str, *, is_quoted: bool = False) -> str:
    """A cell, in quotes if they are wanted or needed."""
    if is_quoted or any(sign in text for sign in f'{delimiter}"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _original(cell: _Cell, write: Callable[[str], str]) -> Original:
    """A cell that always gets another one behind it."""
    return Original(*cell, cell[1], write, always=True)
