from __future__ import annotations

from pathlib import Path

import pytest

from mtkit.errors import InputError
from mtkit.runs.word_table import MAX_BYTES, WordTable, parse_table, table_bytes
from mtkit.train import word_lexicon
from mtkit.train.word_lexicon import bounded_bytes, learn_words
from tests.support.lexicons import DICTIONARY, made_up_pairs, made_up_table


def best(table: WordTable, side: int, word: str) -> str:
    (first, _), *_ = table.links[side].of(table.words[side].index(word))
    return table.words[1 - side][first]


def test_each_word_is_translated_best_as_the_dictionary_says() -> None:
    table = made_up_table()
    assert {word: best(table, 0, word) for word in DICTIONARY} == DICTIONARY
    assert {best(table, 1, word): word for word in DICTIONARY.values()} == DICTIONARY
    assert table.counts[0][table.words[0].index("der")] == table.num_pairs == 1500


def test_the_most_probable_translations_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_lexicon, "MOST", 3)
    monkeypatch.setattr(word_lexicon, "LEAST", 1e-6)
    for links in made_up_table().links:
        for word in range(len(links.offsets) - 1):
            probs = [prob for _, prob in links.of(word)]
            assert len(probs) <= 3
            assert probs == sorted(probs, reverse=True)
            assert probs[0] <= 1


def test_rare_words_are_left_out() -> None:
    table = learn_words([*made_up_pairs(), ("Der Einhorn.", "The unicorn.")], ("de", "en"))
    assert "einhorn" not in table.words[0]
    assert "unicorn" not in table.words[1]


def test_chinese_is_learned_by_character() -> None:
    pairs = [("red tree", "红树"), ("red house", "红房"), ("big tree", "大树"), ("big house", "大房")] * 3
    table = learn_words(pairs, ("en", "zh"))
    found = {word: best(table, 0, word) for word in ("red", "tree", "big", "house")}
    assert found == {"red": "红", "tree": "树", "big": "大", "house": "房"}


def test_the_result_is_the_same_again() -> None:
    assert table_bytes(made_up_table()) == table_bytes(made_up_table())


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_lexicon, "CELLS", 400)
    assert 10 < made_up_table().num_pairs < 40


def test_without_words_there_is_nothing_to_learn() -> None:
    with pytest.raises(InputError):
        learn_words([("...", "!"), ("", "")], ("de", "en"))


def test_a_large_lexicon_loses_its_rarest_words(monkeypatch: pytest.MonkeyPatch) -> None:
    table, most = made_up_table(), 900
    assert MAX_BYTES == 3_000_000
    monkeypatch.setattr(word_lexicon, "MAX_BYTES", most)
    content = bounded_bytes(table)
    assert len(content) <= most < len(table_bytes(table))
    smaller = parse_table(content, Path("x"))
    for side in (0, 1):
        kept = len(smaller.words[side])
        assert 1 <= kept < len(table.words[side])
        assert smaller.words[side] == table.words[side][:kept]
        assert list(smaller.counts[side]) == table.counts[side][:kept]
        there = set(smaller.words[1 - side])
        for word in range(kept):
            given = [(table.words[1 - side][other], prob) for other, prob in table.links[side].of(word)]
            found = [(smaller.words[1 - side][other], prob) for other, prob in smaller.links[side].of(word)]
            assert found == [(name, prob) for name, prob in given if name in there]
