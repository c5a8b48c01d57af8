from __future__ import annotations

import pytest

from mtkit.errors import InputError
from mtkit.metrics.surface import score_corpus

REFS = ["The cat sat on the mat.", "It rains in the north today."]


def test_equal_text_is_perfect_and_each_score_carries_its_recipe() -> None:
    bleu, chrf, ter = score_corpus(REFS, REFS, ["bleu", "chrf", "ter"], "en")
    assert [score.value for score in (bleu, chrf, ter)] == pytest.approx([100, 100, 0])
    assert "tok:13a" in bleu.signature
    assert "nc:6" in chrf.signature
    assert "tok:tercom" in ter.signature


@pytest.mark.parametrize(
    ("language", "tokenizer"),
    [("zh", "zh"), ("zh-Hans", "zh"), ("zh_CN", "zh"), ("ja", "char"), ("fr", "13a")],
)
def test_the_language_decides_how_words_are_told_apart(language: str, tokenizer: str) -> None:
    [bleu] = score_corpus(REFS, REFS, ["bleu"], language)
    assert f"tok:{tokenizer}|" in bleu.signature


def test_chinese_is_scored_by_character() -> None:
    bleu, ter = score_corpus(["今天天气很好。"], ["今天天气不好。"], ["bleu", "ter"], "zh")
    assert bleu.value > 25
    assert ter.value == pytest.approx(100 / 7)


def test_unequal_counts_are_refused_with_both() -> None:
    with pytest.raises(InputError, match=r"1 translations?, but 2 references"):
        score_corpus(REFS[:1], REFS, ["bleu"], "en")


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(InputError, match="nothing to score"):
        score_corpus([], [], ["bleu"], "en")
