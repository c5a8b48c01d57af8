"""Sentences in one row, one after the other without padding, and what may see what there."""

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
        places: [tokens], where each would stand in the flattened [sentences · max_len] of a padded batch.
        begins: [sentences + 1] int32, where each sentence begins, and the end of the last.
        max_len: a bound of their lengths.
    """

    ids: Tensor
    places: Tensor
    begins: Tensor
    max_len: int

    def positions(self) -> Tensor:
        """The place of each token in its sentence, [tokens]."""
        return self.places % self.max_len

    def mask(self) -> Tensor:
        """[sentences, 1, 1, max_len], true = real token. An empty sentence shows one, whose value is 0."""
        lengths = self.begins.diff().clamp(min=1)
        return (torch.arange(self.max_len, device=lengths.device) < lengths[:, None])[:, None, None, :]

    def padded(self, heads: Tensor) -> Tensor:
        """[1, num_heads, tokens, d_head] as [sentences, num_heads, max_len, d_head], zeros as padding."""
        rows = heads[0].transpose(0, 1)
        sentences = self.begins.shape[0] - 1
        empty = rows.new_zeros(sentences * self.max_len, *rows.shape[1:])
        return (
            empty.index_copy(0, self.places, rows)
            .view(sentences, self.max_len, *rows.shape[1:])
            .transpose(1, 2)
        )

    def unpadded(self, heads: Tensor) -> Tensor:
        """What `padded` was made of."""
        rows = heads.transpose(1, 2).flatten(0, 1).index_select(0, self.places)
        return rows.transpose(0, 1)[None]


@dataclass(frozen=True, slots=True)
class Spans:
    """What the tokens of packed rows may see: those of their own sentence.

    Attributes:
        queries: the row that sees.
        keys: the row that is seen; of the same sentences.
        kernel: attends without padding; where there is none, attention alone pads the rows.
    """

    queries: Packed
    keys: Packed
    kernel: Kernel | None


Kernel: TypeAlias = Callable[[Tensor, Tensor, Tensor, Spans, bool], Tensor]
"""As `attention.attend` without dropout, of queries, keys and values [1, num_heads, tokens, d_head]; the last
argument is `causal`."""


def has_kernel(device: torch.device, dtype: torch.dtype, d_head: int) -> bool:
    """Whether torch's attention for packed rows can be used: FlashAttention, without dropout."""
    return (
        device.type == "cuda"
        and dtype in (torch.bfloat16, torch.float16)
        and d_head % 8 == 0
        and d_head <= 256
        and torch.cuda.get_device_capability(device) >= (8, 0)
    )


def load_kernel() -> Kernel:
    """Torch's attention for packed rows. Takes seconds, since it loads torch's compiler."""
    from torch.nn.attention.varlen import varlen_attn

    names = inspect.signature(varlen_attn).parameters
    causally: dict[str, Any] = {"window_size": (-1, 0)} if "window_size" in names else {"is_causal": True}

    def attend(q: Tensor, k: Tensor, v: Tensor, spans: Spans, causal: bool) -> Tensor:
        found = varlen_attn(
            q[0].transpose(0, 1),
            k[0].transpose(0, 1),
            v[0].transpose(0, 1),
            spans.queries.begins,
            spans.keys.begins,
            spans.queries.max_len,
            spans.keys.max_len,
            **(causally if causal else {}),
        )
        assert isinstance(found, Tensor)
        return found.transpose(0, 1)[None]

    return attend
