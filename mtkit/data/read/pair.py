"""The unit of parallel data: one sentence pair and where it came from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence in the source language and its translation.

    Attributes:
        src: source text, one line.
        tgt: target text, one line.
        origin: where it was read, as `file:line`, for messages and reports.
        tags: become leading tokens of the source (language, domain).
        score: the score of the pair in the corpus, for a filter; None if it has none.
        refs: further references besides `tgt`, in test sets.
        domain: of the text, in test sets; empty if unknown.
        document: that it is part of, in test sets; empty if unknown.
    """

    src: str
    tgt: str
    origin: str = ""
    tags: tuple[str, ...] = ()
    score: float | None = None
    refs: tuple[str, ...] = ()
    domain: str = ""
    document: str = ""
