from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from mtkit.data.clean.column import column_of
from mtkit.data.clean.folding import fold
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
ANY_TEXT = st.text(st.characters(exclude_categories=[]))


@given(st.lists(ANY_TEXT, max_size=6))
def test_lines_are_folded_together_as_each_alone(texts: list[str]) -> None:
    column = column_of([normalize(text) for text in texts])
    assert column.folds == [fold(line) for line in column.lines]


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
