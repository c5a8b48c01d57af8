"""The index of similar texts finds what a comparison with every text finds."""

from __future__ import annotations

import importlib.util
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.errors import UsageError
from mtkit.text.fuzzy import FuzzyIndex, Numbers, Similar, check_rapidfuzz, fuzzy_words
from tests.support.similar import by_brute_force

lines = st.lists(st.sampled_from([*"abcd.中", "the", "the", "the"]), max_size=9).map(" ".join)


@settings(max_examples=80, deadline=None)
@given(st.lists(lines, max_size=12), lines, st.sampled_from([0.3, 0.5, 0.6, 0.7, 0.9, 1.0]))
def test_it_finds_what_brute_force_finds(texts: list[str], asked: str, threshold: float) -> None:
    index = FuzzyIndex(texts, threshold)
    assert len(index) == len(texts)
    for text in (asked, f"{asked} new words"):
        assert index.best(text) == by_brute_force(texts, text, threshold)
    for number, text in enumerate(texts):
        expected = by_brute_force(texts, text, threshold, differing=True)
        assert index.neighbour(number) == index.differing(text) == expected


def test_many_texts_of_many_words() -> None:
    rng = random.Random(1)
    words = [f"w{number}" for number in range(60)]
    texts = [" ".join(rng.choices(words, range(60, 0, -1), k=rng.randint(1, 30))) for _ in range(150)]
    for text in texts[:50]:
        some = text.split()
        for _ in range(rng.randint(1, 3)):
            some[rng.randrange(len(some))] = rng.choice(words)
        texts.append(" ".join(some))
    index = FuzzyIndex.from_arrays(FuzzyIndex(texts, 0.5).arrays())
    found = 0
    for number in range(150, 200):
        expected = by_brute_force(texts, texts[number], 0.5, differing=True)
        assert index.neighbour(number) == expected
        found += expected is not None
    assert found > 30


def test_words_are_runs_of_letters_and_digits_signs_and_characters_of_unspaced_text() -> None:
    assert fuzzy_words(" It's 3.5 m,\tno_one… ") == ["It", "'", "s", "3", ".", "5", "m", ",", "no_one", "…"]
    assert fuzzy_words("我有2本book。カード") == ["我", "有", "2", "本", "book", "。", "カ", "ー", "ド"]


def test_texts_can_be_excluded() -> None:
    texts = ["the red cat sat", "the red dog sat", "the red cow sat"]

    def is_not_last(numbers: Numbers) -> np.ndarray:
        return numbers != 2

    index = FuzzyIndex(texts, 0.5)
    assert index.best("the red pig sat") == Similar(2, 0.75)
    assert index.best("the red pig sat", is_not_last) == Similar(1, 0.75)
    assert index.best("the red cow sat", is_not_last) == Similar(1, 0.75)
    assert index.best("nothing like this") is None
    assert FuzzyIndex([], 0.5).best("a") is None


def test_a_missing_package_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    check_rapidfuzz("data.memory")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"^data\.memory: rapidfuzz is not installed\.") as caught:
        check_rapidfuzz("data.memory", "Or leave it out.")
    assert caught.value.hint == "Install it: pip install rapidfuzz. Or leave it out."
