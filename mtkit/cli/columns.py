"""Tables as lines of text, no wider than the terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Sequence
from itertools import zip_longest

from rich.cells import cell_len

from mtkit.cli.console import STRONG, Styled
from mtkit.text.visible import visible

GAP = 2
_NUMBER = re.compile(r"[-+±]?[\d,.]+ ?%?|")
_LEAST = 10
"""Columns that a column of text keeps."""


def width_of(head: Sequence[str], rows: Sequence[Sequence[object]]) -> int:
    """The columns that a table takes if it is not broken."""
    widths = _widths([[visible(str(cell)) for cell in row] for row in (head, *rows)])
    return sum(widths) + GAP * (len(widths) - 1)


def aligned(
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    width: int | None = None,
    strong: Collection[str] = (),
) -> list[list[str]]:
    """The lines of a table, each as its parts; wide characters count as two columns.

    Args:
        head: names of the columns.
        rows: the cells, numbers to the right.
        width: columns of the whole, to which texts and heads are broken at words; unlimited if None.
        strong: names of the columns that matter most.
    """
    cells = [[visible(str(cell)) for cell in row] for row in (head, *rows)]
    to_right = [all(_NUMBER.fullmatch(cell) for cell in column[1:]) for column in zip(*cells, strict=True)]
    widths = _widths(cells)
    least = [size if right else _LEAST for size, right in zip(_widths(cells[1:]), to_right, strict=True)]
    while width and sum(widths) + GAP * (len(widths) - 1) > width:
        widest = max(range(len(widths)), key=lambda column: (widths[column] > least[column], widths[column]))
        if widths[widest] <= least[widest]:
            break
        widths[widest] -= 1
    lines: list[list[str]] = []
    for number, row in enumerate(cells):
        broken = [_broken(cell, size) for cell, size in zip(row, widths, strict=True)]
        for line in zip_longest(*broken, fillvalue=""):
            lines.append([])
            for column, cell in enumerate(line):
                pad = " " * (widths[column] - cell_len(cell))
                shown = Styled(cell, STRONG) if number and head[column] in strong else cell
                lines[-1] += [pad, shown] if to_right[column] else [shown, pad]
                lines[-1].append(" " * GAP)
        if not number:
            lines.append([(" " * GAP).join("─" * size for size in widths)])
    return [_without_end(line) for line in lines]


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cell_len, column), default=0) for column in zip(*cells, strict=True)]


def _broken(cell: str, width: int) -> list[str]:
    if cell_len(cell) <= width:
        return [cell]
    return textwrap.wrap(cell, width, break_on_hyphens=False) or [""]


def _without_end(line: list[str]) -> list[str]:
    """The parts without the spaces after the last of them."""
    while line and not line[-1].strip(" "):
        line.pop()
    return line
