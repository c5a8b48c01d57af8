"""Tables: columns between tabs, or as spreadsheets write them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from mtkit.config.sources import CsvSource, TsvSource
from mtkit.data.formats.fields import as_score
from mtkit.data.lines import MAX_LINE, expand, read_lines
from mtkit.data.pair import Pair
from mtkit.data.repairs import Repairs
from mtkit.errors import InputError

Row = tuple[int, list[str] | str]
"""The line on which a row begins, and its columns, or what is wrong with it."""


def read_table(source: TsvSource | CsvSource, repairs: Repairs) -> Iterator[Pair]:
    """The two columns of each row.

    Raises:
        InputError: a row does not have its columns and is not to be skipped, or no column has the name.
    """
    for path in expand(source.path):
        rows = _tsv_rows(path, repairs) if isinstance(source, TsvSource) else _csv_rows(path, source, repairs)
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
            what = f"the score {scores[0][:40]!r} is not a number."
            repairs.bad(place, what, "Set score_column, or repair the line.", source.on_error)
            continue
        yield Pair(src, tgt, place, score=score)


def _index(path: Path, column: int | str, head: list[str]) -> int:
    if isinstance(column, int):
        return column - 1
    if column not in head:
        raise InputError(f"{path}:1: there is no column {column}.", f"It has {', '.join(head) or 'none'}.")
    return head.index(column)


def _problem(columns: list[str] | str, exactly: int | None, needed: int) -> tuple[str, str] | None:
    """What is wrong with a row, and what to do; None if it has its columns."""
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


def _csv_rows(path: Path, source: CsvSource, repairs: Repairs) -> Iterator[Row]:
    """Rows by Python's csv; a line feed inside quotes belongs to the text, and the row goes on."""
    csv.field_size_limit(MAX_LINE)
    lines = (f"{line}\n" for line in read_lines(path, repairs))
    rows = csv.reader(lines, delimiter=source.delimiter, strict=True)
    while True:
        number = rows.line_num + 1
        try:
            if row := next(rows):  # a blank line is none
                yield number, row
        except StopIteration:
            return
        except csv.Error as error:
            yield number, f"not a row of CSV: {error}"
