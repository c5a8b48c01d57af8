"""Text infilling of BART (Lewis et al. 2020, section 2.2): spans of a text become single masks."""

from __future__ import annotations

import math
import random

MASK = "␣"
"""Stands for a span of any length; an ordinary character, so any tokenizer can learn it."""
MASKED_SHARE = 0.3
MEAN_SPAN = 3.0


def noised(text: str, rng: random.Random, *, spaced: bool = True) -> str:
    """The text with about `MASKED_SHARE` of its words, in spans, replaced by masks.

    The lengths of spans are drawn from a Poisson distribution with the mean `MEAN_SPAN`; the last one is cut
    to the share. A span of length 0 inserts a mask. As in BART's code, spans neither overlap nor touch.

    Args:
        text: one line.
        rng: decides everything.
        spaced: whether words are separated by spaces; otherwise spans consist of characters.
    """
    units = text.split() if spaced else list(text)
    masked = math.floor(MASKED_SHARE * len(units) + rng.random())
    spans = _spans(masked, rng)
    # 1. Each span has a gap of its own before, between or after the units that stay.
    kept = len(units) - masked
    gaps = set(rng.sample(range(kept + 1), min(len(spans), kept + 1)))
    if len(spans) > len(gaps):  # a short text: the spans left over are joined to one
        spans = [*spans[: len(gaps) - 1], sum(spans[len(gaps) - 1 :])]
    # 2. Walk through the gaps; a span takes the units that follow.
    found, place, remaining = [], 0, iter(spans)
    for gap in range(kept + 1):
        if gap in gaps:
            found.append(MASK)
            place += next(remaining)
        if gap < kept:
            found.append(units[place])
            place += 1
    return (" " if spaced else "").join(found)


def _spans(total: int, rng: random.Random) -> list[int]:
    """Lengths of spans that add up to `total`."""
    spans: list[int] = []
    while (rest := total - sum(spans)) > 0:
        spans.append(min(rest, _poisson(MEAN_SPAN, rng)))
    return spans


def _poisson(mean: float, rng: random.Random) -> int:
    """A number from a Poisson distribution (Knuth 1969, section 3.4.1)."""
    bound, product, count = math.exp(-mean), rng.random(), 0
    while product > bound:
        product *= rng.random()
        count += 1
    return count
