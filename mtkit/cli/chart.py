"""Curves as text: eight dots of Unicode's braille patterns to a character."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from itertools import pairwise

from mtkit.train.watch.curves import Curve, Panel, ticks

_BRAILLE = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bit of the dot in each column and row of a character."""
_LABEL = 8
"""Columns for the numbers beside the y axis."""

Cell = tuple[str, int | None]
"""A character, and the number of the curve that it belongs to."""


class _Scale:
    """Maps values from `low` … `high` to 0 … 1."""

    def __init__(self, values: Sequence[float], *, log: bool = False) -> None:
        self.log = log and min(values) > 0
        self.low, self.high = self._of(min(values)), self._of(max(values))
        if self.low == self.high:
            self.low, self.high = self.low - 0.5, self.high + 0.5

    def _of(self, value: float) -> float:
        return math.log(value) if self.log else value

    def __call__(self, value: float) -> float:
        return (self._of(value) - self.low) / (self.high - self.low)

    def at(self, share: float) -> float:
        """The value that is mapped to `share`."""
        value = self.low + share * (self.high - self.low)
        return math.exp(value) if self.log else value


def chart(panel: Panel, width: int, height: int, unit: str, divisor: float) -> list[list[Cell]]:
    """The lines of a panel: its curves over both axes, then which letter marks the end of which.

    Args:
        panel: with at least one curve.
        width: columns of the whole, at least 30.
        height: lines of the curves alone.
        unit: of x, as shown.
        divisor: by which x is divided to be shown.
    """
    columns = width - _LABEL - 2 - len(panel.curves)
    x = _Scale([value / divisor for curve in panel.curves for value in curve.x])
    y = _Scale([value for curve in panel.curves for value in curve.y], log=panel.log)
    cells: dict[tuple[int, int], tuple[int, int]] = {}
    marks: dict[tuple[int, int], Cell] = {}
    for number, curve in enumerate(panel.curves):
        points = [
            (x(at / divisor) * (2 * columns - 1), (1 - y(value)) * (4 * height - 1))
            for at, value in zip(curve.x, curve.y, strict=True)
        ]
        for column, row in _dots(points):
            bits, _ = cells.get((column // 2, row // 4), (0, 0))
            cells[column // 2, row // 4] = bits | _DOTS[column % 2][row % 4], number
        column, row = round(points[-1][0]) // 2 + 1, round(points[-1][1]) // 4
        while (column, row) in marks:
            column += 1
        marks[column, row] = string.ascii_lowercase[number % 26], number
    title = f"{panel.title} over {unit}{', logarithmic' if y.log else ''}"
    lines = [_line(f"{'':{_LABEL}}  {title}")]
    labels: dict[int, str] = {}
    for value in ticks(y.at(0), y.at(1), max(2, height // 2), log=y.log):
        labels.setdefault(round((1 - y(value)) * (4 * height - 1)) // 4, f"{value:,.10g}")
    for row in range(height):
        line = _line(f"{labels.get(row, ''):>{_LABEL}} {'┤' if row in labels else '│'}")
        for column in range(columns + len(panel.curves)):
            if (column, row) in marks:
                line.append(marks[column, row])
            else:
                bits, curve_number = cells.get((column, row), (0, None))
                line.append((chr(_BRAILLE + bits) if bits else " ", curve_number))
        lines.append(line)
    axis, below = _x_axis(x, columns)
    lines += [_line(f"{'':{_LABEL}} └{axis}"), _line(f"{'':{_LABEL}}  {below}")]
    for number, curve in enumerate(panel.curves):
        lines.append(
            [*_line(" " * (_LABEL + 2)), (string.ascii_lowercase[number % 26], number), *_legend(curve)]
        )
    return lines


def _x_axis(x: _Scale, columns: int) -> tuple[str, str]:
    """The axis with its ticks, and the numbers below."""
    axis, below, free = ["─"] * columns, [" "] * columns, 0
    for value in ticks(x.at(0), x.at(1), max(3, columns // 8)):
        column, label = round(x(value) * (2 * columns - 1)) // 2, f"{value:,.10g}"
        begin = min(max(0, column - len(label) // 2), columns - len(label))
        if begin >= free:
            axis[column] = "┬"
            below[begin : begin + len(label)] = label
            free = begin + len(label) + 1
    return "".join(axis), "".join(below)


def _dots(points: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """The dots of the lines from point to point."""
    found = [(round(points[0][0]), round(points[0][1]))]
    for (x, y), (next_x, next_y) in pairwise(points):
        steps = max(1, round(max(abs(next_x - x), abs(next_y - y))))
        for step in range(1, steps + 1):
            share = step / steps
            found.append((round(x + share * (next_x - x)), round(y + share * (next_y - y))))
    return found


def _line(text: str) -> list[Cell]:
    return [(character, None) for character in text]


def _legend(curve: Curve) -> list[Cell]:
    return _line(f"  {curve.label}: {curve.y[-1]:.4g}")
