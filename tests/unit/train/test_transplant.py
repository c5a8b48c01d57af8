"""Embeddings for another vocabulary."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from mtkit.data.prepare.shards import write_shard
from mtkit.errors import InputError
from mtkit.text.tokenizer import Tokenizer
from mtkit.train.transplant import Kind, Transplant, _rows, check_fresh, compare, transplant
from tests.support.subwords import train

WIDTH = 8


def weights(vocab_size: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return {
        "src_embedding.weight": torch.randn(vocab_size, WIDTH),
        "output.bias": torch.randn(vocab_size),
        "encoder.0.norm.weight": torch.randn(WIDTH),
    }


@pytest.fixture(scope="module")
def tokenizers() -> tuple[Tokenizer, Tokenizer]:
    """A new and an old one, which share some pieces."""
    return Tokenizer(train("unigram")), Tokenizer(train("bpe"))


def test_rows_are_those_of_the_piece_or_the_mean_of_its_spelling(
    tokenizers: tuple[Tokenizer, Tokenizer],
) -> None:
    new, old = tokenizers
    before = weights(old.src.size)
    after = transplant(before, new, old, seed=1)
    assert after["encoder.0.norm.weight"] is before["encoder.0.norm.weight"]
    same = whole = 0
    for token, piece in enumerate(new.src.pieces(range(new.src.size))):
        ids = old.src.ids_of([piece])
        row = after["src_embedding.weight"][token]
        if token > 3 and ids != [1]:
            assert torch.equal(row, before["src_embedding.weight"][ids[0]])
            assert after["output.bias"][token] == before["output.bias"][ids[0]]
            same += 1
        elif token > 3:
            # Any mean lies within the rows, and is none of them.
            assert row.abs().max() < before["src_embedding.weight"].abs().max()
            assert not (before["src_embedding.weight"] == row).all(1).any()
            whole += 1
    assert min(same, whole) > 20
    # By hand: a piece of two letters that the other model has only one by one.
    plain = old.src.plain_pieces()
    pair = next(
        piece
        for piece in new.src.plain_pieces()
        if len(piece) == 2 and piece not in plain and all(char in plain for char in piece)
    )
    rows = [before["src_embedding.weight"][plain[char][0]] for char in pair]
    (token,) = new.src.ids_of([pair])
    assert torch.allclose(after["src_embedding.weight"][token], (rows[0] + rows[1]) / 2)


def test_fresh_rows_follow_from_the_seed(tokenizers: tuple[Tokenizer, Tokenizer]) -> None:
    old = torch.zeros(5, 400)
    spelling = [(0,), (1,), (2,), (3,), (), ()]
    one, two, other = (_rows(old, spelling, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(one[:4], old[:4])
    assert one[4:].std().item() == pytest.approx(400**-0.5, rel=0.1)
    assert torch.equal(_rows(old[:, 0], spelling, torch.Generator()), torch.zeros(6))


def test_running_pieces_are_counted_as_a_loop_counts_them(
    tokenizers: tuple[Tokenizer, Tokenizer], tmp_path: Path
) -> None:
    new, old = tokenizers
    pairs = [([5, 6, 6], [7]), ([8], [5, 5, 9]), ([], [10])] * 3000
    shard = write_shard(tmp_path / "s", pairs, {"vocab_size": new.src.size})
    counts = shard.counts(new.src.size)
    assert dict(enumerate(counts[0])) == {
        token: Counter(token for src, _ in pairs for token in src)[token] for token in range(new.src.size)
    }
    assert (counts[1].sum(), counts[1, 5]) == (5 * 3000, 2 * 3000)
    found = compare(new, old, [shard])
    kinds = (found.kept, found.spelled, found.fresh)
    assert sum(kind.pieces for kind in kinds) == new.src.size
    assert sum(kind.share for kind in kinds) == pytest.approx(1)
    assert len(found.lines()) == 3


def test_too_many_fresh_pieces_are_refused() -> None:
    found = Transplant(Kind(10, 0.7), Kind(5, 0.09), Kind(3, 0.21), ("猫", "▁子"))
    check_fresh(found, 0.21)
    with pytest.raises(InputError, match=r"21\.0% of the pieces .*train\.max_fresh = 0\.2.*猫 ▁子"):
        check_fresh(found, 0.2)
