"""One translation as ids, with its scores. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A finished translation of one source sentence.

    Attributes:
        ids: target ids without beginning and end of sentence.
        score: sum of `token_scores` / length ^ length_penalty, the end of sentence counted in length.
        token_scores: log-probability of each of `ids` and, last, of the end of sentence.
    """

    ids: tuple[int, ...]
    score: float
    token_scores: tuple[float, ...]
