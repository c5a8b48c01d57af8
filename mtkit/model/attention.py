"""Multi-head attention (Vaswani et al. 2017, section 3.2); heads may share keys and values."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtkit.config.model import ModelConfig
from mtkit.model.packing import Spans
from mtkit.model.positions import Rotation, rotate
from mtkit.model.tricks import tricks


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, dropout: float) -> Tensor:
    """softmax(q·kᵀ/√d_head)·v for each head.

    Args:
        q: [batch, num_heads, q_len, d_head].
        k: [batch, num_heads, k_len, d_head].
        v: like `k`.
        mask: [batch, 1, 1 or q_len, k_len], true = may be attended to; None allows all keys.
        causal: query i sees keys 0…i.
        dropout: probability on the attention weights.
    """
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and tricks.attention_by_products:
        return _attend_by_products(q, k, v, mask, causal, dropout)
    return F.scaled_dot_product_attention(q, k, v, mask, dropout, causal)


def _attend_by_products(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, dropout: float
) -> Tensor:
    """Like `attend`, in fp32.

    torch's fused CPU kernel is slow in bf16. For products in bf16 oneDNN compiles a kernel for each shape; as
    sentences have many lengths, that takes longer than the products (docs/benchmarks.md).
    """
    with torch.autocast("cpu", enabled=False):
        scores = (q.float() * q.shape[-1] ** -0.5) @ k.float().transpose(-1, -2)
        if causal:
            seen = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril()
            mask = seen if mask is None else mask & seen
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        return (F.dropout(scores.softmax(-1), dropout) @ v.float()).to(v.dtype)


def attend_grouped(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, dropout: float
) -> Tensor:
    """Like `attend`, where adjacent query heads share a head of `k` and `v` (Ainslie et al. 2023).

    Keys and values are copied only if `causal`.
    """
    kv_heads = k.shape[1]
    group = q.shape[1] // kv_heads
    if group == 1:
        return attend(q, k, v, mask, causal, dropout)
    if causal:
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        return attend(q, k, v, mask, causal, dropout)
    # All heads of a group have the same keys, so they count as further queries of a single head.
    batch, _, q_len, d_head = q.shape
    if mask is not None and mask.shape[2] > 1:
        mask = mask.repeat(1, 1, group, 1)
    queries = q.reshape(batch, kv_heads, group * q_len, d_head)
    return attend(queries, k, v, mask, causal, dropout).reshape(q.shape)


def attend_packed(q: Tensor, k: Tensor, v: Tensor, spans: Spans, dropout: float) -> Tensor:
    """Like `attend_grouped`, for packed sentences, each [1, heads, tokens, d_head]."""
    if spans.kernel is not None:
        group = q.shape[1] // k.shape[1]
        if group > 1:  # repeating once would copy too
            k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        return spans.kernel(q, k, v, spans)
    q, k, v = spans.queries.padded(q), spans.keys.padded(k), spans.keys.padded(v)
    return spans.queries.unpadded(attend_grouped(q, k, v, spans.mask, False, dropout))


class MultiHeadAttention(nn.Module):
    """Queries from `x`, keys and values from `x` itself or from a memory."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d_model, bias = config.d_model, config.architecture.attention_bias
        self.d_head = config.d_head
        self.dropout = config.attention_dropout
        self.q_proj = nn.Linear(d_model, d_model, bias=bias)
        self.kv_proj = nn.Linear(d_model, 2 * config.kv_heads * config.d_head, bias=bias)
        self.out_proj = nn.Linear(d_model, d_model, bias=bias)

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], -1, self.d_head).transpose(1, 2)

    def keys_values(self, x: Tensor, rotation: Rotation | None = None) -> tuple[Tensor, Tensor]:
        """Keys and values of `x` [batch, length, d_model], each [batch, kv_heads, length, d_head]."""
        k, v = map(self._heads, self.kv_proj(x).chunk(2, dim=-1))
        return (k if rotation is None else rotate(k, rotation)), v

    def forward(
        self,
        x: Tensor,
        keys_values: tuple[Tensor, Tensor],
        mask: Tensor | Spans | None = None,
        causal: bool = False,
        rotation: Rotation | None = None,
    ) -> Tensor:
        """The attention output for each position of `x` [batch, q_len, d_model], in the same shape.

        Packed sentences pass their `Spans` as `mask`, which know whether they are causal.
        """
        q = self._heads(self.q_proj(x))
        if rotation is not None:
            q = rotate(q, rotation)
        dropout = self.dropout if self.training else 0.0
        if isinstance(mask, Spans):
            out = attend_packed(q, *keys_values, mask, dropout)
        else:
            out = attend_grouped(q, *keys_values, mask, causal, dropout)
        return self.out_proj(out.transpose(1, 2).flatten(2))
