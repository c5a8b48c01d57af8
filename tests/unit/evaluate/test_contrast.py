"""Contrastive pairs: each wrong twin by example; the accuracy of a model that knows one fault."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import get_args

import pytest

from mtkit.data.read.lines import read_lines
from mtkit.data.read.pair import Pair
from mtkit.evaluate.contrast import Fault, contrast, twins
from tests.support.corpora import corpus


def twin(fault: Fault, lang: str, tgt: str, src: str = "") -> str | None:
    found = [each.wrong for each in twins([Pair(src, tgt)], lang, 1) if each.fault == fault]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("lang", "right", "wrong"),
    [
        ("en", "I do not like it.", "I like it."),
        ("en", "He didn't come.", "He did come."),
        ("en", "We cannot go.", "We can go."),
        ("en", "I can't go.", "I can go."),
        ("en", "She has never slept.", "She has slept."),
        ("en", "There is no milk.", "There is milk."),
        ("en", "The notebook is here.", None),
        ("fr", "Il ne dort pas.", "Il dort."),
        ("fr", "Ce n'est pas vrai.", "C'est vrai."),
        ("fr", "Elle n’a jamais menti.", "Elle a menti."),
        ("fr", "Il dort.", None),
        ("de", "Das ist nicht wahr.", "Das ist wahr."),
        ("de", "Ich habe keinen Hund.", "Ich habe einen Hund."),
        ("de", "Kein Hund bellt.", "Ein Hund bellt."),
        ("zh", "我不知道。", "我知道。"),
        ("zh", "他没有来。", "他来。"),
        ("zh", "不但如此。", None),
        ("es", "No sé.", None),
    ],
)
def test_negation_dropped(lang: str, right: str, wrong: str | None) -> None:
    assert twin("negation dropped", lang, right) == wrong


def test_number_swapped() -> None:
    wrong = twin("number swapped", "fr", "Il a 25 ans.")
    assert wrong is not None
    assert wrong.startswith("Il a ")
    assert wrong.endswith(" ans.")
    assert wrong.split()[2].isdecimal()
    assert sum(a != b for a, b in zip(wrong, "Il a 25 ans.", strict=True)) == 1
    assert twin("number swapped", "fr", "Il a un an.") is None


def test_names_exchanged() -> None:
    assert twin("names exchanged", "fr", "Tom aime Marie.", "Tom loves Marie.") == "Marie aime Tom."
    assert twin("names exchanged", "fr", "Tom aime Paris.", "Tom loves it.") is None
    assert twin("names exchanged", "fr", "Hier Tom Jones dort.", "Tom Jones slept.") is None


@pytest.mark.parametrize(
    ("lang", "right", "wrong"),
    [
        ("en", "He came home late, but nobody was there.", "He came home late."),
        ("en", "Yes, he came home late.", None),
        ("en", "He came home late, but (as always) sober.", None),
        ("en", "He came home late.", None),
        ("zh", "他昨天很晚回家，但是没有人在那里。", "他昨天很晚回家。"),
    ],
)
def test_clause_deleted(lang: str, right: str, wrong: str | None) -> None:
    assert twin("clause deleted", lang, right) == wrong


def test_word_repeated() -> None:
    assert twin("word repeated", "de", "Er schläft.") == "Er schläft schläft."
    wrong = twin("word repeated", "zh", "他昨天回家")
    assert wrong is not None
    assert len(wrong) == 7


def test_accuracy_of_each_fault() -> None:
    pairs = [Pair("Tom has 3 cats", "Tom a 3 chats"), Pair("It is not 5", "Ce n'est pas 5"), Pair("x", "y")]

    def score(asked: Sequence[Pair]) -> list[float]:
        """Prefers short translations that have the numbers of their sources."""
        return [-len(pair.tgt) - 100 * (not set("35") & set(pair.src) <= set(pair.tgt)) for pair in asked]

    found = {bucket.label: bucket for bucket in contrast(pairs, "fr", score).buckets}
    assert {label: (bucket.size, bucket.figures[0].values[0]) for label, bucket in found.items()} == {
        "number swapped": (2, 100),
        "negation dropped": (1, 0),
        "word repeated": (1, 100),
    }


@pytest.mark.parametrize("lang", ["de", "fr"])
def test_real_references_have_twins_of_every_kind(lang: str) -> None:
    folder = corpus("wmt")
    sides = (read_lines(folder / f"newstest2013.{code}.gz") for code in ("en", lang))
    pairs = [Pair(src, tgt) for src, tgt in zip(*sides, strict=True)][:1000]
    found = twins(pairs, lang, 1)
    assert {each.fault for each in found} == set(get_args(Fault))
    for each in random.Random(1).sample(found, 200):
        assert each.wrong.strip()
        assert each.wrong != each.pair.tgt
