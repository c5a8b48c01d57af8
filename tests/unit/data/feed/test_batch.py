from __future__ import annotations

import numpy as np
import pytest
import torch

from mtkit.data.feed.batch import collate, pad_sources
from mtkit.text.tokenizer import Tokenizer

PAD, BOS, EOS = Tokenizer.PAD, Tokenizer.BOS, Tokenizer.EOS


def test_collate_adds_the_marks_and_pads() -> None:
    batch = collate([np.array([5, 6]), np.array([7])], [np.array([8]), np.array([9, 10])])
    assert batch.src_ids.tolist() == [[5, 6, EOS], [7, EOS, PAD]]
    assert batch.src_mask.tolist() == [[True, True, True], [True, True, False]]
    assert batch.tgt_in.tolist() == [[BOS, 8, PAD], [BOS, 9, 10]]
    assert batch.tgt_out.tolist() == [8, EOS, 9, 10, EOS]
    assert batch.num_tgt_tokens == 5


def test_tgt_rows_point_at_the_predictions_of_tgt_out() -> None:
    batch = collate([np.array([5]), np.array([7])], [np.array([8]), np.array([9, 10])])
    inputs = batch.tgt_in.flatten()[batch.tgt_rows]
    assert inputs.tolist() == [BOS, 8, BOS, 9, 10]  # each token's predecessor


def test_compact_ids_become_int64() -> None:
    batch = collate([np.array([65535], np.uint16)], [np.array([4], np.uint16)])
    assert batch.src_ids.dtype == torch.int64
    assert batch.src_ids[0, 0] == 65535


def test_an_empty_source_is_its_end() -> None:
    ids, mask = pad_sources([[], [4]])
    assert ids.tolist() == [[EOS, PAD], [4, EOS]]
    assert mask.tolist() == [[True, False], [True, True]]


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 9])
def test_parts_are_the_batches_of_their_pairs(parts: int) -> None:
    srcs = [np.arange(4, 4 + length) for length in (3, 1, 6, 2, 5)]
    tgts = [np.arange(4, 4 + length) for length in (2, 7, 0, 1, 4)]
    size = -(-5 // parts)
    expected = [collate(srcs[i : i + size], tgts[i : i + size]) for i in range(0, 5, size)]
    found = collate(srcs, tgts).split(parts)
    assert len(found) == len(expected) <= parts
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.num_tgt_tokens == theirs.num_tgt_tokens
        for name in ("src_ids", "src_mask", "tgt_in", "tgt_out", "tgt_rows"):
            assert torch.equal(getattr(ours, name), getattr(theirs, name))
