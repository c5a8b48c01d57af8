"""Items that a translation must take over, by examples."""

from __future__ import annotations

import random

import pytest

from mtkit.evaluate.accuracy import Item, count_items, names_of, numbers_of
from mtkit.evaluate.buckets import break_down
from mtkit.evaluate.figures import count
from mtkit.evaluate.outputs import Outputs
from mtkit.metrics.significance import PairedTest
from tests.support.corpora import texts


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1 000 chats, 1,000 cats, 1.000 Katzen, 1000", ["1000"] * 4),
        ("3.5 and 3,5", ["3", "5", "3", "5"]),
        ("12345 678", ["12345", "678"]),
        ("٣ chats", ["3"]),
        ("see https://x.org/2024 and {0} %1$s", []),
        ("none", []),
        ("在2024年", ["2024"]),
    ],
)
def test_numbers(text: str, numbers: list[str]) -> None:
    assert numbers_of(text) == numbers


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Yesterday Marie met Jean-Paul. Then she left.", ["Marie", "Jean-Paul"]),
        ('He said: "Come to Rome!" Nobody did.', ["Rome"]),
        ("在Google工作", ["Google"]),
        ("", []),
    ],
)
def test_names(text: str, names: list[str]) -> None:
    assert names_of(text) == names


@pytest.mark.parametrize(
    ("kind", "hyp", "ref", "src", "counts"),
    [
        ("numbers", "Il a 4 chats", "Il a 3 chats et 4 chiens", "He has three cats and 4 dogs", (1, 2)),
        ("numbers", "", "Il a 3 chats", None, (0, 1)),
        ("names", "Hier Marie dort", "Hier Marie a vu le Caire", "Yesterday Marie saw Cairo", (1, 1)),
        ("names", "Hier marie dort", "Hier Marie dort", "Yesterday Marie slept", (0, 1)),
        ("names", "Hier Marie dort", "Hier Marie dort", None, (0, 0)),
        ("placeholders", "%d sur {nom}", "%d de {name} %s", "%d of {name} %s", (1, 3)),
        ("addresses", "Voir https://a.org", "Voir https://a.org/b", "See https://a.org/b", (0, 1)),
        ("addresses", "Écrire à x@y.org.", "Écrire à x@y.org.", "Write to x@y.org.", (1, 1)),
    ],
)
def test_items_that_are_taken_over(
    kind: Item, hyp: str, ref: str, src: str | None, counts: tuple[int, int]
) -> None:
    assert count_items(kind, [hyp], [[ref]], None if src is None else [src]) == [counts]


def test_the_kindest_reference_counts() -> None:
    assert count_items("numbers", ["3"], [["3 et 4"], ["3"]], None) == [(1, 1)]


def test_swapped_numbers_are_found_by_their_accuracy() -> None:
    rng = random.Random(1)
    refs = [f"{text} {rng.randint(10, 99)}" for text in texts()]
    other = list(refs)
    for place in rng.sample(range(len(refs)), 12):  # 3 %
        other[place] = f"{refs[place].rpartition(' ')[0]} 7"
    outputs = Outputs("", "en", {"a": refs, "b": other}, [refs])
    counted = count([refs, other], [refs], ["chrf"], "en")
    [found] = break_down(outputs, counted, ["item"], PairedTest("ar", 1000))
    assert [(bucket.label, bucket.size) for bucket in found.buckets] == [("numbers", 400)]
    [figure] = found.buckets[0].figures
    assert figure.values == (100, 97)
    assert figure.is_significant(1)
