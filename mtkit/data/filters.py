"""Which training pairs are worth learning from: one small verdict per filter, true to keep.

A verdict depends on the pair alone, duplicates aside. Pairs come normalised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import assert_never

import xxhash

from mtkit.config.schema import (
    DuplicateFilter,
    EmptyFilter,
    Filter,
    LengthFilter,
    OverlapFilter,
    RatioFilter,
    TokensFilter,
)
from mtkit.data.pair import Pair

Verdict = Callable[[Pair], bool]
TokenVerdict = Callable[[int, int], bool]
"""Of the numbers of source and target tokens."""


def build_filters(filters: Sequence[Filter], held_out: Iterable[Pair]) -> dict[str, Verdict]:
    """The filters of text by name, in their order.

    Args:
        filters: as configured; those that count tokens are left to `build_token_filters`.
        held_out: validation and test pairs; read only if a filter asks for overlap with them.
    """
    found = {name: _text_verdict(options, held_out) for name, options in named(filters).items()}
    return {name: verdict for name, verdict in found.items() if verdict}


def build_token_filters(filters: Sequence[Filter]) -> dict[str, TokenVerdict]:
    """The filters that act after segmentation, by name, in their order."""
    return {
        name: _within(options.max_tokens)
        for name, options in named(filters).items()
        if isinstance(options, TokensFilter)
    }


def named(filters: Sequence[Filter]) -> dict[str, Filter]:
    """Each filter under its name; a second one of a kind gets a number, as in `length-2`."""
    seen: Counter[str] = Counter()
    result: dict[str, Filter] = {}
    for options in filters:
        kind = options.filter
        seen[kind] += 1
        result[kind if seen[kind] == 1 else f"{kind}-{seen[kind]}"] = options
    return result


def _text_verdict(options: Filter, held_out: Iterable[Pair]) -> Verdict | None:
    match options:
        case EmptyFilter():
            return lambda pair: bool(pair.src and pair.tgt)
        case LengthFilter():
            return _length(options.min_chars, options.max_chars)
        case RatioFilter():
            return _ratio(options.max_ratio, options.slack)
        case DuplicateFilter():
            return _first_time()
        case OverlapFilter():
            return _not_among(held_out)
        case TokensFilter():
            return None
        case _:
            assert_never(options)


def _length(shortest: int, longest: int) -> Verdict:
    return lambda pair: shortest <= len(pair.src) <= longest and shortest <= len(pair.tgt) <= longest


def _ratio(max_ratio: float, slack: int) -> Verdict:
    def keeps(pair: Pair) -> bool:
        src, tgt = len(pair.src.encode()) + slack, len(pair.tgt.encode()) + slack
        return max(src, tgt) <= max_ratio * min(src, tgt)

    return keeps


def _first_time() -> Verdict:
    seen: set[int] = set()

    def keeps(pair: Pair) -> bool:
        before = len(seen)
        seen.add(_hash(f"{pair.src}\t{pair.tgt}"))
        return len(seen) > before

    return keeps


def _not_among(held_out: Iterable[Pair]) -> Verdict:
    sides = {_hash(side) for pair in held_out for side in (pair.src, pair.tgt) if side}
    return lambda pair: _hash(pair.src) not in sides and _hash(pair.tgt) not in sides


def _within(max_tokens: int) -> TokenVerdict:
    return lambda src, tgt: src <= max_tokens and tgt <= max_tokens


def _hash(text: str) -> int:
    """64 bits: among 10 million texts, one false match in 300,000 corpora."""
    return xxhash.xxh3_64_intdigest(text.encode())
