from __future__ import annotations

import copy

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mtkit.config.filters import DEFAULT_FILTERS, DuplicateFilter, NearDuplicateFilter
from mtkit.data.clean.column import Column, column_of
from mtkit.data.clean.filters import build_keys, build_verdict, build_verdicts
from mtkit.data.clean.folding import fold
from mtkit.data.clean.leaks import LeakGuard
from mtkit.data.clean.screen import build_screen
from mtkit.data.prepare.ledger import EXAMPLES, Ledger, LedgerRow
from mtkit.data.prepare.report import html_report
from mtkit.data.read.pair import Pair
from mtkit.text.normalize import normalize

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
PAIR = st.builds(Pair, TEXT, TEXT, st.just("f:1"))
WORDS = st.lists(
    st.sampled_from(["house", "river", "of", "green", "\u4f60\u597d"]), min_size=3, max_size=12
).map(" ".join)
ALIKE = st.builds(Pair, WORDS, WORDS, st.just("f:1"))
ANY_TEXT = st.text(st.characters(exclude_categories=[]))
LANGUAGES = st.sampled_from(["en", "fr", "zh", "ja", "ru", "th", "sr-Latn", "xx"])


@given(pairs=st.lists(PAIR, max_size=6), src_lang=LANGUAGES, tgt_lang=LANGUAGES)
def test_a_verdict_depends_on_the_pair_alone(pairs: list[Pair], src_lang: str, tgt_lang: str) -> None:
    built = build_verdicts(DEFAULT_FILTERS, src_lang, tgt_lang)
    together = [[verdict(pair) for _, verdict in built] for pair in pairs]
    alone = [
        [verdict(pair) for _, verdict in build_verdicts(DEFAULT_FILTERS, src_lang, tgt_lang)]
        for pair in reversed(pairs)
    ]
    assert together == alone[::-1]


def columns(pairs: list[Pair]) -> tuple[Column, Column]:
    return column_of([pair.src for pair in pairs]), column_of([pair.tgt for pair in pairs])


@given(PAIR, PAIR)
def test_the_keys_of_a_pair_depend_on_it_alone(pair: Pair, other: Pair) -> None:
    for options in (
        DuplicateFilter(filter="duplicate"),
        DuplicateFilter(filter="duplicate", side="src", fold=True),
        NearDuplicateFilter(filter="near_duplicate"),
    ):
        alone = build_keys(options)(*columns([pair]), [0])
        assert alone.dtype == np.uint64
        assert alone.shape[0] == 1
        assert build_keys(options)(*columns([other, pair]), [1]).tolist() == alone.tolist()


@given(st.lists(ANY_TEXT, max_size=6))
def test_lines_are_folded_together_as_each_alone(texts: list[str]) -> None:
    column = column_of([normalize(text) for text in texts])
    assert column.folds == [fold(line) for line in column.lines]


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


@given(pairs=st.lists(PAIR, max_size=6), src_lang=LANGUAGES, tgt_lang=LANGUAGES)
def test_what_the_screen_clears_is_kept(pairs: list[Pair], src_lang: str, tgt_lang: str) -> None:
    screen = build_screen(DEFAULT_FILTERS, src_lang, tgt_lang)
    doubts = screen(*columns(pairs))
    for options, doubted in zip(DEFAULT_FILTERS, doubts, strict=True):
        verdict = build_verdict(options, src_lang, tgt_lang)
        assert doubted is None or verdict
        if verdict and doubted is not None:
            assert doubted.shape == (len(pairs),)
            dropped = [verdict(pair) is not None for pair in pairs]
            assert all(may for may, falls in zip(doubted.tolist(), dropped, strict=True) if falls)


# ---------------------------------------------------------------- the ledger

EVENTS = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["", "ratio", "empty"]), TEXT), max_size=40
)


def enter(events: list[tuple[str, str, str]]) -> Ledger:
    ledger = Ledger([LedgerRow("a"), LedgerRow("b")])
    for source, name, text in events:
        if name:
            ledger.row(source).drop(name, Pair(text, text), "why")
        else:
            ledger.row(source).keep()
    return ledger


@given(EVENTS, st.integers(0, 40), st.integers(0, 40))
def test_ledgers_of_chunks_add_up_however_they_are_grouped(
    events: list[tuple[str, str, str]], one: int, two: int
) -> None:
    first, second = sorted((one, two))
    chunks = [enter(part) for part in (events[:first], events[first:second], events[second:])]
    left = copy.deepcopy(chunks[0])
    left.add(chunks[1])
    left.add(chunks[2])
    end = copy.deepcopy(chunks[1])
    end.add(chunks[2])
    right = copy.deepcopy(chunks[0])
    right.add(end)
    assert left == right == enter(events)


@given(EVENTS)
def test_kept_and_dropped_is_what_was_read(events: list[tuple[str, str, str]]) -> None:
    ledger = enter(events)
    assert all(row.is_balanced for row in ledger.rows)
    assert ledger.total().read == len(events)
    assert all(len(found) <= EXAMPLES for row in ledger.rows for found in row.examples.values())
    assert html_report("x", ledger)
