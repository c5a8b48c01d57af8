"""Beam search whose translations contain given terms. Pure; knows nothing of models or of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mtkit.decode.search import Candidates, Prefixes, best_continuations
from mtkit.text.tokenizer import Tokenizer

EOS = Tokenizer.EOS

Term = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Met:
    """How much of its terms a hypothesis has said.

    Attributes:
        whole: which terms stand in it.
        begun: the term that its last tokens begin, or -1.
        length: how many tokens of that.
    """

    whole: frozenset[int] = frozenset()
    begun: int = -1
    length: int = 0

    def after(self, token: int, terms: Sequence[Term]) -> Met:
        """The same when `token` has been said: it goes on with the term begun, or begins another."""
        if self.begun >= 0 and terms[self.begun][self.length] == token:
            return self._said(self.begun, self.length + 1, terms)
        for index, term in enumerate(terms):
            if index not in self.whole and term[0] == token:
                return self._said(index, 1, terms)
        return Met(self.whole)

    def _said(self, index: int, length: int, terms: Sequence[Term]) -> Met:
        if length == len(terms[index]):
            return Met(self.whole | {index})
        return Met(self.whole, index, length)

    def tokens(self, terms: Sequence[Term]) -> int:
        """Tokens of its terms that it has said."""
        return sum(len(terms[index]) for index in self.whole) + self.length

    def wants(self, terms: Sequence[Term]) -> set[int]:
        """Tokens that would take it further."""
        if self.begun >= 0:
            return {terms[self.begun][self.length]}
        return {term[0] for index, term in enumerate(terms) if index not in self.whole}


def met(ids: Iterable[int], terms: Sequence[Term]) -> Met:
    """How much of `terms` stands in `ids`."""
    state = Met()
    for token in ids:
        state = state.after(token, terms)
    return state


@dataclass(frozen=True, slots=True)
class ConstrainedBeamSearch:
    """Dynamic beam allocation (Post and Vilar 2018): the beam is shared among hypotheses by terms met.

    Beside the best continuations each hypothesis offers the tokens that its open terms want, and its best
    token (section 3.2). The beam's places are divided evenly among banks of candidates with equally many
    tokens of terms; places that a bank cannot fill go to the others. Only what has said all terms may end.
    A sentence without terms is searched as by `BeamSearch`.

    Attributes:
        beam_size: hypotheses kept per sentence.
        terms: of each sentence of the batch.
    """

    by_score: ClassVar[bool] = True
    beam_size: int
    terms: tuple[tuple[Term, ...], ...]
    groups: int = 1

    @property
    def group_size(self) -> int:
        """The whole beam."""
        return self.beam_size

    def select(self, log_probs: Tensor, scores: Tensor, prefixes: Prefixes) -> Candidates:
        """See `Search`."""
        best, beams, tokens = best_continuations(log_probs, scores, 2 * self.beam_size)
        for i, sentence in enumerate(prefixes.sentences.tolist()):
            if terms := self.terms[sentence]:
                found = self._allocate(log_probs[i], scores[i], prefixes.ids[i].tolist(), terms)
                best[i], beams[i], tokens[i] = -torch.inf, 0, 0
                for place, (score, beam, token) in enumerate(found[: best.shape[1]]):
                    best[i, place], beams[i, place], tokens[i, place] = score, beam, token
        return Candidates(best[:, None], beams[:, None], tokens[:, None])

    def _allocate(
        self, log_probs: Tensor, scores: Tensor, ids: list[list[int]], terms: tuple[Term, ...]
    ) -> list[tuple[float, int, int]]:
        """Scores, beams and tokens of one sentence: complete translations first, then what runs on."""
        size = self.beam_size
        totals = log_probs + scores[:, None]
        states = [met(hypothesis, terms) for hypothesis in ids]
        goal = sum(map(len, terms))
        pool: set[tuple[int, int]] = set()
        flat = totals.flatten().topk(min(2 * size, totals.numel())).indices.tolist()
        pool.update(divmod(place, totals.shape[1]) for place in flat)
        pool.update(enumerate(totals.argmax(dim=1).tolist()))
        for beam, state in enumerate(states):
            pool.update((beam, token) for token in state.wants(terms))
        values = totals[tuple(torch.tensor(list(pool), device=totals.device).T)].tolist()
        ranked = sorted(
            ((value, beam, token) for value, (beam, token) in zip(values, pool, strict=True)),
            key=lambda found: (-found[0], found[1:]),
        )
        possible = [found for found in ranked if found[0] > -np.inf]
        ended = [
            found for found in possible[:size] if found[2] == EOS and states[found[1]].tokens(terms) == goal
        ]
        running = [
            (states[found[1]].after(found[2], terms).tokens(terms), found)
            for found in possible
            if found[2] != EOS
        ]
        return [*ended, *_divide(running, size, goal)]


def _divide(
    running: list[tuple[int, tuple[float, int, int]]], size: int, goal: int
) -> list[tuple[float, int, int]]:
    """The `size` candidates that go on, best first; full banks come first where places are left over."""
    banks = [[found for tokens, found in running if tokens == bank] for bank in range(goal, -1, -1)]
    places = [size // len(banks) + (index < size % len(banks)) for index in range(len(banks))]
    places = [min(own, len(bank)) for own, bank in zip(places, banks, strict=True)]
    spare = size - sum(places)
    for index, bank in enumerate(banks):
        more = min(spare, len(bank) - places[index])
        places[index] += more
        spare -= more
    kept = [found for own, bank in zip(places, banks, strict=True) for found in bank[:own]]
    return sorted(kept, key=lambda found: (-found[0], found[1:]))
