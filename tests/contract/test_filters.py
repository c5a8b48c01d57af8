"""What every filter keeps: it judges a pair alone, and its screen clears only what its verdict keeps."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.config.filters import DuplicateFilter, Filter, LanguageFilter
from mtkit.data.clean.folding import fold
from mtkit.data.clean.judging import Judge, Repeats, build_filter
from mtkit.data.clean.leaks import LeakGuard
from mtkit.data.read.pair import Pair
from mtkit.text.normalize import normalize
from tests.support.filters import columns, one_of_each

FILTERS: list[Filter] = [*one_of_each(), DuplicateFilter(filter="duplicate", side="src", fold=True)]
TEXT = st.text(max_size=60).map(normalize) | st.sampled_from(
    [
        "http://a.b/c d",
        "12 34 56",
        "<b>x</b> &amp;",
        "\u00c3\u00a9t\u00c3\u00a9",
        "ha " * 20,
        "\u4f60\u597d" * 20,
    ]
).map(normalize)
SCORE = st.none() | st.floats(0, 1)
PAIR = st.builds(Pair, TEXT, TEXT, st.just("f:1"), score=SCORE)
WORDS = st.lists(
    st.sampled_from(["house", "river", "of", "green", "\u4f60\u597d"]), min_size=3, max_size=12
).map(" ".join)
ALIKE = st.builds(Pair, WORDS, WORDS, st.just("f:1"))
LANGUAGES = st.sampled_from(["en", "fr", "zh", "ja", "ru", "th", "sr-Latn", "xx"])
EVERY = pytest.mark.parametrize("options", FILTERS, ids=lambda options: options.filter)


@functools.cache
def build_language(options: LanguageFilter) -> object:
    """Once, since it loads a model, and of languages that it knows."""
    pytest.importorskip("py3langid")
    return build_filter(options, "en", "fr")


def build(options: Filter, src_lang: str, tgt_lang: str, held_out: list[Pair]) -> object:
    if isinstance(options, LanguageFilter):
        return build_language(options)
    return build_filter(options, src_lang, tgt_lang, held_out)


@EVERY
@given(pairs=st.lists(PAIR | ALIKE, max_size=5), src_lang=LANGUAGES, tgt_lang=LANGUAGES)
def test_a_pair_is_judged_alone(options: Filter, pairs: list[Pair], src_lang: str, tgt_lang: str) -> None:
    """Whatever its neighbours, and by a filter that was built elsewhere."""
    held_out = pairs[:1]
    for number, pair in enumerate(pairs):
        first, second = (build(options, src_lang, tgt_lang, held_out) for _ in range(2))
        match first, second:
            case Judge(), Judge():
                found = [first.verdict(other) for other in pairs]
                assert found[number] == second.verdict(pair)
                assert found[number] is None or found[number]
            case Repeats(), Repeats():
                alone = second.keys(*columns([pair]), [0])
                assert first.keys(*columns(pairs), [number]).tolist() == alone.tolist()
            case LeakGuard(), LeakGuard():
                found_there = first.find_all(*columns(pairs)).get(number, [])
                assert found_there == second.find(pair.src, pair.tgt)
            case None, None:
                assert options.filter == "tokens"  # which acts after segmentation
            case _:
                raise AssertionError(f"{options.filter}: two kinds")


@EVERY
@given(pairs=st.lists(PAIR, max_size=6), src_lang=LANGUAGES, tgt_lang=LANGUAGES)
def test_the_screen_clears_only_what_the_verdict_keeps(
    options: Filter, pairs: list[Pair], src_lang: str, tgt_lang: str
) -> None:
    judge = build(options, src_lang, tgt_lang, [])
    if isinstance(judge, Judge) and judge.screen is not None:
        doubted = judge.screen(*columns(pairs))
        assert doubted.dtype == bool
        assert doubted.shape == (len(pairs),)
        dropped = [judge.verdict(pair) is not None for pair in pairs]
        assert all(may for may, falls in zip(doubted.tolist(), dropped, strict=True) if falls)


@given(held_out=st.lists(PAIR | ALIKE, max_size=6), pairs=st.lists(PAIR | ALIKE, max_size=8))
def test_what_the_leak_guard_does_not_suspect_it_does_not_find(
    held_out: list[Pair], pairs: list[Pair]
) -> None:
    guard = LeakGuard(held_out, 0.75)
    suspected = guard.screen(*columns(pairs))
    assert all(may for may, pair in zip(suspected.tolist(), pairs, strict=True) if guard(pair))
    found = {number: hits for number, pair in enumerate(pairs) if (hits := guard.find(pair.src, pair.tgt))}
    assert guard.find_all(*columns(pairs)) == found


@given(held_out=st.lists(PAIR, max_size=4), pair=PAIR)
def test_held_out_text_is_always_found(held_out: list[Pair], pair: Pair) -> None:
    guard = LeakGuard(held_out, 0.75)
    for held in held_out:
        if fold(held.src):
            assert guard(Pair(held.src.upper(), pair.tgt)) or fold(held.src.upper()) != fold(held.src)
            assert guard(Pair(pair.src, held.src)) is not None
