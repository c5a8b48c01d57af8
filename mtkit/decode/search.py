"""Search strategies: pure functions from log-probabilities to the candidates of one step."""

from __future__ import annotations

from collections.abc import Sequence
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
        scores: their scores, [sentences, width]; -inf for no hypothesis.
    """

    ids: NDArray[np.int64]
    sentences: NDArray[np.int64]
    states: NDArray[np.int64]
    scores: NDArray[np.float32]


def copy_to_host(
    whole: Sequence[Tensor], real: Sequence[Tensor]
) -> tuple[Sequence[NDArray[np.int64]], Sequence[NDArray[np.float32]]]:
    """Tensors of one shape as arrays. One copy for all, because each copy waits for the GPU.

    Args:
        whole: integers below 2^31.
        real: numbers.
    """
    bits = [tensor.int() for tensor in whole] + [tensor.float().view(torch.int32) for tensor in real]
    copied = torch.stack(bits).cpu().numpy()
    return list(copied[: len(whole)].astype(np.int64)), list(copied[len(whole) :].view(np.float32))


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
        epsilon: sample from tokens with at least this probability (epsilon sampling, Hewitt et al. 2022).
        temperature: divides the log-probabilities before all else.
    """

    by_score: ClassVar[bool] = False
    draws: Tensor
    top_k: int | None = None
    top_p: float = 1.0
    epsilon: float = 0.0
    temperature: float = 1.0
    group_size: int = 1

    @property
    def groups(self) -> int:
        """One group for each sample."""
        return self.draws.shape[1]

    def select(self, log_probs: Tensor, scores: Tensor, prefixes: Prefixes) -> Candidates:
        """See `Search`."""
        # 1. The distribution to draw from.
        probs, tokens = self._allowed(log_probs)
        # 2. Draw a place for each sample, [sentences, width, samples of each hypothesis]. At the first step
        #    all samples continue the empty hypothesis, later each continues its own.
        sentences, width, _ = log_probs.shape
        uniform = self.draws[torch.from_numpy(prefixes.sentences), :, prefixes.ids.shape[2]]
        places = invert(probs, uniform.to(probs).view(sentences, width, -1))
        chosen = places if tokens is None else tokens.gather(2, places)
        # 3. Look up the scores; samples are groups of one candidate, [sentences, samples, 1].
        true = (scores[:, :, None] + log_probs.gather(2, chosen)).view(sentences, -1, 1)
        beams = torch.arange(width, device=log_probs.device)[None, :, None].expand_as(chosen)
        return Candidates(true, beams.reshape(sentences, -1, 1), chosen.view(sentences, -1, 1))

    def _allowed(self, log_probs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Probabilities up to a factor, 0 for tokens that the options exclude, [sentences, width, count].

        The second value has their tokens, most probable first; None if they are the whole vocabulary.
        """
        probs, tokens = (log_probs / self.temperature).softmax(dim=2), None
        if self.epsilon:
            least = probs.amax(dim=2, keepdim=True).clamp(max=self.epsilon)
            probs = torch.where(probs < least, 0.0, probs)
        count = min(self.top_k or probs.shape[2], probs.shape[2])
        if self.top_p < 1 or count < probs.shape[2]:
            probs, tokens = probs.topk(count, dim=2)
        if self.top_p < 1:
            before = probs.cumsum(dim=2) - probs
            probs = torch.where(before < self.top_p * probs.sum(dim=2, keepdim=True), probs, 0.0)
        return probs, tokens


def invert(probs: Tensor, uniform: Tensor) -> Tensor:
    """The place at which the cumulative distribution exceeds each number drawn, [..., draws].

    Args:
        probs: probabilities up to a factor, [..., count]. Places with 0 are never drawn, unless all are 0.
        uniform: numbers in [0, 1], [..., draws].
    """
    reached = probs.cumsum(dim=-1)
    # Rounding may lift a number to the sum of all, which nothing exceeds.
    below = torch.nextafter(reached[..., -1:], torch.zeros_like(reached[..., -1:]))
    goals = torch.minimum(uniform * reached[..., -1:], below)
    return torch.searchsorted(reached, goals, right=True).clamp(max=probs.shape[-1] - 1)


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
