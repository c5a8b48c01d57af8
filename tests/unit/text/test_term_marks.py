"""Terms between marks in the ids of a source: taken out again, nothing is left of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from mtkit.config.data import TokenizerConfig
from mtkit.text.subwords import Subwords, train_subwords
from mtkit.text.term_marks import BEGIN, END, IS, TERM_MARKS, InlineTerm, write_terms

TEXTS = ["a red house by the old tree", "the cats (two) see it, and a dog: near it!", "红椅在家里"]


@pytest.fixture(scope="module")
def model() -> Subwords:
    options = TokenizerConfig(vocab_size=90, character_coverage=1.0)
    return train_subwords(TEXTS * 20, options, tags=["<2de>", *TERM_MARKS])


def shown(model: Subwords, ids: Sequence[int]) -> str:
    return "".join(model.pieces(ids)).replace("▁", " ").strip()


@pytest.mark.parametrize(
    ("text", "src", "expected"),
    [
        ("a red house", "red", f"a{BEGIN} red{IS} dog{END} house"),
        ("a red house", "a", f"{BEGIN} a{IS} dog{END} red house"),
        ("the cats (two)", "two", f"the cats ({BEGIN}two{IS} dog{END})"),
        ("the old tree", "old tree", f"the{BEGIN} old tree{IS} dog{END}"),
    ],
)
def test_a_term_follows_its_source(model: Subwords, text: str, src: str, expected: str) -> None:
    (ids, tgt_ids) = model.encode([text, "dog"])
    inline = InlineTerm(text.index(src), text.index(src) + len(src), tgt_ids)
    letters = [model.ids_of([piece])[0] for piece in f"▁{text}".replace(" ", "▁")]  # each is a piece
    for segmentation in (ids, letters):
        written, found = write_terms(model, text, segmentation, [inline])
        if found or segmentation is letters:
            assert shown(model, written) == expected.strip()


def test_without_the_marks_and_the_terms_the_source_is_left(model: Subwords) -> None:
    draw = random.Random(3)
    begin, middle, end = model.ids_of(TERM_MARKS)
    count = 0
    for _ in range(300):
        text = draw.choice(TEXTS)
        (ids,) = model.encode([text])
        terms = []
        for _ in range(3):
            first, last = sorted(draw.sample(range(len(text) + 1), 2))
            terms.append(InlineTerm(first, last, model.encode([draw.choice(["dog", "a tree"])])[0]))
        written, found = write_terms(model, text, ids, terms)
        assert all(one.end <= other.start for one, other in pairwise(found))
        assert written.count(begin) == written.count(middle) == written.count(end) == len(found)
        left, inside = [], False
        for token in written:
            if token in (middle, end):
                inside = token == middle
            elif token != begin and not inside:
                left.append(token)
        assert left == ids
        count += len(found)
    assert count > 100


def test_text_with_unknown_characters_and_pieces_that_reach_over_get_none(model: Subwords) -> None:
    (ids, tgt_ids) = model.encode(["a ŵ house", "dog"])
    assert write_terms(model, "a ŵ house", ids, [InlineTerm(0, 1, tgt_ids)]) == (ids, [])
    (ids,) = model.encode(["house"])
    if len(ids) == 1:
        assert write_terms(model, "house", ids, [InlineTerm(1, 5, tgt_ids)]) == (ids, [])


def test_the_marks_are_no_tags_no_text_gives_them_and_they_spell_none(model: Subwords) -> None:
    assert model.tags == ("2de",)
    marks = model.ids_of(TERM_MARKS)
    assert not set(marks) & set(model.encode(["".join(TERM_MARKS)])[0])
    (dog,) = model.encode(["dog"])
    assert model.decode([[marks[0], *dog, *marks[1:]]]) == ["dog"]
