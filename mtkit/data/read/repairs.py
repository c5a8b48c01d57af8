"""Counts faults that reading repaired or skipped, by kind, with the first places of each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mtkit.errors import InputError

logger = logging.getLogger(__name__)

MAX_PLACES = 5
"""Number of places stored for each kind."""


@dataclass(slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        kind: the fault and its treatment, such as `bytes that are not UTF-8, replaced by U+FFFD`.
        count: number of lines or items with the fault.
        places: the first places, as `file:line`, with details where these differ.
    """

    kind: str
    count: int = 0
    places: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        where = self.places[0] if self.places else "?"
        return f"{where}: {self.kind} ({self.count:,} {'time' if self.count == 1 else 'times'})"


@dataclass(slots=True)
class Repairs:
    """The faults of a corpus that did not stop reading; complete once `read_pairs` has ended.

    Attributes:
        repaired: faults in lines and texts that were repaired, by kind.
        skipped: items that were skipped, by kind; unfinished translations are counted here too.
        on_skip: called with the place, the kind and the problem of each skipped item.
        quiet: whether bad items are counted without logging the first ones.
    """

    repaired: dict[str, Fault] = field(default_factory=dict)
    skipped: dict[str, Fault] = field(default_factory=dict)
    on_skip: Callable[[str, str, str], None] | None = None
    quiet: bool = False

    def repair(self, kind: str, place: str | Path, line: int | None = None) -> None:
        """Counts one repaired line or text."""
        _count(self.repaired, kind, place, line)

    def skip(self, kind: str, place: str, what: str = "") -> None:
        """Counts one skipped item."""
        _count(self.skipped, kind, f"{place}: {what}" if what else place)
        if self.on_skip:
            self.on_skip(place, kind, what)

    def bad(self, place: str, what: str, hint: str, on_error: Literal["stop", "skip"]) -> None:
        """Raises an error for an item that cannot be read or, if `on_error` is skip, logs and counts it.

        Raises:
            InputError: `on_error` is stop.
        """
        if on_error == "stop":
            raise InputError(f"{place}: {what}", f"{hint} Or set on_error: skip.")
        fault = self.skipped.get(BAD)
        logger.log(
            logging.DEBUG if self.quiet or (fault and fault.count >= MAX_PLACES) else logging.WARNING,
            "%s: %s Skipped.",
            place,
            what,
        )
        self.skip(BAD, place, what)

    def log(self) -> None:
        """Logs a line for each kind of fault that the user may want to repair in the corpus."""
        for fault in (*self.repaired.values(), *self.skipped.values()):
            logger.log(logging.INFO if fault.kind in HARMLESS else logging.WARNING, "%s.", fault)


def _count(faults: dict[str, Fault], kind: str, place: str | Path, line: int | None = None) -> None:
    fault = faults.get(kind)
    if fault is None:
        fault = faults[kind] = Fault(kind)
    fault.count += 1
    if len(fault.places) < MAX_PLACES:
        fault.places.append(str(place) if line is None else f"{place}:{line}")


BAD = "bad items"
BYTE_ORDER_MARK = "byte order mark, dropped"
CARRIAGE_RETURN = "line that ended in CR LF"
BAD_UTF8 = "bytes that are not UTF-8, replaced by U+FFFD"
SURROGATE = "half of a surrogate pair, replaced by U+FFFD"
CONTROL = "control characters, dropped before filters and model"
LINE_BREAK = "line feed inside a text, made a space"
INLINE_CODE = "inline code, dropped"

HARMLESS = {BYTE_ORDER_MARK, CARRIAGE_RETURN, LINE_BREAK, INLINE_CODE}
