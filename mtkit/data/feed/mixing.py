"""Which pairs each epoch of training draws: from all corpora alike, or mixed by stages. Free of torch.

Everything is a pure function of the seed and the position, so that training resumes anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mtkit.config.data import MixingStage
from mtkit.errors import InputError

Indices = npt.NDArray[np.int64]

_CORPUS_ORDER = 2
"""Purpose of the random stream used here; each is derived from (seed, purpose, corpus, pass)."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the training.

    Attributes:
        until: the step at which the next one begins; None for the last.
        draws: pairs drawn from each corpus in an epoch; None if every pair comes once.
    """

    until: int | None = None
    draws: tuple[int, ...] | None = None

    def epoch(self, sizes: Sequence[int], seed: int, epoch: int) -> Indices | None:
        """The numbers of the pairs that epoch `epoch` of this stage draws; None if every pair comes once.

        A corpus is passed through again and again, in a new order each time, so that its pairs are drawn
        equally often; an epoch goes on where the one before stopped.
        """
        if self.draws is None:
            return None
        begins = np.cumsum([0, *sizes])
        parts = [
            begins[corpus] + _stretch(size, epoch * draws, (epoch + 1) * draws, seed, corpus)
            for corpus, (size, draws) in enumerate(zip(sizes, self.draws, strict=True))
            if draws
        ]
        return np.concatenate(parts)


def build_stages(mixing: Sequence[MixingStage], sizes: Sequence[int]) -> tuple[Stage, ...]:
    """The stages for corpora of these sizes; an epoch of a stage has as many pairs as its corpora together.

    Raises:
        InputError: all corpora of a stage are empty.
    """
    if not mixing:
        return (Stage(),)
    return tuple(Stage(stage.until, _draws(number, stage, sizes)) for number, stage in enumerate(mixing))


def stage_at(stages: Sequence[Stage], step: int) -> Stage:
    """The stage that step number `step`, from 0, belongs to."""
    return next(stage for stage in stages if stage.until is None or step < stage.until)


def _draws(number: int, options: MixingStage, sizes: Sequence[int]) -> tuple[int, ...]:
    weights = np.array(sizes if options.weights is None else options.weights, float)
    weights[np.array(sizes) == 0] = 0
    if not weights.any():
        raise InputError(
            f"data.mixing.{number}: no pairs are left in the corpora of this stage.",
            "Give another corpus a weight.",
        )
    shares = (weights / weights.max()) ** (1 / options.temperature)
    total = sum(size for size, weight in zip(sizes, weights, strict=True) if weight)
    ends = np.rint(np.cumsum(shares) / shares.sum() * total).astype(int)
    return tuple(np.diff(ends, prepend=0).tolist())


def _stretch(size: int, begin: int, end: int, seed: int, corpus: int) -> Indices:
    """What stands from `begin` to `end` in the endless row of shuffled passes through a corpus."""
    first, last = begin // size, -(-end // size)
    passes = [
        np.random.default_rng([seed, _CORPUS_ORDER, corpus, number]).permutation(size)
        for number in range(first, last)
    ]
    return np.concatenate(passes)[begin - first * size : end - first * size]
