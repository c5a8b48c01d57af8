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

    Attributes:
        ids: [tokens], of all sentences in turn.
        places: [tokens], the index of each token in a padded batch flattened to [sentences · max_len].
        begins: [sentences + 1] int32, the first token of each sentence, and the end of the last sentence.
        max_len: an upper bound of the sentence lengths.
    """

    ids: Tensor
    places: Tensor
    begins: Tensor
    max_len: int

    def positions(self) -> Tensor:
        """The position of each token in its sentence, [tokens]."""
        return self.places % self.max_len

    def mask(self) -> Tensor:
        """[sentences, 1, 1, max_len], true = real token.

        An empty sentence counts as one token of padding, because a softmax over no keys would be NaN.
        """
        lengths = self.begins.diff().clamp(min=1)
        return (torch.arange(self.max_len, device=lengths.device) < lengths[:, None])[:, None, None, :]

    def padded(self, heads: Tensor) -> Tensor:
        """Pads [1, num_heads, tokens, d_head] with zeros to [sentences, num_heads, max_len, d_head]."""
        rows = heads.squeeze(0).transpose(0, 1)  # [tokens, num_heads, d_head]
        sentences = self.begins.shape[0] - 1
        empty = rows.new_zeros(sentences * self.max_len, *rows.shape[1:])  # [places, num_heads, d_head]
        return (
            empty.index_copy(0, self.places, rows)
            .view(sentences, self.max_len, *rows.shape[1:])
            .transpose(1, 2)
        )

    def unpadded(self, heads: Tensor) -> Tensor:
        """Undoes `padded`."""
        rows = heads.transpose(1, 2).flatten(0, 1).index_select(0, self.places)  # [tokens, num_heads, d_head]
        return rows.transpose(0, 1)[None]


@dataclass(frozen=True, slots=True)
class Spans:
    """The mask of packed rows: tokens attend only to tokens of the same sentence.

    Attributes:
        queries: the row that attends.
        keys: the row that is attended to, with the same sentences.
        kernel: attention without padding; if None, the rows are padded for attention alone.
    """

    queries: Packed
    keys: Packed
    kernel: Kernel | None


Kernel: TypeAlias = Callable[[Tensor, Tensor, Tensor, Spans, bool], Tensor]
"""Like `attention.attend` without dropout, for queries, keys and values [1, num_heads, tokens, d_head]. The
last argument is `causal`."""


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

    def attend(q: Tensor, k: Tensor, v: Tensor, spans: Spans, causal: bool) -> Tensor:
        found = varlen_attn(
            # Unlike an index, `squeeze` has a gradient that copies nothing.
            q.squeeze(0).transpose(0, 1),  # [tokens, num_heads, d_head]
            k.squeeze(0).transpose(0, 1),
            v.squeeze(0).transpose(0, 1),
            spans.queries.begins,
            spans.keys.begins,
            spans.queries.max_len,
            spans.keys.max_len,
            **(causally if causal else {}),
        )
        assert isinstance(found, Tensor)
        return found.transpose(0, 1)[None]

    return attend
