"""Sentences concatenated in one row without padding, and attention within each of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Packed:
    """One side of a batch without padding.

    Where attention has no kernel for this form, the sentences are laid out in rows of one length, several in
    a row if they fit, and each token sees only those of its own sentence.

    Attributes:
        ids: [tokens], of all sentences in turn; the last ones may belong to no sentence.
        positions: [tokens], the position of each token in its sentence.
        begins: [sentences + 1] int32, the first token of each sentence, and the end of the last sentence.
        max_len: an upper bound of the sentence lengths.
        places: [tokens], the index of each token in the rows, flattened; padding for tokens of no sentence.
        owners: [rows, row_len], the sentence of each place of the rows; -1 is padding.
    """

    ids: Tensor
    positions: Tensor
    begins: Tensor
    max_len: int
    places: Tensor
    owners: Tensor

    def padded(self, heads: Tensor) -> Tensor:
        """Lays [1, num_heads, tokens, d_head] out in rows, [rows, num_heads, row_len, d_head].

        Padding is zero.
        """
        tokens = heads.squeeze(0).transpose(0, 1)  # [tokens, num_heads, d_head]
        empty = tokens.new_zeros(self.owners.numel(), *tokens.shape[1:])  # [places, num_heads, d_head]
        laid = empty.index_copy(0, self.places, tokens)
        return laid.view(*self.owners.shape, *tokens.shape[1:]).transpose(1, 2)

    def unpadded(self, heads: Tensor) -> Tensor:
        """Undoes `padded`."""
        tokens = (
            heads.transpose(1, 2).flatten(0, 1).index_select(0, self.places)
        )  # [tokens, num_heads, d_head]
        return tokens.transpose(0, 1).unsqueeze(0)


@dataclass(frozen=True, slots=True)
class Spans:
    """The mask of packed sentences: tokens attend only to tokens of the same sentence.

    Attributes:
        queries: the side that attends.
        keys: the side that is attended to, with the same sentences.
        causal: whether tokens attend only to those before them and to themselves.
        kernel: attention without padding; None for attention in rows.
        mask: [rows, 1, query places, key places], true = may be attended to; None for a kernel.
    """

    queries: Packed
    keys: Packed
    causal: bool
    kernel: Kernel | None
    mask: Tensor | None

    @staticmethod
    def between(queries: Packed, keys: Packed, kernel: Kernel | None, causal: bool = False) -> Spans:
        """The spans of these sides."""
        if kernel is not None:
            return Spans(queries, keys, causal, kernel, None)
        # Padding sees what the first sentence of its row sees, because a softmax over no keys would be NaN.
        seeing = torch.where(queries.owners < 0, queries.owners[:, :1], queries.owners)
        mask = seeing[:, :, None] == keys.owners[:, None, :]
        return Spans(queries, keys, causal, None, (mask.tril() if causal else mask).unsqueeze(1))


Kernel: TypeAlias = Callable[[Tensor, Tensor, Tensor, Spans], Tensor]
"""Like `attention.attend` without dropout, for queries, keys and values [1, num_heads, tokens, d_head]."""


def has_kernel(device: torch.device, dtype: torch.dtype, d_head: int) -> bool:
    """Whether torch's attention for packed rows is available: FlashAttention, without dropout."""
    return (
        device.type == "cuda"
        and dtype in (torch.bfloat16, torch.float16)
        and d_head % 8 == 0
        and d_head <= 256
        and torch.cuda.get_device_capability(device) >= (8, 0)
    )


def load_kernel() -> Kernel:
    """Torch's attention for packed rows. The call takes seconds because it loads torch's compiler."""
    from torch.nn.attention.varlen import varlen_attn

    names = inspect.signature(varlen_attn).parameters
    causally: dict[str, Any] = {"window_size": (-1, 0)} if "window_size" in names else {"is_causal": True}

    def attend(q: Tensor, k: Tensor, v: Tensor, spans: Spans) -> Tensor:
        found = varlen_attn(
            # Unlike an index, `squeeze` has a gradient that copies nothing.
            q.squeeze(0).transpose(0, 1),  # [tokens, num_heads, d_head]
            k.squeeze(0).transpose(0, 1),
            v.squeeze(0).transpose(0, 1),
            spans.queries.begins,
            spans.keys.begins,
            spans.queries.max_len,
            spans.keys.max_len,
            **(causally if spans.causal else {}),
        )
        assert isinstance(found, Tensor)
        return found.transpose(0, 1).unsqueeze(0)

    return attend
