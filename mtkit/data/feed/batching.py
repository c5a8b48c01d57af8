"""Plans an epoch: which pairs make up each step. Needs lengths only, never tokens; does not use torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]

_EPOCH_ORDER = 1
"""Purpose of the random stream used here; each stream is derived from (seed, purpose, epoch)."""


def plan_epoch(
    lengths: npt.NDArray[np.int32], batch_tokens: int, seed: int, epoch: int, drawn: Indices | None = None
) -> list[Indices]:
    """The pairs of each step: every pair once, pairs of similar length together, steps shuffled.

    Args:
        lengths: [pairs, 2], source and target tokens.
        batch_tokens: most target tokens of a step, EOS included; a longer pair is a step by itself.
        seed: of the run.
        epoch: from 0; each epoch groups the pairs differently.
        drawn: numbers of the pairs of this epoch, None for all; a number may occur several times.
    """
    random = np.random.default_rng([seed, _EPOCH_ORDER, epoch])
    shuffled = random.permutation(len(lengths) if drawn is None else drawn)  # [pairs of the epoch]
    order = shuffled[np.lexsort((lengths[shuffled, 0], lengths[shuffled, 1]))]  # by target, then source
    steps = cut_by_tokens(order, lengths[order, 1].astype(np.int64) + 1, batch_tokens)
    return [steps[index] for index in random.permutation(len(steps))]


def cut_by_tokens(order: Indices, tokens: Indices, most: int) -> list[Indices]:
    """Cuts `order` into consecutive parts of at most `most` tokens; a longer element is a part by itself.

    Args:
        order: [pairs], their numbers.
        tokens: [pairs], the tokens of each.
        most: tokens of a part.
    """
    ends = np.cumsum(tokens)
    parts, begin = [], 0
    while begin < len(order):
        before = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + most, side="right")))
        parts.append(order[begin:end])
        begin = end
    return parts
