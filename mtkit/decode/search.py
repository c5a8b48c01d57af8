"""Search strategies: from log-probabilities to the candidates of one step. Pure; know nothing of models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Candidates:
    """Continuations of each sentence's hypotheses; those of a group are in the order of preference.

    Attributes:
        scores: what is maximised, as of the hypotheses so far, [sentences, groups, candidates].
        beams: which hypothesis of the sentence is continued, [sentences, groups, candidates].
        tokens: with which token, [sentences, groups, candidates].
    """

    scores: Tensor
    beams: Tensor
    tokens: Tensor


@dataclass(frozen=True, slots=True)
class Prefixes:
    """What has been written so far.

    Attributes:
        ids: the hypotheses of each sentence, [sentences, width, length].
        sentences: which sentences these are, as indices into the batch, [sentences].
    """

    ids: NDArray[np.int64]
    sentences: NDArray[np.int64]


class Search(Protocol):
    """How the candidates of a step are chosen.

    A sentence's hypotheses stand in `groups` of `group_size`, which never mix. At the first step each
    sentence has one hypothesis, the empty one, from which all groups set out.
    """

    @property
    def groups(self) -> int:
        """Groups per sentence."""

    @property
    def group_size(self) -> int:
        """Hypotheses kept per group."""

    @property
    def by_score(self) -> bool:
        """The best finished hypotheses are wanted; else one of each group, in their order."""

    def select(self, log_probs: Tensor, scores: Tensor, prefixes: Prefixes) -> Candidates:
        """The candidates of one step; enough to go on with if those that end the sentence leave.

        Args:
            log_probs: of the next token, [sentences, width, vocab].
            scores: of the hypotheses so far, [sentences, width]; -inf where there is none.
            prefixes: the hypotheses so far.
        """


@dataclass(frozen=True, slots=True)
class BeamSearch:
    """The `2 * beam_size` best continuations; greedy search is a beam of one.

    A hypothesis can end in one way only, so that at most half of the candidates are at their end.
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
    """Scores, beams and tokens of each sentence's best, [sentences, count]; fewer if the vocabulary is small.

    Args:
        log_probs: [sentences, width, vocab].
        scores: of the hypotheses so far, [sentences, width].
        count: how many.
    """
    # The best of a sentence are among the best of its rows, whose order the scores so far do not change.
    top, tokens = log_probs.topk(min(count, log_probs.shape[2]), dim=2)
    totals = (top + scores.unsqueeze(2)).flatten(1)
    best, places = totals.topk(min(count, totals.shape[1]), dim=1)
    return best, places // top.shape[2], tokens.flatten(1).gather(1, places)


@dataclass(frozen=True, slots=True)
class DiverseBeamSearch:
    """Groups of a beam, each kept from the tokens that earlier groups chose at the same step.

    Vijayakumar et al. 2018, with Hamming diversity (section 4.1): a token costs `penalty` for each hypothesis
    of an earlier group that takes it. As in equation 7 the scores so far are free of that cost.
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
            dear = log_probs[:, own] - cost[:, None]
            _, beams, tokens = best_continuations(dear, scores[:, own], 2 * size)
            place = torch.arange(sentences, device=beams.device)[:, None]
            true = scores[:, own].gather(1, beams) + log_probs[place, beams + own.start, tokens]
            cost.scatter_add_(1, tokens[:, :size], torch.full_like(true[:, :size], self.penalty))
            found.append((true, beams + own.start, tokens))
        return Candidates(*(torch.stack(parts, dim=1) for parts in zip(*found, strict=True)))


@dataclass(frozen=True, slots=True)
class Sampling:
    """Each hypothesis goes on with one token drawn at random.

    Attributes:
        draws: uniform numbers in [0, 1), [sentences of the batch, samples, longest output].
        top_k: draw among so many tokens only (Fan et al. 2018).
        top_p: draw among the fewest tokens of at least this probability (Holtzman et al. 2020).
        temperature: log-probabilities are divided by it first.
    """

    by_score: ClassVar[bool] = False
    draws: Tensor
    top_k: int | None = None
    top_p: float = 1.0
    temperature: float = 1.0
    group_size: int = 1

    @property
    def groups(self) -> int:
        """One for each sample."""
        return self.draws.shape[1]

    def select(self, log_probs: Tensor, scores: Tensor, prefixes: Prefixes) -> Candidates:
        """See `Search`."""
        count = min(self.top_k or log_probs.shape[2], log_probs.shape[2])
        probs, tokens = (log_probs / self.temperature).softmax(dim=2).topk(count, dim=2)
        probs = probs / probs.sum(dim=2, keepdim=True)
        before = probs.cumsum(dim=2) - probs
        probs = torch.where(before < self.top_p, probs, 0.0)  # the likeliest always stays
        uniform = self.draws[torch.from_numpy(prefixes.sentences), :, prefixes.ids.shape[2]]
        reached = probs.cumsum(dim=2)
        goal = uniform.to(probs)[:, :, None] * reached[:, :, -1:]
        # How many tokens lie wholly below the number drawn: inversion of the cumulative distribution.
        last = (probs > 0).sum(dim=2, keepdim=True) - 1
        place = torch.minimum((reached <= goal).sum(dim=2, keepdim=True), last).clamp(min=0)
        width = log_probs.shape[1]
        samples = torch.arange(self.groups, device=log_probs.device)
        beams = torch.zeros_like(samples) if width == 1 else samples
        chosen = tokens.expand(-1, self.groups, -1).gather(2, place)
        true = scores[:, beams, None] + log_probs[:, beams].gather(2, chosen)
        return Candidates(true, beams[None, :, None].expand_as(chosen), chosen)


def draw_uniform(seed: int, lines: list[int], samples: int, length: int) -> Tensor:
    """Uniform numbers in [0, 1), [lines, samples, length]; those of a line depend on nothing but it.

    Args:
        seed: of the run.
        lines: a number for each sentence.
        samples: translations of each.
        length: most steps that a translation can take. A longer one gets further numbers, not others.
    """
    drawn = np.stack([np.random.default_rng([seed, line]).random((length, samples)).T for line in lines])
    return torch.from_numpy(np.ascontiguousarray(drawn, dtype=np.float32))
