"""The training pairs whose sources are most like a sentence. Free of torch."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mtkit.data.prepare.shard_texts import TrainingText
from mtkit.data.prepare.shards import Shard

_CANDIDATES = 50
"""Pairs with the most pieces in common, of which those with the best chrF are chosen."""
_PAIRS_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training pair.

    Attributes:
        src: its source.
        tgt: its target.
        chrf: of its source against the sentence, from 0 to 100.
    """

    src: str
    tgt: str
    chrf: float


def nearest_pairs(training: TrainingText, text: str, src_lang: str, count: int) -> list[Neighbour]:
    """The `count` training pairs whose sources are most like `text` by sentence chrF, the best first.

    Only pairs are compared that share the most pieces with it, rare ones counting more: by Dice's coefficient
    of the sets of pieces, each weighted by the logarithm of its inverse frequency.
    """
    from mtkit.metrics.surface import METRICS, inputs_of, segment_scores

    tokenizer = training.tokenizer
    [wanted] = tokenizer.encode([text])
    size = tokenizer.src.size
    counts = sum((shard.counts(size)[0] for shard in training.shards), np.zeros(size, np.int64))
    weights = np.log((counts.sum() + 1) / (counts + 1)).astype(np.float32)
    weights[tokenizer.tag_ids(tokenizer.src.tags)] = 0
    found = heapq.nlargest(
        _CANDIDATES,
        (
            (score, number, place)
            for number, shard in enumerate(training.shards)
            for score, place in _best_of(shard, wanted, weights)
        ),
    )
    pairs = dict.fromkeys(training.pair(number, place) for score, number, place in found if score > 0)
    srcs = [src for src, _ in pairs]
    scores = segment_scores(METRICS["chrf"], srcs, inputs_of([[text] * len(srcs)], None), src_lang)
    neighbours = [Neighbour(*pair, score) for pair, score in zip(pairs, scores, strict=True)]
    return sorted(neighbours, key=lambda each: -each.chrf)[:count]


def _best_of(
    shard: Shard, wanted: Sequence[int], weights: npt.NDArray[np.float32]
) -> list[tuple[float, int]]:
    """The best candidates of a shard, with their coefficients."""
    in_wanted = np.zeros(len(weights), bool)
    in_wanted[list(wanted)] = True
    total = weights[in_wanted].sum()
    best: list[tuple[float, int]] = []
    for begin in range(0, len(shard), _PAIRS_AT_ONCE):
        ids, lengths = shard.sources(begin, begin + _PAIRS_AT_ONCE)
        rows = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
        once = np.unique(rows * len(weights) + ids)  # each piece of a source once
        rows, ids = np.divmod(once, len(weights))
        own = np.bincount(rows, weights[ids], len(lengths))
        common = np.bincount(rows, weights[ids] * in_wanted[ids], len(lengths))
        scores = 2 * common / np.maximum(own + total, 1e-9)
        places = np.argsort(-scores, kind="stable")[:_CANDIDATES]
        best += [(float(scores[place]), begin + int(place)) for place in places]
    return heapq.nlargest(_CANDIDATES, best)
