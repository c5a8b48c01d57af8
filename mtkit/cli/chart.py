"""Curves as text: eight dots of Unicode's braille patterns to a character."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from itertools import pairwise

from mtkit.train.watch.curves import Curve, Panel, tick_text, ticks, ticks_apart

_BRAILLE = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bit of the dot in each column and row of a character."""
_LABEL = 8
"""Columns for the numbers beside the y axis, if they are not longer."""
_MARKS = 12
"""Most columns beside the curves for the letters of curves that end at one place."""
_LEAST_ENTRY = 24
"""Columns of an entry of the legend, when there are several in a line."""

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


def chart(
    panel: Panel, width: int, height: int, unit: str, divisor: float, most: int | None = None
) -> list[list[Cell]]:
    """The lines of a panel: its curves over both axes, then which letter marks the end of which.

    Args:
        panel: with at least one curve.
        width: columns of the whole, at least 40.
        height: lines of the curves alone.
        unit: of x, as shown.
        divisor: by which x is divided to be shown.
        most: lines of the legend, which then has several entries in a line; None for one in each.
    """
    x = _Scale([value / divisor for curve in panel.curves for value in curve.x])
    y = _Scale([value for curve in panel.curves for value in curve.y], log=panel.log)
    numbers = {value: tick_text(value) for value in ticks(y.at(0), y.at(1), max(2, height // 2), log=y.log)}
    left, room = max(_LABEL, *map(len, numbers.values())), min(_MARKS, len(panel.curves))
    columns = width - left - 2 - room
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
    lines = [_line(f"{'':{left}}  {title}")]
    labels: dict[int, str] = {}
    for value, number_text in numbers.items():
        labels.setdefault(round((1 - y(value)) * (4 * height - 1)) // 4, number_text)
    for row in range(height):
        line = _line(f"{labels.get(row, ''):>{left}} {'┤' if row in labels else '│'}")
        for column in range(columns + room):
            if (column, row) in marks:
                line.append(marks[column, row])
            else:
                bits, curve_number = cells.get((column, row), (0, None))
                line.append((chr(_BRAILLE + bits) if bits else " ", curve_number))
        lines.append(line)
    axis, below = _x_axis(x, columns)
    lines += [_line(f"{'':{left}} └{axis}"), _line(f"{'':{left}}  {below}")]
    return lines + _legend(panel.curves, left + 2, width, most)


def _x_axis(x: _Scale, columns: int) -> tuple[str, str]:
    """The axis with its ticks, and the numbers below."""
    axis, below = ["─"] * columns, [" "] * columns
    # Half a label more than fits, for those that are moved away from an end of the axis.
    for value in ticks_apart(x.at(0), x.at(1), max(3, columns // 8), columns - _LABEL // 2):
        column, label = round(x(value) * (2 * columns - 1)) // 2, tick_text(value)
        begin = min(max(0, column - len(label) // 2), columns - len(label))
        axis[column] = "┬"
        below[begin : begin + len(label)] = label
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


def _legend(curves: Sequence[Curve], left: int, width: int, most: int | None) -> list[list[Cell]]:
    """Which letter is which curve, and its last value."""
    across = 1
    if most is not None and len(curves) > most:
        left = 0
        across = min(math.ceil(len(curves) / most), width // _LEAST_ENTRY)
    room = (width - left) // across
    shown = list(enumerate(curves))
    if most is not None and len(curves) > most * across:
        shown = shown[: most * across - 1]
    entries = [
        [(string.ascii_lowercase[number % 26], number), *_line(_entry(curve, room - 2))]
        for number, curve in shown
    ]
    if len(shown) < len(curves):
        entries.append(_line(f"and {len(curves) - len(shown)} more"))
    lines = []
    for begin in range(0, len(entries), across):
        line = _line(" " * left)
        for entry in entries[begin : begin + across]:
            line += [*entry, *_line(" " * (room - len(entry)))]
        lines.append(line)
    return lines


def _entry(curve: Curve, room: int) -> str:
    """The name and the last value of a curve, cut to `room` columns with a space before."""
    value = f": {curve.y[-1]:.4g}"
    label = curve.label
    if len(label) + len(value) + 2 > room:
        # The end tells more: the last part of the folder, and the group.
        label = f"…{label[len(label) - (room - len(value) - 3) :]}"
    return f"  {label}{value}"
