"""Constraints on a search, and its results. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

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
        are_best: whether each of these tokens is the most probable one, where a single native model scores
            given translations; else empty.
    """

    ids: tuple[int, ...]
    score: float
    token_scores: tuple[float, ...]
    are_best: tuple[bool, ...] = ()


class Inspected(NamedTuple):
    """The tokens of a translation, the end of the sentence last.

    Attributes:
        ids: of the tokens.
        log_probs: of each token, given those before it.
        likely: of each place the most probable tokens, the best first, with their probabilities.
        attention: [tokens, source tokens + 1] of `alignment.attended_features`; the last column is the end of
            the source. Each row has the sum 1.
    """

    ids: tuple[int, ...]
    log_probs: tuple[float, ...]
    likely: tuple[tuple[tuple[int, float], ...], ...]
    attention: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms that a translation contains.

    Attributes:
        wanted: of each term the runs of ids that spell it, any of which will do; a term may be given twice.
        pieces: the text of each id of the vocabulary, by which a term is recognised in other runs, too.
        spaced: terms are whole words, as in languages with spaces between them.
    """

    wanted: tuple[tuple[tuple[int, ...], ...], ...]
    pieces: Sequence[str] = field(repr=False)
    spaced: bool = True

    @property
    def length(self) -> int:
        """The tokens of all terms, by the longest run of each."""
        return sum(max(map(len, runs)) for runs in self.wanted)


@dataclass(frozen=True, slots=True)
class Demand:
    """Constraints on the translation of one sentence.

    Attributes:
        prefix: ids that it begins with; takes precedence over all other constraints.
        terms: terms that it must contain, if any.
        banned: sequences of ids that it must not contain.
        seed: of the text. Combined with `DecodeConfig.seed`, it makes samples independent of the
            other sentences in the batch.
    """

    prefix: tuple[int, ...] = ()
    terms: Terms | None = None
    banned: tuple[tuple[int, ...], ...] = ()
    seed: int = 0


NO_DEMAND = Demand()


def longest_output(src_len: int, options: DecodeConfig) -> int:
    """The most tokens of a translation of `src_len` tokens, not counting those of its `Demand`."""
    return int(options.max_len_ratio * src_len) + EXTRA_LENGTH
