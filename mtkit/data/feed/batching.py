"""Plans an epoch: which pairs make up each step. Needs lengths only, never tokens; does not use torch."""

from __future__ import annotations

from typing import assert_never

import numpy as np
import numpy.typing as npt

from mtkit.config.fixed import Batching

Indices = npt.NDArray[np.int64]

_EPOCH_ORDER = 1
"""Purpose of the random stream used here; each stream is derived from (seed, purpose, epoch)."""


def plan_epoch(
    lengths: npt.NDArray[np.int32],
    batch_tokens: int,
    seed: int,
    epoch: int,
    drawn: Indices | None = None,
    batching: Batching = "random",
) -> list[Indices]:
    """The pairs of each step, every pair once. Within a step they are sorted by target and source length.

    The plan depends neither on the number of ranks nor on how they compute a step.

    Args:
        lengths: [pairs, 2], source and target tokens.
        batch_tokens: most target tokens of a step, EOS included; a longer pair is a step by itself.
        seed: of the run.
        epoch: from 0; each epoch groups the pairs differently.
        drawn: numbers of the pairs of this epoch, None for all; a number may occur several times.
        batching: how pairs are grouped.
    """
    random = np.random.default_rng([seed, _EPOCH_ORDER, epoch])
    order = random.permutation(len(lengths) if drawn is None else drawn)  # [pairs of the epoch]
    match batching:
        case "random":
            steps = _cut(lengths, order, batch_tokens)
            return [_sorted(lengths, step) for step in steps]
        case "by_length":
            steps = _cut(lengths, _sorted(lengths, order), batch_tokens)
            return [steps[index] for index in random.permutation(len(steps))]
        case _:
            assert_never(batching)


def _sorted(lengths: npt.NDArray[np.int32], pairs: Indices) -> Indices:
    """The pairs by target length, then by source length."""
    return pairs[np.lexsort((lengths[pairs, 0], lengths[pairs, 1]))]


def _cut(lengths: npt.NDArray[np.int32], pairs: Indices, batch_tokens: int) -> list[Indices]:
    return cut_by_tokens(pairs, lengths[pairs, 1].astype(np.int64) + 1, batch_tokens)


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


def cut_step(pairs: Indices, tokens: Indices, most: int | None, parts: int) -> list[Indices]:
    """Cuts the pairs of a step into micro-batches.

    Args:
        pairs: [pairs], their numbers.
        tokens: [pairs], the target tokens of each.
        most: tokens of a micro-batch on all ranks; None for all.
        parts: the least number of micro-batches, if there are enough pairs.
    """
    even = -(-int(tokens.sum()) // parts)
    return cut_by_tokens(pairs, tokens, even if most is None else min(most, even))
