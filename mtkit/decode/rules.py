"""Rules that change the log-probabilities before a search selects candidates.

A rule depends only on the tokens so far, not on the search method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtkit.config.decode import DecodeConfig
from mtkit.decode.hypothesis import Demand
from mtkit.model.shortlist import Shortlist
from mtkit.text.tokenizer import Tokenizer

EOS = Tokenizer.EOS

Ids = NDArray[np.int64]


class Rule(Protocol):
    """Changes log-probabilities."""

    def __call__(self, log_probs: Tensor, ids: Ids, sentences: Ids) -> None:
        """Changes the log-probabilities of the next token in place.

        Args:
            log_probs: [rows, vocab].
            ids: the hypotheses so far, [rows, length].
            sentences: the sentence of each row, as an index into the batch, [rows].
        """


@dataclass(frozen=True, slots=True)
class MinimumLength:
    """Hypotheses have at least `min_len` tokens."""

    min_len: int

    def __call__(self, log_probs: Tensor, ids: Ids, sentences: Ids) -> None:
        """See `Rule`."""
        if ids.shape[1] < self.min_len:
            log_probs[:, EOS] = -torch.inf


@dataclass(frozen=True, slots=True)
class NoRepeatNgram:
    """No n-gram of `size` tokens occurs twice in a hypothesis (Paulus et al. 2018, section 2.5)."""

    size: int

    def __call__(self, log_probs: Tensor, ids: Ids, sentences: Ids) -> None:
        """See `Rule`."""
        length = ids.shape[1]
        if length < self.size:
            return
        runs = np.lib.stride_tricks.sliding_window_view(ids, self.size, axis=1)
        last = ids[:, length - self.size + 1 :]
        rows, places = np.nonzero((runs[:, :, :-1] == last[:, None]).all(axis=2))
        _ban(log_probs, rows, runs[rows, places, -1])


@dataclass(frozen=True, slots=True)
class RepetitionPenalty:
    """Multiplies the log-probability of tokens that a hypothesis already contains.

    Keskar et al. 2019, section 4.1, divide logits instead. Log-probabilities are never positive, so a factor
    above 1 always makes a token less likely.
    """

    penalty: float

    def __call__(self, log_probs: Tensor, ids: Ids, sentences: Ids) -> None:
        """See `Rule`."""
        used = torch.from_numpy(ids).to(log_probs.device)
        log_probs.scatter_(1, used, log_probs.gather(1, used) * self.penalty)


@dataclass(frozen=True, slots=True)
class BannedRuns:
    """Sequences of tokens that hypotheses must not contain.

    Attributes:
        phrases: the sequences.
        concerned: which of them are banned in which sentence of the batch, [phrases, sentences].
    """

    phrases: tuple[tuple[int, ...], ...]
    concerned: NDArray[np.bool_]

    def __call__(self, log_probs: Tensor, ids: Ids, sentences: Ids) -> None:
        """See `Rule`."""
        length = ids.shape[1]
        for phrase, concerned in zip(self.phrases, self.concerned, strict=True):
            begun = len(phrase) - 1
            if begun <= length:
                there = (ids[:, length - begun :] == phrase[:-1]).all(axis=1) & concerned[sentences]
                rows = np.flatnonzero(there)
                _ban(log_probs, rows, np.full(len(rows), phrase[-1]))


class Listed:
    """Hypotheses consist of the pieces that a shortlist has for the source, and those of demanded terms."""

    def __init__(
        self, shortlist: Shortlist, src_ids: Sequence[Sequence[int]], demands: Sequence[Demand]
    ) -> None:
        self._allowed = []
        for ids, demand in zip(src_ids, demands, strict=True):
            runs = demand.terms.wanted if demand.terms is not None else ()
            own = {EOS, *(token for spellings in runs for run in spellings for token in run)}
            self._allowed.append(torch.cat((shortlist.of(ids), torch.tensor(sorted(own)))))
        self._banned: Tensor | None = None

    def __call__(self, log_probs: Tensor, ids: Ids, sentences: Ids) -> None:
        """See `Rule`."""
        if self._banned is None:
            self._banned = log_probs.new_ones(len(self._allowed), log_probs.shape[1], dtype=torch.bool)
            for row, allowed in zip(self._banned, self._allowed, strict=True):
                row[allowed.to(log_probs.device)] = False
        log_probs.masked_fill_(self._banned[torch.from_numpy(sentences).to(log_probs.device)], -torch.inf)


def _ban(log_probs: Tensor, rows: Ids, tokens: Ids) -> None:
    if len(rows):
        device = log_probs.device
        log_probs[torch.from_numpy(rows).to(device), torch.from_numpy(tokens).to(device)] = -torch.inf


def build_rules(options: DecodeConfig, demands: Sequence[Demand]) -> list[Rule]:
    """The rules for a batch of sentences with these demands."""
    rules: list[Rule] = []
    if options.repetition_penalty != 1:
        rules.append(RepetitionPenalty(options.repetition_penalty))
    if options.min_len:
        rules.append(MinimumLength(options.min_len))
    if options.no_repeat_ngram_size:
        rules.append(NoRepeatNgram(options.no_repeat_ngram_size))
    if phrases := tuple(sorted({phrase for demand in demands for phrase in demand.banned})):
        concerned = np.array([[phrase in demand.banned for demand in demands] for phrase in phrases])
        rules.append(BannedRuns(phrases, concerned))
    return rules
