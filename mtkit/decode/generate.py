"""The one generation loop: source ids to hypotheses, for any scorer and any search strategy.

The device scores and picks candidates; the bookkeeping of hypotheses is done with numpy on the
host, which costs one synchronisation a step. A sentence is done as in CTranslate2 with patience 1:
when as many hypotheses have finished as the beam is wide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from mtkit.config.schema import DecodeConfig
from mtkit.data.batch import pad_sources
from mtkit.decode.hypothesis import Hypothesis
from mtkit.decode.scorer import Scorer, State
from mtkit.decode.search import BeamSearch, Candidates, Search
from mtkit.text.tokenizer import Tokenizer

BOS, EOS = Tokenizer.BOS, Tokenizer.EOS
NEVER = (Tokenizer.PAD, Tokenizer.UNK, Tokenizer.BOS)
EXTRA_LENGTH = 50

StateT = TypeVar("StateT", bound=State)


def generate(
    scorer: Scorer[StateT],
    src_ids: Sequence[Sequence[int]],
    options: DecodeConfig,
    device: torch.device | str = "cpu",
) -> list[list[Hypothesis]]:
    """At most `options.beam_size` hypotheses of each source, best first, in the order of the sources.

    Args:
        scorer: gives the log-probabilities.
        src_ids: sources without end of sentence, of any length; one may be empty.
        options: beam size, length penalty, longest output and how much is decoded at once.
        device: where the scorer computes.
    """
    search = BeamSearch(options.beam_size)
    hyps: list[list[Hypothesis]] = [[] for _ in src_ids]
    for batch in plan_batches([len(ids) + 1 for ids in src_ids], options.batch_tokens, options.beam_size):
        found = _decode_batch(scorer, [src_ids[i] for i in batch], search, options, device)
        for index, sentence_hyps in zip(batch, found, strict=True):
            hyps[index] = sentence_hyps
    return hyps


def plan_batches(lengths: Sequence[int], batch_tokens: int, beam_size: int) -> Iterator[list[int]]:
    """Indices of `lengths` in batches of like length, longest first, padding and beams within `batch_tokens`.

    A sentence that exceeds the budget alone is a batch by itself.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    begin = 0
    while begin < len(order):
        count = max(1, batch_tokens // (lengths[order[begin]] * beam_size))
        yield order[begin : begin + count]
        begin += count


def _decode_batch(
    scorer: Scorer[StateT],
    src_ids: Sequence[Sequence[int]],
    search: Search,
    options: DecodeConfig,
    device: torch.device | str,
) -> list[list[Hypothesis]]:
    """Search in one batch until every sentence has `beam_size` hypotheses or reaches its longest output."""
    ids, mask = pad_sources(src_ids)
    state = scorer.start(ids.to(device), mask.to(device))
    limits = np.array([int(options.max_len_ratio * len(ids)) + EXTRA_LENGTH for ids in src_ids])
    never = torch.tensor(NEVER, device=device)
    beams = _Beams(len(src_ids), search.beam_size, options.length_penalty)
    tokens = torch.full((len(src_ids),), BOS, device=device)
    scores = torch.zeros(len(src_ids), 1, device=device)
    while True:
        log_probs, state = scorer.step(tokens, state)
        log_probs.index_fill_(1, never, -torch.inf)
        sentences, width = scores.shape
        log_probs = log_probs.view(sentences, width, -1)
        at_limit = limits[beams.sentences] <= beams.length
        if at_limit.any():
            ending = torch.from_numpy(np.flatnonzero(at_limit)).to(device)
            log_probs[ending, :, :EOS] = -torch.inf
            log_probs[ending, :, EOS + 1 :] = -torch.inf
        rows = beams.advance(search.select(log_probs, scores), at_limit)
        if beams.scores.size == 0:
            return beams.finished()
        if not np.array_equal(rows, np.arange(sentences * width)):
            state = state.select(torch.from_numpy(rows).to(device), beams.scores.shape[1])
        tokens = torch.from_numpy(beams.ids[:, -1]).to(device)
        scores = torch.from_numpy(beams.scores).to(device)


class _Beams:
    """The hypotheses of a batch: those that run, in rows, and those finished.

    Attributes:
        length: tokens of each that runs.
        sentences: those that still run, as indices into the batch.
        scores: sums of log-probabilities, [running sentences, width].
        ids: tokens, [rows, length].
        totals: the sum of log-probabilities after each token, [rows, length].
    """

    def __init__(self, count: int, beam_size: int, length_penalty: float) -> None:
        self.beam_size = beam_size
        self.length_penalty = length_penalty
        self.length = 0
        self.sentences = np.arange(count)
        self.scores: NDArray[np.float32] = np.zeros((count, 1), np.float32)
        self.ids: NDArray[np.int64] = np.zeros((count, 0), np.int64)
        self.totals: NDArray[np.float32] = np.zeros((count, 0), np.float32)
        self._finished: list[list[Hypothesis]] = [[] for _ in range(count)]
        self._counts = np.zeros(count, np.int64)

    def advance(self, found: Candidates, at_limit: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Takes one step and gives, for each row from now on, the row that it continues.

        Among the best `beam_size` candidates those at their end are finished; the best others run on. A
        sentence leaves with `beam_size` finished hypotheses or `at_limit`.
        """
        beam_size, width = self.beam_size, self.scores.shape[1]
        scores, tokens = found.scores.cpu().numpy(), found.tokens.cpu().numpy()
        rows = found.beams.cpu().numpy() + np.arange(0, len(scores) * width, width)[:, None]
        ended = tokens == EOS
        self.length += 1

        done = (ended | at_limit[:, None])[:, :beam_size] & ~np.isneginf(scores[:, :beam_size])
        for i, k in np.argwhere(done):
            self._finish(self.sentences[i], rows[i, k], scores[i, k])
        self._counts[self.sentences] += done.sum(axis=1)

        stay = (self._counts[self.sentences] < beam_size) & ~at_limit
        order = np.argsort(ended[stay], axis=1, kind="stable")[:, :beam_size]
        self.sentences = self.sentences[stay]
        self.scores = np.take_along_axis(np.where(ended, -np.inf, scores)[stay], order, 1)
        rows = np.take_along_axis(rows[stay], order, 1).ravel()
        last = np.take_along_axis(tokens[stay], order, 1).reshape(-1, 1)
        self.ids = np.concatenate((self.ids[rows], last), axis=1)
        self.totals = np.concatenate((self.totals[rows], self.scores.reshape(-1, 1)), axis=1)
        return rows

    def _finish(self, sentence: int, row: int, total: float) -> None:
        """Ends `row`, whose score with the end of sentence is `total`."""
        token_scores = np.diff([0.0, *self.totals[row], total])
        score = float(total) / self.length**self.length_penalty
        hypothesis = Hypothesis(tuple(self.ids[row].tolist()), score, tuple(token_scores.tolist()))
        self._finished[sentence].append(hypothesis)

    def finished(self) -> list[list[Hypothesis]]:
        """At most `beam_size` hypotheses of each sentence, best first."""
        return [sorted(hyps, key=lambda h: -h.score)[: self.beam_size] for hyps in self._finished]
