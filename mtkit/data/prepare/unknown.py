"""Pieces that stand for text that the tokenizer cannot represent: counted, reported, and refused if many."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from mtkit.config.data import TokenizerConfig
from mtkit.data.prepare.ledger import Ledger
from mtkit.errors import InputError

logger = logging.getLogger(__name__)

WARNED = 0.001
"""Share of unknown pieces from which a side of a corpus is worth a warning."""

UNKNOWN_HEAD = ("corpus", "side", "pieces", "unknown", "share")


@dataclass(frozen=True, slots=True)
class UnknownPieces:
    """The unknown pieces of one side of a corpus.

    Attributes:
        side: such as `target (ja)`.
        pieces: all pieces of the side, in the pairs that were kept.
    """

    corpus: str
    side: str
    pieces: int
    unknown: int

    @property
    def share(self) -> float:
        """The share of unknown pieces."""
        return self.unknown / self.pieces

    def row(self) -> list[str]:
        """The cells of a table under `UNKNOWN_HEAD`."""
        return [self.corpus, self.side, f"{self.pieces:,}", f"{self.unknown:,}", f"{self.share:.2%}"]

    def __str__(self) -> str:
        return (
            f"{self.corpus}, {self.side}: {self.share:.1%} of {self.pieces:,} pieces are unknown, "
            "because the tokenizer cannot represent this text"
        )


def unknown_pieces(ledger: Ledger) -> Iterator[UnknownPieces]:
    """The sides of corpora that have unknown pieces."""
    for row in ledger.rows:
        for side, count in row.unknown.items():
            if count:
                yield UnknownPieces(row.source, side, row.pieces[side], count)


def check_unknown(ledger: Ledger, options: TokenizerConfig) -> None:
    """Warns about sides with many unknown pieces.

    Raises:
        InputError: a side has a share of them above `options.max_unknown`.
    """
    for found in unknown_pieces(ledger):
        if found.share >= options.max_unknown and options.max_unknown < 1:
            raise InputError(
                f"{found} (the maximum is tokenizer.max_unknown = {options.max_unknown:g}).",
                f"{_advice(options)} Or allow it: tokenizer.max_unknown=1.",
            )
        if found.share >= WARNED:
            logger.warning("%s. %s", found, _advice(options))


def _advice(options: TokenizerConfig) -> str:
    if options.path and not options.extend:
        return (
            "Set tokenizer.extend: true to add the characters that it lacks; leave out tokenizer.path to "
            "train a tokenizer on this text, with byte_fallback: true for rare characters; or use a model "
            "(train.init_from) whose tokenizer was trained on this language."
        )
    if options.extend:
        return "Raise tokenizer.character_coverage, or drop such text by the filter script."
    if options.byte_fallback:
        return "Check the encoding of the corpus."
    return (
        "Set tokenizer.byte_fallback: true, raise tokenizer.character_coverage, or drop such text by the "
        "filter script."
    )
