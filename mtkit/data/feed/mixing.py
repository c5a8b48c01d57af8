"""Which pairs each epoch of training draws: all pairs, or corpora mixed by stages. Does not use torch.

Everything is a pure function of the seed and the position, so training can resume anywhere.
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
    """A stage of mixing.

    Attributes:
        until: the step at which the next stage begins; None for the last.
        draws: number of pairs drawn from each corpus in an epoch; None to draw every pair once.
    """

    until: int | None = None
    draws: tuple[int, ...] | None = None

    def epoch(self, sizes: Sequence[int], seed: int, epoch: int) -> Indices | None:
        """The numbers of the pairs that epoch `epoch` of this stage draws; None for every pair once.

        Each corpus is an endless sequence of shuffled passes, and an epoch continues where the previous one
        stopped, so all pairs of a corpus are drawn equally often.
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
    """The stages for corpora of these sizes; an epoch of a stage draws as many pairs as its corpora have.

    Raises:
        InputError: all corpora of a stage are empty.
    """
    if not mixing:
        return (Stage(),)
    return tuple(Stage(stage.until, _draws(number, stage, sizes)) for number, stage in enumerate(mixing))


def stage_at(stages: Sequence[Stage], step: int) -> Stage:
    """The stage of step number `step`, from 0."""
    return next(stage for stage in stages if stage.until is None or step < stage.until)


def _draws(number: int, options: MixingStage, sizes: Sequence[int]) -> tuple[int, ...]:
    """The pairs that an epoch draws from each corpus: weight ** (1 / temperature), scaled to the total."""
    weights = np.array(sizes if options.weights is None else options.weights, float)  # [corpora]
    weights[np.array(sizes) == 0] = 0
    if not weights.any():
        raise InputError(
            f"data.mixing.{number}: no pairs are left in the corpora of this stage.",
            "Give another corpus a weight.",
        )
    shares = (weights / weights.max()) ** (1 / options.temperature)
    total = sum(size for size, weight in zip(sizes, weights, strict=True) if weight)
    ends = np.rint(np.cumsum(shares) / shares.sum() * total).astype(int)  # rounded sums: they add up to total
    return tuple(np.diff(ends, prepend=0).tolist())


def _stretch(size: int, begin: int, end: int, seed: int, corpus: int) -> Indices:
    """The slice `begin:end` of the endless sequence of shuffled passes through a corpus."""
    first, last = begin // size, -(-end // size)
    passes = [
        np.random.default_rng([seed, _CORPUS_ORDER, corpus, number]).permutation(size)
        for number in range(first, last)
    ]
    return np.concatenate(passes)[begin - first * size : end - first * size]
