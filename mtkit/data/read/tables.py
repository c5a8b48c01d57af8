"""Tables: TSV, and CSV as spreadsheets write it."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TypeVar

from mtkit.config.sources import CsvSource, TsvSource
from mtkit.data.read.fields import as_score
from mtkit.data.read.lines import MAX_LINE, expand, read_lines
from mtkit.data.read.pair import Pair
from mtkit.data.read.repairs import BLANK, QUOTED, Repairs
from mtkit.errors import InputError, listed, shortened

MAX_ROW_LINES = 1000
"""Most lines of a row of CSV, whose texts may contain line feeds."""

MAX_UNCLOSED = 100
"""Most unclosed quotes in a file; the lines after each are read again."""

_ROWS_SEEN, _CHARS_SEEN = 1000, 1 << 20
"""Rows, and characters, at the start of a file that are seen before the first pair."""

_FEW = 3
"""Rows too few to tell what most of them are like."""

_NUMBER = re.compile(r"\s*[+-]?[\d.,]*\s*")
_IN_QUOTES = re.compile(r'"(?:[^"]|"")*"')
Item = TypeVar("Item")
Row = tuple[int, list[str] | str]
"""The line on which a row begins, and its columns, or the problem with it."""


def read_table(source: TsvSource | CsvSource, repairs: Repairs) -> Iterator[Pair]:
    """The two columns of each row, and those of further references.

    Raises:
        InputError: a row lacks columns and bad rows are not skipped, or no column has the name.
    """
    for path in expand(source.path):
        lines = read_lines(path, repairs, source.encoding)
        if isinstance(source, CsvSource):
            rows = csv_rows(path, lines, source.delimiter, repairs)
        else:
            rows = _tsv_rows(path, lines, repairs)
        yield from _pairs(path, rows, source, repairs)


def _pairs(
    path: Path, rows: Iterator[Row], source: TsvSource | CsvSource, repairs: Repairs
) -> Iterator[Pair]:
    head: list[str] | str = next(rows, (1, []))[1] if source.has_header else []
    if isinstance(head, str):
        raise InputError(f"{path}:1: {head}.", "The first line must name the columns.")
    wanted = [source.src_column, source.tgt_column, *source.refs]
    given = [column is not None for column in source.more_columns]
    wanted += [column for column in source.more_columns if column is not None]
    indices = [_index(path, column, head) for column in wanted]
    needed = max(indices) + 1
    most: int | None = None
    if source.columns is None:
        first, rows = _peeked(rows, lambda row: sum(map(len, row[1])))
        most = len(head) or _usual(first)
    exactly = source.columns if isinstance(source.columns, int) else None
    for number, columns in rows:
        place = f"{path}:{number}"
        if problem := _problem(columns, exactly, needed, most):
            repairs.bad(place, *problem, source.on_error)
            continue
        src, tgt, *rest = (columns[index] for index in indices)
        refs, more = rest[: len(source.refs)], iter(rest[len(source.refs) :])
        scored, domain, document = (next(more) if is_given else "" for is_given in given)
        score = as_score(scored) if given[0] else None
        if given[0] and score is None:
            what = f"the score, in column {indices[2 + len(refs)] + 1}, is not a number."
            repairs.bad(place, what, "Set score_column, or repair the line.", source.on_error)
            continue
        yield Pair(src, tgt, place, (), score, tuple(refs), domain.strip(), document.strip())


def _usual(rows: Sequence[Row]) -> int | None:
    """The number of columns that most of these rows have; None if there is no such number."""
    counts = Counter(len(columns) for _, columns in rows if isinstance(columns, list))
    if sum(counts.values()) < _FEW:
        return None
    ((usual, count),) = counts.most_common(1)
    return usual if count > 0.5 * sum(counts.values()) else None


def _peeked(items: Iterator[Item], size: Callable[[Item], int]) -> tuple[list[Item], Iterator[Item]]:
    """The first items, up to a number and a total size; and all items."""
    first: list[Item] = []
    chars = 0
    for item in items:
        first.append(item)
        chars += size(item)
        if len(first) >= _ROWS_SEEN or chars >= _CHARS_SEEN:
            break
    return first, chain(first, items)


def _index(path: Path, column: int | str, head: list[str]) -> int:
    if isinstance(column, int):
        return column - 1
    if column not in head:
        raise InputError(
            f"{path}:1: there is no column {shortened(column)}.", f"It has {listed(head) or 'none'}."
        )
    return head.index(column)


def _problem(
    columns: list[str] | str, exactly: int | None, needed: int, most: int | None
) -> tuple[str, str] | None:
    """The problem with a row, and a hint; None if it has the expected columns.

    Args:
        columns: of the row, or why it is none.
        exactly: the number of columns that each row must have, if it was set.
        needed: the least number of columns.
        most: the largest number of columns, if it was not set.
    """
    if isinstance(columns, str):
        return f"{columns}.", "Repair the line."
    found = len(columns)
    if exactly not in (None, found):
        advice = "remove the extra delimiter" if found > needed else "repair the line"
        return f"expected {exactly} columns, found {found}.", f"Set columns, or {advice}."
    if found < needed:
        return (
            f"expected at least {needed} columns, found {found}.",
            "Set src_column and tgt_column, or repair the line.",
        )
    if most is not None and found > max(most, needed) and any(map(str.strip, columns[most:])):
        return (
            f"expected {most} columns as in most lines, found {found}.",
            "A delimiter inside a text shifts the columns: remove it, or set columns: any.",
        )
    return None


def _tsv_rows(path: Path, lines: Iterator[str], repairs: Repairs) -> Iterator[Row]:
    first, lines = _peeked(lines, len)
    if _is_quoted(first):
        repairs.repair(QUOTED, path, 1)
        yield from csv_rows(path, lines, "\t", repairs)
        return
    for number, line in enumerate(lines, start=1):
        if (line and not line.isspace()) or "\t" in line:
            yield number, line.split("\t")
        else:
            repairs.skip(BLANK, f"{path}:{number}")


def _is_quoted(lines: Sequence[str]) -> bool:
    """Whether all texts in these lines of TSV are in quotes, as pandas and spreadsheets may write them."""
    rows = [line.split("\t") for line in lines if "\t" in line]
    quoted = sum(
        any(map(_IN_QUOTES.fullmatch, row))
        and all(_IN_QUOTES.fullmatch(text) or _NUMBER.fullmatch(text) for text in row)
        for row in rows
    )
    return len(rows) >= _FEW and quoted > 0.9 * len(rows)


def csv_rows(path: Path, lines: Iterator[str], delimiter: str, repairs: Repairs) -> Iterator[Row]:
    """Rows by Python's csv; a row continues after a line feed inside quotes, which belongs to the text.

    After an unclosed quote, reading continues with the next line.

    Raises:
        InputError: there are too many such quotes.
    """
    csv.field_size_limit(MAX_LINE)
    parts = _Lines(lines)
    unclosed = 0
    while True:
        rows = csv.reader(parts, delimiter=delimiter, strict=True)
        try:
            for row in rows:
                if row:
                    yield parts.first, row
                else:
                    repairs.skip(BLANK, f"{path}:{parts.first}")
                parts.next_row()
            return
        except csv.Error as error:
            what = f"not a row of CSV: {error}"
            if parts.unclosed:
                what = f"not a row of CSV: a quote is {parts.unclosed}"
                unclosed += 1
            if unclosed > MAX_UNCLOSED:
                raise InputError(
                    f"{path}:{parts.first}: {what}, as on {MAX_UNCLOSED} lines before.",
                    "Check the delimiter, or use reader: tsv for a table without quotes.",
                ) from None
            yield parts.first, what
            parts.next_row(again=bool(parts.unclosed))


class _Lines:
    """The lines of a CSV file, row by row; the lines of a row with an unclosed quote can be read again.

    Attributes:
        first: the line on which the row begins.
        unclosed: the problem with an unclosed quote in it; empty if there is none.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self._coming: Iterator[str] = lines
        self._row: list[str] = []
        self._size = 0
        self.first = 1
        self.unclosed = ""

    def __iter__(self) -> Iterator[str]:
        row = self._row
        while True:
            if len(row) >= MAX_ROW_LINES or self._size > MAX_LINE:
                self.unclosed = f"not closed within {MAX_ROW_LINES:,} lines or {MAX_LINE:,} characters"
                raise csv.Error
            line = next(self._coming, None)
            if line is None:
                break
            row.append(line)
            self._size += len(line)
            yield f"{line}\n"
        if row:
            self.unclosed = "never closed"
            raise csv.Error

    def next_row(self, *, again: bool = False) -> None:
        """Begins a row with the next line, or again with the second line of the previous row."""
        if again:
            self._coming = chain(self._row[1:], self._coming)
        self.first += 1 if again else len(self._row)
        self._row.clear()
        self._size, self.unclosed = 0, ""
