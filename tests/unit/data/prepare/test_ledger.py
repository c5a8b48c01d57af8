from __future__ import annotations

import json

import pytest

from mtkit.data.prepare.ledger import EXAMPLES, Example, Ledger, LedgerRow
from mtkit.data.read.pair import Pair
from mtkit.errors import InputError


def ledger() -> Ledger:
    made = Ledger()
    row = made.row("a.tsv")
    row.keep(2)
    row.drop("ratio", Pair("s", "t", "a.tsv:3"), "ratio 7.2 > 2")
    row.repair("control characters", 3)
    made.row("b.tsv").drop("empty", Pair("", "t"))
    return made


def test_what_is_entered_is_counted() -> None:
    row = ledger().row("a.tsv")
    assert (row.read, row.kept, row.dropped, row.repairs) == (3, 2, {"ratio": 1}, {"control characters": 3})
    assert row.examples == {"ratio": [Example("s", "t", "a.tsv:3", "ratio 7.2 > 2")]}
    assert row.is_balanced


def test_the_total_is_over_all_corpora() -> None:
    total = ledger().total()
    assert (total.read, total.kept, total.dropped) == (4, 2, {"ratio": 1, "empty": 1})


def test_only_the_first_examples_are_kept() -> None:
    row = LedgerRow("a")
    for number in range(EXAMPLES + 3):
        row.drop("empty", Pair(str(number), ""))
    assert [example.src for example in row.examples["empty"]] == [str(number) for number in range(EXAMPLES)]
    assert row.dropped == {"empty": EXAMPLES + 3}


def test_json_gives_back_the_same() -> None:
    assert Ledger.from_json(json.loads(json.dumps(ledger().to_json()))) == ledger()


def test_a_later_version_is_refused() -> None:
    with pytest.raises(InputError, match="mtkit-ledger 99"):
        Ledger.from_json(ledger().to_json() | {"version": 99})


def test_a_ledger_that_does_not_add_up_is_refused() -> None:
    data = ledger().to_json()
    data["rows"][0]["kept"] += 1
    with pytest.raises(InputError, match=r"a\.tsv: 3 pairs read, but 3 kept and 1 dropped"):
        Ledger.from_json(data)
