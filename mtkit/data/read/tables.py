"""Tables: TSV, and CSV as spreadsheets write it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from mtkit.config.sources import CsvSource, TsvSource
from mtkit.data.read.fields import as_score
from mtkit.data.read.lines import MAX_LINE, expand, read_lines
from mtkit.data.read.pair import Pair
from mtkit.data.read.repairs import Repairs
from mtkit.errors import InputError, listed, shortened

MAX_ROW_LINES = 1000
"""Most lines of a row of CSV, whose texts may contain line feeds."""

MAX_UNCLOSED = 100
"""Most unclosed quotes in a file; the lines after each are read again."""

Row = tuple[int, list[str] | str]
"""The line on which a row begins, and its columns, or the problem with it."""


def read_table(source: TsvSource | CsvSource, repairs: Repairs) -> Iterator[Pair]:
    """The two columns of each row.

    Raises:
        InputError: a row lacks columns and bad rows are not skipped, or no column has the name.
    """
    for path in expand(source.path):
        rows = (
            _tsv_rows(path, repairs)
            if isinstance(source, TsvSource)
            else csv_rows(path, source.delimiter, repairs)
        )
        yield from _pairs(path, rows, source, repairs)


def _pairs(
    path: Path, rows: Iterator[Row], source: TsvSource | CsvSource, repairs: Repairs
) -> Iterator[Pair]:
    head: list[str] | str = next(rows, (1, []))[1] if source.has_header else []
    if isinstance(head, str):
        raise InputError(f"{path}:1: {head}.", "The first line must name the columns.")
    wanted = [source.src_column, source.tgt_column]
    if source.score_column is not None:
        wanted.append(source.score_column)
    indices = [_index(path, column, head) for column in wanted]
    needed = max(indices) + 1
    for number, columns in rows:
        place = f"{path}:{number}"
        if problem := _problem(columns, source.columns, needed):
            repairs.bad(place, *problem, source.on_error)
            continue
        src, tgt, *scores = (columns[index] for index in indices)
        score = as_score(scores[0]) if scores else None
        if scores and score is None:
            what = f"the score, in column {indices[2] + 1}, is not a number."
            repairs.bad(place, what, "Set score_column, or repair the line.", source.on_error)
            continue
        yield Pair(src, tgt, place, score=score)


def _index(path: Path, column: int | str, head: list[str]) -> int:
    if isinstance(column, int):
        return column - 1
    if column not in head:
        raise InputError(
            f"{path}:1: there is no column {shortened(column)}.", f"It has {listed(head) or 'none'}."
        )
    return head.index(column)


def _problem(columns: list[str] | str, exactly: int | None, needed: int) -> tuple[str, str] | None:
    """The problem with a row, and a hint; None if it has the expected columns."""
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
    return None


def _tsv_rows(path: Path, repairs: Repairs) -> Iterator[Row]:
    for number, line in enumerate(read_lines(path, repairs), start=1):
        yield number, line.split("\t")


def csv_rows(path: Path, delimiter: str, repairs: Repairs) -> Iterator[Row]:
    """Rows by Python's csv; a row continues after a line feed inside quotes, which belongs to the text.

    After an unclosed quote, reading continues with the next line.

    Raises:
        InputError: there are too many such quotes.
    """
    csv.field_size_limit(MAX_LINE)
    lines = _Lines(read_lines(path, repairs))
    unclosed = 0
    while True:
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for row in rows:
                if row:  # not a blank line
                    yield lines.first, row
                lines.next_row()
            return
        except csv.Error as error:
            what = f"not a row of CSV: {error}"
            if lines.unclosed:
                what = f"not a row of CSV: a quote is {lines.unclosed}"
                unclosed += 1
            if unclosed > MAX_UNCLOSED:
                raise InputError(
                    f"{path}:{lines.first}: {what}, as on {MAX_UNCLOSED} lines before.",
                    "Check the delimiter, or use reader: tsv for a table without quotes.",
                ) from None
            yield lines.first, what
            lines.next_row(again=bool(lines.unclosed))


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
