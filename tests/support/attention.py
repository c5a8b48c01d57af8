"""Attention by the plain kernel of torch."""

from __future__ import annotations

import torch
from torch import Tensor

from mtkit.model.packing import Spans


def sentence_by_sentence(q: Tensor, k: Tensor, v: Tensor, spans: Spans) -> Tensor:
    """What a kernel for packed rows gives, by torch's own attention of each sentence."""
    assert q.shape[1] == k.shape[1] == v.shape[1]
    assert spans.queries.begins.dtype == spans.keys.begins.dtype == torch.int32
    out, bounds = [], [row.begins.tolist() for row in (spans.queries, spans.keys)]
    for begin, end, first, last in zip(*(side for b in bounds for side in (b[:-1], b[1:])), strict=True):
        assert (end - begin > 0) == (last - first > 0)  # a kernel may not know what nothing attends to
        assert end - begin <= spans.queries.max_len
        assert last - first <= spans.keys.max_len
        parts = q[:, :, begin:end], k[:, :, first:last], v[:, :, first:last]
        if end > begin:
            out.append(torch.nn.functional.scaled_dot_product_attention(*parts, is_causal=spans.causal))
    assert end == q.shape[2]
    return torch.cat(out, dim=2)
