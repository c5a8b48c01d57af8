"""Plans an epoch: which pairs make up each step. Reads lengths only, never tokens; free of torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]

_EPOCH_ORDER = 1
"""Purpose of the random stream used here; each stream is derived from (seed, purpose, epoch)."""


def plan_epoch(
    lengths: npt.NDArray[np.int32], batch_tokens: int, seed: int, epoch: int, drawn: Indices | None = None
) -> list[Indices]:
    """The pairs of each step of an epoch: every pair once, pairs of like length together, steps shuffled.

    Args:
        lengths: [pairs, 2], source and target tokens.
        batch_tokens: target tokens of a step at most, the end of sentence included; a longer single
            pair is a step of its own.
        seed: of the run.
        epoch: from 0; each epoch groups the pairs anew.
        drawn: numbers of the pairs that the epoch has, instead of all; one may come several times.
    """
    random = np.random.default_rng([seed, _EPOCH_ORDER, epoch])
    shuffled = random.permutation(len(lengths) if drawn is None else drawn)
    order = shuffled[np.lexsort((lengths[shuffled, 0], lengths[shuffled, 1]))]
    steps = cut_by_tokens(order, lengths[order, 1].astype(np.int64) + 1, batch_tokens)
    return [steps[index] for index in random.permutation(len(steps))]


def cut_by_tokens(order: Indices, tokens: Indices, most: int) -> list[Indices]:
    """`order` in consecutive parts of at most `most` tokens each, a longer single element by itself."""
    ends = np.cumsum(tokens)
    parts, begin = [], 0
    while begin < len(order):
        before = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + most, side="right")))
        parts.append(order[begin:end])
        begin = end
    return parts
