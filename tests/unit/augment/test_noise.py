"""Text infilling: what is kept, how much is masked, and how long the spans are."""

from __future__ import annotations

import random
import re
from statistics import mean, pvariance

import pytest

from mtkit.augment.noise import MASK, noised
from mtkit.text.normalize import normalize

TEXTS = [
    "",
    "a",
    "a b",
    "the cat sat on the mat",
    "Two young, White males are outside near many bushes.",
    "« Où est-ce ? » 10 000 ⟦1⟧ (a|b)* \\ 🙂",
    " ".join(map(str, range(300))),
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_mask_stands_for_a_span_and_everything_else_stays(text: str) -> None:
    for seed in range(200):
        found = noised(text, random.Random(seed))
        parts = [re.escape(part) for part in re.split(rf" ?{MASK} ?", found)]
        assert re.fullmatch(r"(?: ?.* ?)".join(parts), text), found
        assert f"{MASK} {MASK}" not in found
        assert found == noised(text, random.Random(seed))


def test_characters_are_masked_where_words_have_no_spaces() -> None:
    text = "今天天气很好我们去公园玩吧"
    found = {noised(text, random.Random(seed), spaced=False) for seed in range(50)}
    assert len(found) > 25
    for one in found:
        assert re.fullmatch(".*".join(map(re.escape, one.split(MASK))), text)
        assert 2 <= len(text) - len(one.replace(MASK, "")) <= 5  # 30 % of 13 is 3.9


def test_a_share_of_the_words_is_masked_in_spans_of_a_poisson_distribution() -> None:
    words = [f"w{number}" for number in range(60_000)]
    found = noised(" ".join(words), random.Random(1)).split(" ")
    assert len(words) - sum(word != MASK for word in found) == pytest.approx(18_000, abs=1)
    kept = [-1 if word == MASK else int(word[1:]) for word in [*found, "w60000"]]
    spans, before = [], -1
    for place, number in enumerate(kept):
        if number < 0:
            spans.append(kept[place + 1] - before - 1)
        else:
            before = number
    # 6,000 spans: the standard error of the mean is 0.022, that of the variance 0.06.
    assert mean(spans) == pytest.approx(3, abs=0.1)
    assert pvariance(spans) == pytest.approx(3, abs=0.3)
    assert spans.count(0) / len(spans) == pytest.approx(0.0498, abs=0.012)  # e ** -3


def test_short_texts_are_masked_as_much_in_the_mean() -> None:
    shares = [noised("a b", random.Random(seed)).split().count(MASK) for seed in range(4000)]
    assert mean(shares) == pytest.approx(0.6, abs=0.05)


def test_the_mask_survives_the_normalisation_of_text() -> None:
    assert normalize(f"a {MASK} b", "nfkc") == f"a {MASK} b"
