"""Counts faults that reading repaired or skipped, by kind, with the first places of each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mtkit.errors import InputError, counted

logger = logging.getLogger(__name__)

_MOST_LINES, _MOST_BYTES = 200, 2000
"""Lines that are kept to guess an encoding, and bytes of each."""
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
        where = self.places[0].rstrip(".") if self.places else "?"
        if self.kind == BAD:
            return f"{where} ({counted(self.count, 'bad item')} skipped)"
        return f"{where}: {self.kind} ({counted(self.count, 'time')})"


@dataclass(slots=True)
class Repairs:
    """The faults of a corpus that did not stop reading; complete once `read_pairs` has ended.

    Attributes:
        repaired: faults in lines and texts that were repaired, by kind.
        skipped: items that were skipped, by kind; unfinished translations are counted here too.
        on_skip: called with the place, the kind and the problem of each skipped item.
        quiet: whether bad items are counted without logging the first ones.
        languages: that the text may be in, by which its encoding is guessed.
    """

    repaired: dict[str, Fault] = field(default_factory=dict)
    skipped: dict[str, Fault] = field(default_factory=dict)
    on_skip: Callable[[str, str, str], None] | None = None
    quiet: bool = False
    languages: tuple[str, ...] = ()
    _bad_lines: list[bytes] = field(default_factory=list)

    def repair(self, kind: str, place: str | Path, line: int | None = None) -> None:
        """Counts one repaired line or text."""
        _count(self.repaired, kind, place, line)

    def keep(self, line: bytes) -> None:
        """Keeps a line that is not UTF-8, to guess its encoding."""
        if len(self._bad_lines) < _MOST_LINES:
            self._bad_lines.append(line[:_MOST_BYTES])

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
        guess = self.encoding()
        for fault in (*self.repaired.values(), *self.skipped.values()):
            hint = f" {guess_hint(guess)}" if guess and fault.kind == BAD_UTF8 else ""
            logger.log(logging.INFO if fault.kind in HARMLESS else logging.WARNING, "%s.%s", fault, hint)

    def encoding(self) -> str | None:
        """The encoding that lines that are not UTF-8 seem to have."""
        from mtkit.data.read.charset import guess_encoding

        return guess_encoding(self._bad_lines, self.languages) if self._bad_lines else None

    def counts(self) -> dict[str, int]:
        """The number of items, by kind; with the encoding that was guessed."""
        guess = self.encoding()
        return {
            f"{kind} (looks like {guess})" if guess and kind == BAD_UTF8 else kind: fault.count
            for kind, fault in (self.repaired | self.skipped).items()
        }


def _count(faults: dict[str, Fault], kind: str, place: str | Path, line: int | None = None) -> None:
    fault = faults.get(kind)
    if fault is None:
        fault = faults[kind] = Fault(kind)
    fault.count += 1
    if len(fault.places) < MAX_PLACES:
        fault.places.append(str(place) if line is None else f"{place}:{line}")


def guess_hint(encoding: str) -> str:
    """What to do about text in this encoding."""
    return f"The text looks like {encoding}: set encoding: {encoding} in the corpus."


BAD = "bad items"
BLANK = "blank line, skipped"
QUOTED = "TSV whose texts are in quotes, read as CSV with tabs"
UTF16 = "UTF-16 or UTF-32, read as its mark says"
CR_ONLY = "lines end in CR alone; text is split there"
NOT_ITS_ENCODING = "bytes that are not in the encoding of the corpus, replaced by U+FFFD"
BYTE_ORDER_MARK = "byte order mark, dropped"
CARRIAGE_RETURN = "line that ended in CR LF"
BAD_UTF8 = "bytes that are not UTF-8, replaced by U+FFFD"
SURROGATE = "half of a surrogate pair, replaced by U+FFFD"
CONTROL = "control characters, dropped before filters and model"
LINE_BREAK = "line feed inside a text, made a space"
INLINE_CODE = "inline code, dropped"

HARMLESS = {BYTE_ORDER_MARK, CARRIAGE_RETURN, LINE_BREAK, INLINE_CODE, BLANK, QUOTED, UTF16, CR_ONLY}
