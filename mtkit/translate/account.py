"""The account of a call: notes about lines, logged and counted, and the use of terms. Free of torch."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

logger = logging.getLogger(__name__)

LOGGED = 10
"""Notes of a kind that are logged and kept one by one; a long text may have millions."""

SPLIT = "in parts"
FAILED = "not translated"
INVALID = "not UTF-8"
SEARCHED_AGAIN = "searched again"
INSISTED = "searched again for a term"
MISSED = "without a term"
WRONG = "looking wrong"
DETACHED = "with words of the source without a counterpart"
FORGOTTEN = "with protected text put at the end"
BANNED = "with a banned phrase"
UNKNOWN = "with characters unknown to the model"
UNPLACED = "left as they are, since their markup could not be placed"
MALFORMED = "with a malformed message"
UNSURE = "below the minimum confidence"
UNSPELLED = "with a term that the model has no pieces for"


class Note(NamedTuple):
    """A remark about a line.

    Attributes:
        kind: one of the words above.
        number: of the line, from 0.
        text: continues a sentence that begins with the place of the line.
    """

    kind: str
    number: int
    text: str


@dataclass(slots=True)
class Account:
    """Filled by one call.

    Attributes:
        name: of the input, for places; empty if it has none.
        unit: what is numbered in it, if not lines.
        notes: the first ones of each kind.
        counts: lines by the kind of note.
        total: how many texts the input has, once that is known.
        terms_requested: how often terms were met in sources.
        terms_used: how often their targets are in the translations.
        parts: into which lines of several sentences were split.
        recalled: how many lines or texts are from the memory.
        partly_recalled: of how many only some sentences are.
        matched: of how many the model was given a similar entry of the memory.
    """

    name: str = ""
    unit: str = ""
    notes: list[Note] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    total: int | None = None
    terms_requested: int = 0
    terms_used: int = 0
    parts: int = 0
    recalled: int = 0
    partly_recalled: int = 0
    matched: int = 0

    def place(self, number: int) -> str:
        """The place of line `number`, from 0, for people."""
        if not self.name:
            return f"{self.unit or 'line'} {number + 1:,}"
        return f"{self.name}:{number + 1}" if not self.unit else f"{self.name}: {self.unit} {number + 1}"

    def add(self, kind: str, number: int, text: str, *, level: int = logging.WARNING) -> None:
        """Counts a line; logs and keeps the note if it is among the first of its kind."""
        self.counts[kind] += 1
        if self.counts[kind] <= LOGGED:
            self.notes.append(Note(kind, number, text))
            logger.log(level, "%s: %s", self.place(number), text)
        elif self.counts[kind] == LOGGED + 1:
            logger.log(level, "Further lines %s are only counted.", kind)

    def __str__(self) -> str:
        """All counts, as in `2 in parts, 1 not UTF-8`; empty if there are none."""
        return ", ".join(f"{count:,} {kind}" for kind, count in self.counts.items())
