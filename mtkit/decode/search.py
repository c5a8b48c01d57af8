"""Search strategies: pure functions from log-probabilities to the candidates of one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Candidates:
    """Continuations of each sentence's hypotheses, best first within a group.

    All are [sentences, groups, candidates].

    Attributes:
        scores: the score of the continued hypothesis.
        beams: index of the hypothesis within its sentence.
        tokens: the token to append.
        states: what the search wants to be told of the continued hypothesis in the next step.
    """

    scores: Tensor
    beams: Tensor
    tokens: Tensor
    states: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Prefixes:
    """The hypotheses so far.

    Attributes:
        ids: their tokens, [sentences, width, length].
        sentences: the sentences, as indices into the batch, [sentences].
        states: their states as returned by the search, [sentences, width]; 0 at first.
    """

    ids: NDArray[np.int64]
    sentences: NDArray[np.int64]
    states: NDArray[np.int64]


class Search(Protocol):
    """Selects the candidates of a step.

    A sentence's hypotheses form `groups` of `group_size`, which never mix. At the first step all groups start
    from the same empty hypothesis.
    """

    @property
    def groups(self) -> int:
        """Groups per sentence."""

    @property
    def group_size(self) -> int:
        """Hypotheses kept per group."""

    @property
    def by_score(self) -> bool:
        """Whether to return the best finished hypotheses; otherwise one of each group, in group order."""

    def select(self, log_probs: Tensor, scores: Tensor, prefixes: Prefixes) -> Candidates:
        """The candidates of one step, enough to fill the groups after removing those that end the sentence.

        Args:
            log_probs: log-probabilities of the next token, [sentences, width, vocab].
            scores: scores of the hypotheses so far, [sentences, width]; -inf for no hypothesis.
            prefixes: the hypotheses so far.
        """


@dataclass(frozen=True, slots=True)
class BeamSearch:
    """Selects the `2 * beam_size` best continuations; greedy search is a beam of one.

    Each hypothesis has only one continuation that ends it, so at least half of the candidates continue.
    """

    by_score: ClassVar[bool] = True
    beam_size: int
    groups: int = 1

    @property
    def group_size(self) -> int:
        """The whole beam."""
        return self.beam_size

    def select(self, log_probs: Tensor, scores: Tensor, prefixes: Prefixes) -> Candidates:
        """See `Search`."""
        best, beams, tokens = best_continuations(log_probs, scores, 2 * self.beam_size)
        return Candidates(best[:, None], beams[:, None], tokens[:, None])


def best_continuations(log_probs: Tensor, scores: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, beams and tokens of each sentence's `count` best continuations, each [sentences, count].

    There are fewer if the vocabulary is small.

    Args:
        log_probs: [sentences, width, vocab].
        scores: scores of the hypotheses so far, [sentences, width].
        count: number of continuations.
    """
    # The best continuations of a sentence are among the best of each row, since all continuations of a row
    # share its score so far.
    top, tokens = log_probs.topk(min(count, log_probs.shape[2]), dim=2)  # [sentences, width, ≤ count]
    totals = (top + scores.unsqueeze(2)).flatten(1)  # [sentences, width * ≤ count]
    best, places = totals.topk(min(count, totals.shape[1]), dim=1)
    return best, places // top.shape[2], tokens.flatten(1).gather(1, places)


@dataclass(frozen=True, slots=True)
class DiverseBeamSearch:
    """Beam search in groups, each penalised for tokens that earlier groups chose at the same step.

    Vijayakumar et al. 2018, with Hamming diversity (section 4.1): a token costs `penalty` for each hypothesis
    of an earlier group that takes it. As in equation 7, the scores of hypotheses do not include that cost.
    """

    by_score: ClassVar[bool] = True
    groups: int
    group_size: int
    penalty: float

    def select(self, log_probs: Tensor, scores: Tensor, prefixes: Prefixes) -> Candidates:
        """See `Search`."""
        size = self.group_size
        sentences, width, vocab = log_probs.shape
        cost = log_probs.new_zeros(sentences, vocab)
        found = []
        for group in range(self.groups):
            own = slice(0, 1) if width == 1 else slice(group * size, (group + 1) * size)
            penalised = log_probs[:, own] - cost[:, None]  # [sentences, group_size, vocab]
            _, beams, tokens = best_continuations(penalised, scores[:, own], 2 * size)
            place = torch.arange(sentences, device=beams.device)[:, None]
            true = scores[:, own].gather(1, beams) + log_probs[place, beams + own.start, tokens]
            cost.scatter_add_(1, tokens[:, :size], torch.full_like(true[:, :size], self.penalty))
            found.append((true, beams + own.start, tokens))
        best, which, said = (torch.stack(parts, dim=1) for parts in zip(*found, strict=True))
        return Candidates(best, which, said)


@dataclass(frozen=True, slots=True)
class Sampling:
    """Continues each hypothesis with a random token.

    Attributes:
        draws: uniform numbers in [0, 1), [sentences of the batch, samples, longest output].
        top_k: sample from the k most probable tokens (Fan et al. 2018).
        top_p: sample from the smallest set of tokens with at least this probability (Holtzman et al. 2020).
        temperature: divides the log-probabilities before all else.
    """

    by_score: ClassVar[bool] = False
    draws: Tensor
    top_k: int | None = None
    top_p: float = 1.0
    temperature: float = 1.0
    group_size: int = 1

    @property
    def groups(self) -> int:
        """One group for each sample."""
        return self.draws.shape[1]

    def select(self, log_probs: Tensor, scores: Tensor, prefixes: Prefixes) -> Candidates:
        """See `Search`."""
        # 1. Keep the tokens that top-k and top-p allow, most probable first, [sentences, width, count].
        count = min(self.top_k or log_probs.shape[2], log_probs.shape[2])
        probs, tokens = (log_probs / self.temperature).softmax(dim=2).topk(count, dim=2)
        probs = probs / probs.sum(dim=2, keepdim=True)
        before = probs.cumsum(dim=2) - probs
        probs = torch.where(before < self.top_p, probs, 0.0)  # the most probable token always stays
        # 2. Invert the cumulative distribution: count the tokens that lie entirely below the number drawn,
        #    [sentences, samples, 1].
        uniform = self.draws[torch.from_numpy(prefixes.sentences), :, prefixes.ids.shape[2]]
        reached = probs.cumsum(dim=2)
        goal = uniform.to(probs)[:, :, None] * reached[:, :, -1:]
        last = (probs > 0).sum(dim=2, keepdim=True) - 1
        place = torch.minimum((reached <= goal).sum(dim=2, keepdim=True), last).clamp(min=0)
        # 3. Look up the tokens and their scores. At the first step all samples continue the empty hypothesis.
        width = log_probs.shape[1]
        samples = torch.arange(self.groups, device=log_probs.device)
        beams = torch.zeros_like(samples) if width == 1 else samples
        chosen = tokens.expand(-1, self.groups, -1).gather(2, place)  # [sentences, samples, 1]
        true = scores[:, beams, None] + log_probs[:, beams].gather(2, chosen)
        return Candidates(true, beams[None, :, None].expand_as(chosen), chosen)


def draw_uniform(seed: int, lines: list[int], samples: int, length: int) -> Tensor:
    """Uniform numbers in [0, 1), [lines, samples, length].

    Those of a line depend only on `seed` and its number; a greater `length` only appends to them.

    Args:
        seed: of the run.
        lines: a number for each sentence.
        samples: translations of each sentence.
        length: the most steps that a translation can take.
    """
    drawn = np.stack([np.random.default_rng([seed, line]).random((length, samples)).T for line in lines])
    return torch.from_numpy(np.ascontiguousarray(drawn, dtype=np.float32))
