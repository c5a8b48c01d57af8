"""What befell lines that the user should know of: said with their place, and counted. Free of torch."""

from __future__ import annotations

import logging
from collections import Counter

logger = logging.getLogger(__name__)

SAID = 10
"""Notes of a kind that are said one by one; a long text may have millions."""

CUT = "in parts"
FAILED = "not translated"
INVALID = "not UTF-8"
SEARCHED_AGAIN = "searched again"
WRONG = "looking wrong"
FORGOTTEN = "with protected text put at the end"
BANNED = "with a banned phrase"


class Notes:
    """Notes of the lines of one input.

    Args:
        name: of the input.
        unit: what is numbered in it, if that is not its lines.

    Attributes:
        counts: lines by the kind of note.
    """

    def __init__(self, name: str = "", unit: str = "") -> None:
        self._name, self._unit = name, unit
        self.counts: Counter[str] = Counter()

    def place(self, number: int) -> str:
        """Where the line `number`, from 0, stands, for people."""
        if not self._name:
            return f"{self._unit or 'line'} {number + 1:,}"
        return f"{self._name}:{number + 1}" if not self._unit else f"{self._name}: {self._unit} {number + 1}"

    def add(self, kind: str, number: int, text: str, *, level: int = logging.WARNING) -> None:
        """Counts a line, and says `text` of it."""
        self.counts[kind] += 1
        if self.counts[kind] <= SAID:
            logger.log(level, "%s: %s", self.place(number), text)
        elif self.counts[kind] == SAID + 1:
            logger.log(level, "Further lines %s are only counted.", kind)

    def __str__(self) -> str:
        """All counts, as in `2 in parts, 1 not UTF-8`; empty if there are none."""
        return ", ".join(f"{count:,} {kind}" for kind, count in self.counts.items())
