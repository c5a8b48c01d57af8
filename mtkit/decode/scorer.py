"""The source of a search's log-probabilities: a model, an ensemble, or a fake one in tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

from mtkit.model.state import DecoderState
from mtkit.model.transformer import Transformer


class State(Protocol):
    """The state of a scorer for `rows` = sentences x width hypotheses."""

    def select(self, rows: Tensor, width: int | None = None) -> Self:
        """The state whose row i is this one's row `rows[i]`, with `width` rows per sentence."""


StateT = TypeVar("StateT", bound=State)


class Scorer(Protocol[StateT]):
    """Computes log-probabilities of the next target token."""

    def start(self, src_ids: Tensor, src_mask: Tensor) -> StateT:
        """The state before the first target token, one row per sentence.

        Args:
            src_ids: [sentences, src_len], including the end of sentence.
            src_mask: [sentences, src_len], true = real token.
        """

    def step(self, tokens: Tensor, state: StateT) -> tuple[Tensor, StateT]:
        """Log-probabilities [rows, vocab] after `tokens` [rows], and the next state.

        The caller may change the log-probabilities.
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
        return logits.log_softmax(dim=-1), state


@dataclass(frozen=True, slots=True)
class EnsembleState:
    """The state of each model of an ensemble."""

    states: tuple[DecoderState, ...]

    def select(self, rows: Tensor, width: int | None = None) -> EnsembleState:
        """See `State`."""
        return EnsembleState(tuple(state.select(rows, width) for state in self.states))


class EnsembleScorer:
    """Averages the probabilities of several models."""

    def __init__(self, models: Sequence[Transformer]) -> None:
        self.models = models

    def start(self, src_ids: Tensor, src_mask: Tensor) -> EnsembleState:
        """See `Scorer`."""
        return EnsembleState(tuple(model.start(src_ids, src_mask) for model in self.models))

    def step(self, tokens: Tensor, state: EnsembleState) -> tuple[Tensor, EnsembleState]:
        """See `Scorer`."""
        found = [model.step(tokens, own) for model, own in zip(self.models, state.states, strict=True)]
        log_probs = mean_of_probs([logits.log_softmax(dim=-1) for logits, _ in found])
        return log_probs, EnsembleState(tuple(own for _, own in found))


def mean_of_probs(log_probs: Sequence[Tensor]) -> Tensor:
    """The log of the mean of several probabilities, given as logs of the same shape."""
    if len(log_probs) == 1:
        return log_probs[0]
    return torch.stack(list(log_probs)).logsumexp(dim=0) - math.log(len(log_probs))
