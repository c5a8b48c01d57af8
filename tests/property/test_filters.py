from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from mtkit.config.filters import DEFAULT_FILTERS, DuplicateFilter, NearDuplicateFilter
from mtkit.data.filters import build_keys, build_verdict, build_verdicts
from mtkit.data.ledger import EXAMPLES, Ledger, LedgerRow
from mtkit.data.near import LeakGuard, fold
from mtkit.data.pair import Pair
from mtkit.data.report import html_report
from mtkit.data.screen import build_screen
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


@given(PAIR)
def test_equal_pairs_have_equal_keys_of_64_bits(pair: Pair) -> None:
    for options in (DuplicateFilter(filter="duplicate"), NearDuplicateFilter(filter="near_duplicate")):
        keys = build_keys(options)(pair)
        assert [*keys] == [*build_keys(options)(pair)]
        assert keys
        assert all(0 <= key < 1 << 64 for key in keys)


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
    doubts = screen([pair.src for pair in pairs], [pair.tgt for pair in pairs])
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
