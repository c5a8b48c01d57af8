"""Attention copies nothing without need; its values are in tests/parity and tests/contract."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mtkit.data.feed.batch import collate
from mtkit.model.attention import attend_packed
from mtkit.model.packing import Packed, Spans
from mtkit.train.machine.packed_batch import pack


def row(*lengths: int) -> Packed:
    return pack(collate(*([np.full(length - 1, 5) for length in lengths] for _ in range(2)))).src


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_keys_and_values_of_their_own_heads_are_not_copied(kv_heads: int) -> None:
    seen: list[Tensor] = []

    def kernel(q: Tensor, k: Tensor, v: Tensor, spans: Spans) -> Tensor:
        seen.extend((k, v))
        return q

    packed = row(3, 2)
    q, (k, v) = torch.randn(1, 4, 5, 8), torch.randn(2, 1, kv_heads, 5, 8)
    attend_packed(q, k, v, Spans.between(packed, packed, kernel), dropout=0.0)
    for given, found in zip((k, v), seen, strict=True):
        assert (found.data_ptr() == given.data_ptr()) == (kv_heads == 4)
        # Adjacent heads of the queries share a head.
        assert torch.equal(found, given[:, torch.arange(4) // (4 // kv_heads)])


def test_padding_a_row_keeps_its_heads_in_one_gradient() -> None:
    """The gradient of `padded` gathers rows; it fills no tensor with zeros to take one index."""
    packed = row(3, 2)
    heads = torch.randn(1, 4, 5, 8, requires_grad=True)
    names, waiting = set(), [packed.padded(heads).grad_fn]
    while waiting:
        if (node := waiting.pop()) is not None:
            names.add(type(node).__name__)
            waiting += [parent for parent, _ in node.next_functions]
    assert "IndexCopyBackward0" in names
    assert "SelectBackward0" not in names
