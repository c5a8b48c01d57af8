"""Pieces spelled with those of another subword model."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from mtkit.config.data import ModelType, TokenizerConfig
from mtkit.text.respelling import respell
from mtkit.text.subwords import Subwords, train_subwords
from tests.support.corpora import texts
from tests.support.subwords import train


def spellings(piece: str, plain: dict[str, tuple[int, float]]) -> list[list[str]]:
    """All ways to cut `piece` into pieces of `plain`, by trying every cut."""
    found = []
    for cuts in product((False, True), repeat=len(piece) - 1):
        bounds = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), len(piece)]
        parts = [piece[a:b] for a, b in pairwise(bounds)]
        if all(part in plain for part in parts):
            found.append(parts)
    return found


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_a_piece_is_spelled_with_as_few_pieces_as_possible(model_type: ModelType) -> None:
    options = TokenizerConfig(vocab_size=400, num_threads=1, model_type=model_type)
    old, new = train(model_type), train_subwords(texts(), options, symbols=["⟦1⟧", "⟦2⟧"])
    plain = old.plain_pieces()
    spelled = respell(new, old)
    assert len(spelled) == new.size
    assert spelled[:4] == [(0,), (1,), (2,), (3,)]
    kinds = set()
    for token, ids in list(enumerate(spelled))[4:]:
        piece = new.pieces([token])[0]
        if "⟦" in piece:
            assert ids == (tuple(old.ids_of([piece])) if piece == "⟦1⟧" else ())
            continue
        if len(piece) > 9:
            continue
        every = spellings(piece, plain)
        kinds.add(min(len(ids), 2))
        if not every:
            assert ids == ()
            continue
        assert "".join(old.pieces(ids)) == piece
        fewest = [parts for parts in every if len(parts) == min(map(len, every))]
        total = max(sum(plain[part][1] for part in parts) for parts in fewest)
        assert len(ids) == len(fewest[0])
        assert sum(old.scores(ids)) == pytest.approx(total)
    assert {1, 2} <= kinds


def test_letters_that_the_other_model_lacks_are_not_spelled_in_bytes() -> None:
    options = TokenizerConfig(vocab_size=300, num_threads=1, byte_fallback=True, character_coverage=1.0)
    old = train_subwords(["the cat sat on the mat"] * 20, options)
    new = train_subwords(["猫坐在垫子上 the cat"] * 20, options)
    by_piece = dict(zip(new.pieces(range(new.size)), respell(new, old), strict=True))
    (token,) = by_piece["<0xE7>"]
    assert old.pieces([token]) == ["<0xE7>"]
    chinese = [ids for piece, ids in by_piece.items() if piece[-1] >= "一"]
    assert chinese
    assert not any(chinese)


def test_the_same_model_is_spelled_by_itself() -> None:
    model = train("unigram")
    assert respell(model, Subwords(model.model_bytes)) == [(token,) for token in range(model.size)]
