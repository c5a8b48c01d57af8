"""Everything that one call of `mtkit evaluate` finds. Does not use torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mtkit.evaluate.closer import Look
from mtkit.evaluate.compared import Comparison
from mtkit.evaluate.documents import DocumentScores
from mtkit.evaluate.evaluate import Evaluated
from mtkit.evaluate.record import as_json
from mtkit.evaluate.seeds import Spread

VERSION = 1
"""Of the JSON; raised when a key changes its meaning or goes."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The results, and what follows from them.

    Attributes:
        results: one for each system and test set.
        comparisons: of systems with the baseline.
        seeds: how scores vary between seeds of one config.
        documents: the scores of documents.
        looks: the tables of closer looks.
    """

    results: Sequence[Evaluated]
    comparisons: Sequence[Comparison] = ()
    seeds: Sequence[Spread] = ()
    documents: Sequence[DocumentScores] = ()
    looks: Sequence[Look] = ()

    def to_json(self) -> dict[str, Any]:
        """What `mtkit evaluate --json` prints."""
        values: dict[str, Any] = {
            "version": VERSION,
            "results": [as_json(result) for result in self.results],
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "seeds": [asdict(spread) for spread in self.seeds],
            "documents": [asdict(document) for document in self.documents],
        }
        return values | ({"looks": [asdict(look) for look in self.looks]} if self.looks else {})
