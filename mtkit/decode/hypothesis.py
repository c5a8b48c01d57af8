"""Constraints on a search, and its results. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig

EXTRA_LENGTH = 50
"""Tokens that a translation may have beyond `max_len_ratio` times the length of its source."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A finished translation of one source sentence.

    Attributes:
        ids: target ids without beginning and end of sentence.
        score: sum of `token_scores` / length ^ length_penalty; the length includes the end of sentence.
        token_scores: the model's log-probability of each of `ids` and, last, of the end of sentence, even
            where rules or sampling chose the token.
    """

    ids: tuple[int, ...]
    score: float
    token_scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Demand:
    """Constraints on the translation of one sentence.

    Attributes:
        prefix: ids that it begins with; takes precedence over all other constraints.
        terms: sequences of ids that it must all contain; a sequence may be given twice.
        banned: sequences of ids that it must not contain.
        seed: the number of the line. Combined with `DecodeConfig.seed`, it makes samples independent of the
            other sentences in the batch.
    """

    prefix: tuple[int, ...] = ()
    terms: tuple[tuple[int, ...], ...] = ()
    banned: tuple[tuple[int, ...], ...] = ()
    seed: int = 0


NO_DEMAND = Demand()


def longest_output(src_len: int, options: DecodeConfig) -> int:
    """The most tokens of a translation of `src_len` tokens, not counting those of its `Demand`."""
    return int(options.max_len_ratio * src_len) + EXTRA_LENGTH
