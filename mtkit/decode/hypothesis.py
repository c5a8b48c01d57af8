"""What goes into a search beside the source, and what comes out of it. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A finished translation of one source sentence.

    Attributes:
        ids: target ids without beginning and end of sentence.
        score: sum of `token_scores` / length ^ length_penalty, the end of sentence counted in length.
        token_scores: the model's log-probability of each of `ids` and, last, of the end of sentence,
            whatever rules or chance chose them.
    """

    ids: tuple[int, ...]
    score: float
    token_scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of the translation of one sentence.

    Attributes:
        prefix: ids that it begins with, whatever else is asked.
        terms: runs of ids that it contains, each; a run may be given twice.
        banned: runs of ids that it does not contain.
        seed: with `DecodeConfig.seed` it fixes what is drawn: the number of the line, so that a sentence's
            neighbours change nothing.
    """

    prefix: tuple[int, ...] = ()
    terms: tuple[tuple[int, ...], ...] = ()
    banned: tuple[tuple[int, ...], ...] = ()
    seed: int = 0


NO_DEMAND = Demand()
