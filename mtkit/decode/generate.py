"""The one generation loop: source ids to hypotheses, for any scorer and any search strategy.

The device computes scores and candidates. Hypotheses are kept in numpy arrays on the CPU, which costs one
synchronisation per step. As in CTranslate2, a sentence is done when patience × beam size hypotheses have
finished.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtkit.config.decode import DecodeConfig
from mtkit.data.feed.batch import pad_sources
from mtkit.decode.constrained import ConstrainedBeamSearch, places
from mtkit.decode.hypothesis import NO_DEMAND, Demand, Hypothesis, longest_output
from mtkit.decode.rules import Listed, build_rules
from mtkit.decode.scorer import Scorer, State
from mtkit.decode.search import (
    BeamSearch,
    Candidates,
    DiverseBeamSearch,
    Prefixes,
    Sampling,
    Search,
    copy_to_host,
    draw_uniform,
)
from mtkit.decode.terms import TermStates
from mtkit.model.shortlist import Shortlist
from mtkit.text.tokenizer import Tokenizer

BOS, EOS = Tokenizer.BOS, Tokenizer.EOS
NEVER = (Tokenizer.PAD, Tokenizer.UNK, Tokenizer.BOS)

ON_CPU, ON_GPU = 4096, 65_536
"""Usual batch sizes in tokens. A step on a GPU takes as long for a thousand hypotheses as for one."""

StateT = TypeVar("StateT", bound=State)


def generate(
    scorer: Scorer[StateT],
    src_ids: Sequence[Sequence[int]],
    options: DecodeConfig,
    device: torch.device | str = "cpu",
    demands: Sequence[Demand] | None = None,
    shortlist: Shortlist | None = None,
    start: Sequence[int] = (),
) -> list[list[Hypothesis]]:
    """At most `options.width` hypotheses of each source, in the order of the sources.

    The hypotheses of a source are sorted from best to worst; samples stay in the order of drawing.

    Args:
        scorer: computes the log-probabilities.
        src_ids: sources without end of sentence; any length, including 0.
        options: method, length penalty, rules, longest output and batch size.
        device: the scorer's device.
        demands: constraints for each translation; none by default.
        shortlist: pieces that translations consist of; all by default.
        start: ids that the decoder reads after BOS; they have no score, but count in the length.
    """
    demands = [NO_DEMAND] * len(src_ids) if demands is None else demands
    hyps: list[list[Hypothesis]] = [[] for _ in src_ids]
    # Sentences with terms need more hypotheses at once, and so are decoded apart.
    widths = [_constrained_width(options, demand) for demand in demands]
    for constrained in (False, True):
        own = [i for i, width in enumerate(widths) if (width > 0) is constrained]
        width = max((widths[i] for i in own), default=0) or options.width
        lengths = [len(src_ids[i]) + 1 for i in own]
        for batch in plan_batches(lengths, batch_tokens(options, device), width):
            batch = [own[i] for i in batch]
            asked = [demands[i] for i in batch]
            decoding = _Decoding([src_ids[i] for i in batch], asked, options, device, shortlist, start)
            for index, sentence_hyps in zip(batch, decoding.run(scorer), strict=True):
                hyps[index] = sentence_hyps
    return hyps


def batch_tokens(options: DecodeConfig, device: torch.device | str) -> int:
    """The maximum batch size in tokens: the one in the options, else the usual one for the device."""
    if options.batch_tokens is not None:
        return options.batch_tokens
    return ON_CPU if torch.device(device).type == "cpu" else ON_GPU


def plan_batches(lengths: Sequence[int], tokens: int, width: int) -> Iterator[list[int]]:
    """Yields batches of indices into `lengths`, grouped by length, longest first.

    A batch has at most `tokens` tokens, counting padding and beams of `width`. A sentence that exceeds this
    limit alone is a batch by itself.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    begin = 0
    while begin < len(order):
        count = max(1, tokens // (lengths[order[begin]] * width))
        yield order[begin : begin + count]
        begin += count


def _constrained_width(options: DecodeConfig, demand: Demand) -> int:
    """The number of hypotheses for a sentence with terms; 0 without terms or if the method ignores them."""
    if options.method != "beam" or demand.terms is None:
        return 0
    return places(options.beam_size, demand.terms.length)


def _build_search(options: DecodeConfig, demands: Sequence[Demand], longest: int) -> Search:
    match options.method:
        case "beam" if terms := [TermStates(demand.terms) for demand in demands if demand.terms]:
            return ConstrainedBeamSearch(options.beam_size, terms, options.length_penalty)
        case "beam":
            return BeamSearch(options.beam_size)
        case "diverse_beam":
            size = options.beam_size // options.groups
            return DiverseBeamSearch(options.groups, size, options.diversity_penalty)
        case "sample" | "mbr":
            seeds = [demand.seed for demand in demands]
            draws = draw_uniform(options.seed, seeds, options.samples, longest + 1)
            return Sampling(draws, options.top_k, options.top_p, options.epsilon_cutoff, options.temperature)
        case _:
            assert_never(options.method)


class _Decoding:
    """Searches in one batch until every sentence has its hypotheses or reaches its longest output."""

    def __init__(
        self,
        src_ids: Sequence[Sequence[int]],
        demands: Sequence[Demand],
        options: DecodeConfig,
        device: torch.device | str,
        shortlist: Shortlist | None,
        start: Sequence[int],
    ) -> None:
        self.src_ids = src_ids
        self.start = start
        self.prefixes = [demand.prefix for demand in demands]
        self.device = device
        # The tokens that are demanded are added to the usual limit.
        self.limits = np.array(
            [
                longest_output(len(ids), options)
                + len(demand.prefix)
                + (demand.terms.length if demand.terms else 0)
                for ids, demand in zip(src_ids, demands, strict=True)
            ]
        )
        self.search = _build_search(options, demands, int(self.limits.max()))
        self.rules = build_rules(options, demands)
        if shortlist is not None:
            self.rules.append(Listed(shortlist, src_ids, demands))
        self.beams = _Beams(len(src_ids), self.search, options, len(start))

    def run(self, scorer: Scorer[StateT]) -> list[list[Hypothesis]]:
        """The hypotheses of each sentence."""
        # 1. Start with one hypothesis per sentence: `tokens` is [rows], `scores` is [sentences, width].
        device, beams = self.device, self.beams
        src_ids, mask = pad_sources(self.src_ids)
        state = scorer.start(src_ids.to(device), mask.to(device))
        never = torch.tensor(NEVER, device=device)
        tokens = torch.full((len(self.src_ids),), BOS, device=device)
        for token in self.start:
            _, state = scorer.step(tokens, state)
            tokens = torch.full_like(tokens, token)
        scores = torch.zeros(len(self.src_ids), 1, device=device)
        while True:
            # 2. Compute the log-probabilities of the next token, [rows, vocab], and apply the rules.
            true, state = scorer.step(tokens, state)
            true.index_fill_(1, never, -torch.inf)
            at_limit = self.limits[beams.sentences] <= beams.length
            log_probs = self._ruled(true, at_limit)
            # 3. Let the search select candidates, and extend the hypotheses by them.
            sentences, width = scores.shape
            ids = beams.ids.reshape(sentences, width, beams.length)
            prefixes = Prefixes(ids, beams.sentences, beams.states, beams.scores)
            found = self.search.select(log_probs.view(sentences, width, -1), scores, prefixes)
            rows = beams.advance(found, true, at_limit)
            if beams.scores.size == 0:
                return beams.finished()
            # 4. Reorder the state if the rows have changed.
            if not np.array_equal(rows, np.arange(sentences * width)):
                state = state.select(torch.from_numpy(rows).to(device), beams.scores.shape[1])
            tokens = torch.from_numpy(beams.ids[:, -1]).to(device)
            scores = torch.from_numpy(beams.scores).to(device)

    def _ruled(self, true: Tensor, at_limit: NDArray[np.bool_]) -> Tensor:
        """The log-probabilities [rows, vocab] after rules and constraints; `true` is not changed."""
        beams, width = self.beams, self.beams.scores.shape[1]
        sentences = np.repeat(beams.sentences, width)
        forced = dict.fromkeys(np.flatnonzero(np.repeat(at_limit, width)).tolist(), EOS)
        for row, sentence in enumerate(sentences.tolist()) if any(self.prefixes) else ():
            if beams.length < len(self.prefixes[sentence]):
                forced[row] = self.prefixes[sentence][beams.length]
        if not (self.rules or forced):
            return true
        log_probs = true.clone()
        for rule in self.rules:
            rule(log_probs, beams.ids, sentences)
        if forced:
            rows = torch.tensor(list(forced), device=self.device)
            tokens = torch.tensor(list(forced.values()), device=self.device)
            log_probs[rows] = -torch.inf
            log_probs[rows, tokens] = true[rows, tokens]
        return log_probs


class _Beams:
    """The hypotheses of a batch: active ones, in rows, and finished ones.

    Attributes:
        length: tokens of each active hypothesis.
        sentences: sentences that are still active, as indices into the batch.
        scores: the quantity that the search maximises, [active sentences, width]; -inf for no hypothesis.
        ids: tokens, [rows, length].
        token_scores: the model's log-probability of each token, [rows, length].
        states: what the search remembers of each, [running sentences, width].
    """

    def __init__(self, count: int, search: Search, options: DecodeConfig, num_before: int) -> None:
        self.groups, self.group_size = search.groups, search.group_size
        self.length_penalty = options.length_penalty
        self.by_score = search.by_score
        # A search may keep more hypotheses than are wanted in the end.
        self.wanted = options.width // self.groups
        self.enough = max(1, round(self.wanted * options.patience)) if self.by_score else 1
        self.length = 0
        self.num_before = num_before
        self.sentences = np.arange(count)
        self.scores: NDArray[np.float32] = np.zeros((count, 1), np.float32)
        self.ids: NDArray[np.int64] = np.zeros((count, 0), np.int64)
        self.token_scores: NDArray[np.float32] = np.zeros((count, 0), np.float32)
        self.states: NDArray[np.int64] = np.zeros((count, 1), np.int64)
        self._finished: list[list[tuple[int, Hypothesis]]] = [[] for _ in range(count)]
        self._counts = np.zeros((count, self.groups), np.int64)

    def advance(self, found: Candidates, true: Tensor, at_limit: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Extends the hypotheses by one token. Returns, for each new row, the old row that it continues.

        Among the best `group_size` candidates of a group, those that end are finished, and the best of the
        others continue. A sentence leaves the batch when every group has `enough` finished hypotheses, when
        none of its hypotheses can continue, or at its limit.

        Args:
            found: the candidates, [sentences, groups, candidates], best first.
            true: the model's log-probabilities, [rows, vocab].
            at_limit: whether a sentence has reached its longest output, [sentences].
        """
        size, width = self.group_size, self.scores.shape[1]
        # 1. Copy the candidates to the CPU, each with its row and the true log-probability of its token;
        #    all are [sentences, groups, candidates].
        first = torch.arange(0, len(self.sentences) * width, width, device=found.beams.device)
        device_rows = found.beams + first[:, None, None]
        (rows, tokens), (scores, token_scores) = copy_to_host(
            (device_rows, found.tokens), (found.scores, true[device_rows, found.tokens])
        )
        ended = tokens == EOS
        self.length += 1

        # 2. Finish those that end among the best `group_size`, where more hypotheses are wanted.
        wanted = self._counts[self.sentences] < self.enough  # [sentences, groups]
        done = (ended | at_limit[:, None, None])[:, :, :size] & ~np.isneginf(scores[:, :, :size])
        done &= wanted[:, :, None]
        for i, g, k in np.argwhere(done):
            self._finish(self.sentences[i], g, rows[i, g, k], token_scores[i, g, k])
        self._counts[self.sentences] += done.sum(axis=2)

        # 3. Drop sentences in which nothing continues. The counts have changed, so `wanted` has, too.
        wanted = self._counts[self.sentences] < self.enough
        scores = np.where(~ended & wanted[:, :, None], scores, -np.inf)
        stay = ~np.isneginf(scores).all(axis=(1, 2)) & ~at_limit  # [sentences]
        self._end_without_any(np.flatnonzero(~stay), true)
        # 4. Keep the best `group_size` of the others in each group, in the order in which they came.
        order = np.argsort(ended[stay], axis=2, kind="stable")[:, :, :size]
        self.sentences = self.sentences[stay]
        self.scores = np.take_along_axis(scores[stay], order, 2)
        self.scores = self.scores.reshape(len(self.sentences), order.shape[1] * order.shape[2])
        # 5. Extend each of them; rows are now [sentences * groups * group_size], flat.
        rows = np.take_along_axis(rows[stay], order, 2).ravel()
        states = np.zeros_like(tokens) if found.states is None else found.states
        self.states = np.take_along_axis(states[stay], order, 2).reshape(self.scores.shape)
        last = np.take_along_axis(tokens[stay], order, 2).reshape(-1, 1)
        price = np.take_along_axis(token_scores[stay], order, 2).reshape(-1, 1)
        self.ids = np.concatenate((self.ids[rows], last), axis=1)
        self.token_scores = np.concatenate((self.token_scores[rows], price), axis=1)
        return rows

    def _end_without_any(self, leaving: NDArray[np.int64], true: Tensor) -> None:
        """Ends the best hypothesis of each leaving sentence that has none finished."""
        width = self.scores.shape[1]
        for i in leaving:
            if not self._finished[self.sentences[i]]:
                row = i * width + int(self.scores[i].argmax())
                self._finish(self.sentences[i], 0, row, float(true[row, EOS]))

    def _finish(self, sentence: int, group: int, row: int, end_score: float) -> None:
        """Finishes the hypothesis in `row`; `end_score` is the log-probability of its end of sentence."""
        token_scores = (*self.token_scores[row].tolist(), float(end_score))
        score = sum(token_scores) / (self.num_before + self.length) ** self.length_penalty
        hypothesis = Hypothesis(tuple(self.ids[row].tolist()), score, token_scores)
        self._finished[sentence].append((group, hypothesis))

    def finished(self) -> list[list[Hypothesis]]:
        """At most `groups * wanted` hypotheses of each sentence, the best ones."""
        width = self.groups * self.wanted
        return [[hyp for _, hyp in sorted(found, key=self._rank)[:width]] for found in self._finished]

    def _rank(self, found: tuple[int, Hypothesis]) -> float:
        group, hypothesis = found
        return -hypothesis.score if self.by_score else group
