"""Accounts for every pair: how many each corpus has, how many each filter dropped, and the first examples.

The ledgers of consecutive chunks add up to the ledger of the corpus, however it is cut into chunks.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from mtkit.data.prepare.stretches import LossyStretch
from mtkit.data.read.pair import Pair
from mtkit.errors import InputError

FORMAT = "mtkit-ledger"
VERSION = 1
CUT = "cut to "
"""How the names of splits begin, among the reasons why pairs are not in the training data."""

EXAMPLES = 5
"""Dropped pairs kept for each corpus and filter."""


@dataclass(frozen=True, slots=True)
class Example:
    """A pair that was dropped.

    Attributes:
        origin: where it was read, as `file:line`.
        detail: the reason, such as `ratio 7.2 > 2`.
    """

    src: str
    tgt: str
    origin: str = ""
    detail: str = ""


@dataclass(slots=True)
class LedgerRow:
    """The counts of one corpus: `read` is `kept` plus the sum of `dropped`.

    Attributes:
        source: name of the corpus.
        dropped: number of pairs that each filter dropped, in the order of the filters.
        repairs: number of texts that were repaired or skipped while reading, by kind.
        examples: the first pairs that each filter dropped, at most `EXAMPLES`.
        pieces: number of pieces of each side of the kept pairs, by a name such as `source (en)`.
        unknown: number of those that stand for text that the tokenizer cannot represent.
        stretches: parts of the corpus of which far more pairs were dropped than of the rest.
    """

    source: str
    read: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    kept: int = 0
    repairs: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[Example]] = field(default_factory=dict)
    pieces: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    stretches: list[LossyStretch] = field(default_factory=list)

    def keep(self, count: int = 1) -> None:
        """Counts pairs that were kept."""
        self.read += count
        self.kept += count

    def drop(self, name: str, pair: Pair, detail: str = "") -> None:
        """Counts a pair that the filter `name` dropped."""
        self.read += 1
        self.dropped[name] = self.dropped.get(name, 0) + 1
        self.show(name, Example(pair.src, pair.tgt, pair.origin, detail))

    def show(self, name: str, example: Example) -> None:
        """Adds an example, unless there are enough; changes no count."""
        examples = self.examples.setdefault(name, [])
        if len(examples) < EXAMPLES:
            examples.append(example)

    def repair(self, kind: str, count: int = 1) -> None:
        """Counts repaired texts."""
        self.repairs[kind] = self.repairs.get(kind, 0) + count

    @property
    def held_out(self) -> int:
        """Pairs that were cut for validation and test sets."""
        return sum(count for name, count in self.dropped.items() if name.startswith(CUT))

    @property
    def lost(self) -> dict[str, int]:
        """Pairs that each filter dropped, without those that were cut."""
        return {name: count for name, count in self.dropped.items() if not name.startswith(CUT)}

    @property
    def is_balanced(self) -> bool:
        """Whether every pair that was read is accounted for."""
        return self.read == self.kept + sum(self.dropped.values())

    def add(self, later: LedgerRow) -> None:
        """Adds the counts and examples of later pairs."""
        self.read += later.read
        self.kept += later.kept
        for mine, others in (
            (self.dropped, later.dropped),
            (self.repairs, later.repairs),
            (self.pieces, later.pieces),
            (self.unknown, later.unknown),
        ):
            for name, count in others.items():
                mine[name] = mine.get(name, 0) + count
        for name, examples in later.examples.items():
            for example in examples:
                self.show(name, example)


@dataclass(slots=True)
class Ledger:
    """The rows of all corpora, in the order of the configuration."""

    rows: list[LedgerRow] = field(default_factory=list)

    def row(self, source: str) -> LedgerRow:
        """The row of a corpus; it is added if there is none."""
        for row in self.rows:
            if row.source == source:
                return row
        self.rows.append(LedgerRow(source))
        return self.rows[-1]

    def add(self, later: Ledger) -> None:
        """Adds a ledger of later pairs, corpus by corpus."""
        for row in later.rows:
            self.row(row.source).add(row)

    def total(self) -> LedgerRow:
        """All corpora together."""
        total = LedgerRow("all")
        for row in self.rows:
            total.add(row)
        return total

    def to_json(self) -> dict[str, Any]:
        """The ledger as values for `json.dump`."""
        return {"format": FORMAT, "version": VERSION, "rows": [asdict(row) for row in self.rows]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Ledger:
        """The inverse of `to_json`.

        Raises:
            InputError: the data are in another format or version, or do not add up.
        """
        found = (data.get("format"), data.get("version"))
        if found != (FORMAT, VERSION):
            raise InputError(
                f"ledger: format {found[0]} {found[1]}; this mtkit reads {FORMAT} {VERSION}.",
                "Run `mtkit prepare` again.",
            )
        ledger = cls([_row(row) for row in data["rows"]])
        for row in ledger.rows:
            if not row.is_balanced:
                dropped = sum(row.dropped.values())
                raise InputError(
                    f"ledger: {row.source}: {row.read} pairs read, but "
                    f"{row.kept} kept and {dropped} dropped.",
                    "Run `mtkit prepare` again.",
                )
        return ledger


def _row(data: dict[str, Any]) -> LedgerRow:
    examples = {name: [Example(**example) for example in found] for name, found in data["examples"].items()}
    stretches = [LossyStretch(**found) for found in data.get("stretches", ())]
    return LedgerRow(**{**data, "examples": examples, "stretches": stretches})
