"""Search strategies: from log-probabilities to the candidates of one step. Pure; know nothing of models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Candidates:
    """Continuations of each sentence's hypotheses, best first.

    Attributes:
        scores: sums of log-probabilities, [sentences, candidates].
        beams: which hypothesis of the sentence is continued, [sentences, candidates].
        tokens: with which token, [sentences, candidates].
    """

    scores: Tensor
    beams: Tensor
    tokens: Tensor


class Search(Protocol):
    """How the candidates of a step are chosen."""

    @property
    def beam_size(self) -> int:
        """Hypotheses kept per sentence."""

    def select(self, log_probs: Tensor, scores: Tensor) -> Candidates:
        """The candidates of one step; at least `beam_size` of them do not end the sentence, if so many exist.

        Args:
            log_probs: of the next token, [sentences, width, vocab].
            scores: of the hypotheses so far, [sentences, width].
        """


@dataclass(frozen=True, slots=True)
class BeamSearch:
    """The `2 * beam_size` best continuations; greedy search is a beam of one.

    A hypothesis can end in one way only, so that at most half of the candidates are at their end.
    """

    beam_size: int

    def select(self, log_probs: Tensor, scores: Tensor) -> Candidates:
        """See `Search`."""
        sentences, vocab = log_probs.shape[0], log_probs.shape[2]
        count = 2 * self.beam_size
        # The best of a sentence are among the best of its rows, whose order the scores so far do not change.
        top, tokens = log_probs.topk(min(count, vocab), dim=2)
        totals = (top + scores.unsqueeze(2)).view(sentences, -1)
        best, places = totals.topk(min(count, totals.shape[1]), dim=1)
        return Candidates(best, places // top.shape[2], tokens.view(sentences, -1).gather(1, places))
