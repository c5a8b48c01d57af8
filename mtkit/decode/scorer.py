"""What search asks for log-probabilities: one model here, several or a fake one behind the same protocol."""

from __future__ import annotations

from typing import Protocol, Self, TypeVar

from torch import Tensor

from mtkit.model.state import DecoderState
from mtkit.model.transformer import Transformer


class State(Protocol):
    """What a scorer remembers of `rows` = sentences x width hypotheses."""

    def select(self, rows: Tensor, width: int | None = None) -> Self:
        """The state whose row i is this one's row `rows[i]`, with `width` rows per sentence."""


StateT = TypeVar("StateT", bound=State)


class Scorer(Protocol[StateT]):
    """Source sentences to log-probabilities of the next target token."""

    def start(self, src_ids: Tensor, src_mask: Tensor) -> StateT:
        """The state before the first target token, one row per sentence.

        Args:
            src_ids: [sentences, src_len], the end of sentence included.
            src_mask: [sentences, src_len], true = real token.
        """

    def step(self, tokens: Tensor, state: StateT) -> tuple[Tensor, StateT]:
        """Log-probabilities [rows, vocab] after `tokens` [rows], and the next state.

        The log-probabilities are the caller's to change.
        """


class ModelScorer:
    """The log-probabilities of one model."""

    def __init__(self, model: Transformer) -> None:
        self.model = model

    def start(self, src_ids: Tensor, src_mask: Tensor) -> DecoderState:
        """See `Scorer`."""
        return self.model.start(src_ids, src_mask)

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """See `Scorer`."""
        logits, state = self.model.step(tokens, state)
        return logits.float().log_softmax(dim=-1), state
