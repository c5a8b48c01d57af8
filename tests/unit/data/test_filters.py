from __future__ import annotations

from collections.abc import Iterator

import pytest

from mtkit.config.schema import (
    DEFAULT_FILTERS,
    DuplicateFilter,
    EmptyFilter,
    Filter,
    LengthFilter,
    OverlapFilter,
    RatioFilter,
    TokensFilter,
)
from mtkit.data.filters import build_filters, build_token_filters
from mtkit.data.pair import Pair


def kept(
    options: Filter, pairs: list[tuple[str, str]], held_out: list[tuple[str, str]] | None = None
) -> list[int]:
    """The indexes of the pairs that one filter keeps."""
    (keeps,) = build_filters([options], [Pair(*sides) for sides in held_out or []]).values()
    return [index for index, sides in enumerate(pairs) if keeps(Pair(*sides))]


def test_empty() -> None:
    assert kept(EmptyFilter(filter="empty"), [("", "a"), ("a", ""), ("", ""), ("a", "b")]) == [3]


def test_length_counts_characters_and_includes_its_bounds() -> None:
    pairs = [
        ("a", "bbb"),
        ("aa", "bb"),
        ("a" * 4, "b" * 2),
        ("a" * 5, "bb"),
        ("\u4f60\u597d", "\U0001f600" * 4),
    ]
    assert kept(LengthFilter(filter="length", min_chars=2, max_chars=4), pairs) == [1, 2, 4]


@pytest.mark.parametrize(
    ("src", "tgt", "stays"),
    [
        ("a" * 10, "b" * 20, True),
        ("a" * 10, "b" * 21, False),
        ("a" * 21, "b" * 10, False),
        ("\u00e9" * 10, "b" * 40, True),
        ("\u00e9" * 10, "b" * 41, False),
    ],
)
def test_ratio_counts_bytes(src: str, tgt: str, stays: bool) -> None:
    assert bool(kept(RatioFilter(filter="ratio", max_ratio=2, slack=0), [(src, tgt)])) is stays


def test_ratio_with_slack_lets_short_pairs_differ() -> None:
    # (0 + 20) * 4 = 80 = 60 + 20
    pairs = [("", "b" * 60), ("", "b" * 61)]
    assert kept(RatioFilter(filter="ratio", max_ratio=4, slack=20), pairs) == [0]


def test_duplicate_keeps_the_first_of_equal_pairs() -> None:
    pairs = [("a", "b"), ("a", "c"), ("a", "b"), ("c", "b"), ("a b", ""), ("a", "b "), ("a", "b")]
    assert kept(DuplicateFilter(filter="duplicate"), pairs) == [0, 1, 3, 4, 5]


def test_overlap_drops_pairs_with_either_side_held_out() -> None:
    pairs = [("a", "x"), ("x", "b"), ("A", "y"), ("aa", "bb"), ("a", "b")]
    assert kept(OverlapFilter(filter="overlap"), pairs, [("a", "b")]) == [2, 3]


def test_an_empty_held_out_side_drops_nothing() -> None:
    assert kept(OverlapFilter(filter="overlap"), [("", "x"), ("x", "")], [("a", ""), ("", "b")]) == [0, 1]


def test_held_out_pairs_are_read_only_for_overlap() -> None:
    def unread() -> Iterator[Pair]:
        raise AssertionError
        yield

    build_filters([options for options in DEFAULT_FILTERS if options.filter != "overlap"], unread())


def test_tokens_filters_come_after_segmentation() -> None:
    filters: list[Filter] = [TokensFilter(filter="tokens", max_tokens=3), EmptyFilter(filter="empty")]
    assert list(build_filters(filters, [])) == ["empty"]
    (keeps,) = build_token_filters(filters).values()
    assert [keeps(3, 3), keeps(4, 1), keeps(1, 4), keeps(0, 0)] == [True, False, False, True]


def test_order_is_kept_and_a_second_one_of_a_kind_is_numbered() -> None:
    filters: list[Filter] = [
        LengthFilter(filter="length", max_chars=9),
        EmptyFilter(filter="empty"),
        LengthFilter(filter="length", max_chars=5),
    ]
    assert list(build_filters(filters, [])) == ["length", "empty", "length-2"]
