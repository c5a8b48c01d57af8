"""Multi-head attention (Vaswani et al. 2017, section 3.2) through torch's fused function."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, dropout: float) -> Tensor:
    """softmax(q·kᵀ/√d_head)·v for each head.

    Args:
        q: [batch, num_heads, q_len, d_head].
        k: [batch, num_heads, k_len, d_head].
        v: like `k`.
        mask: [batch, 1, 1 or q_len, k_len], true = may be seen; none if all may.
        causal: query i sees keys 0…i.
        dropout: probability on the attention weights.
    """
    if q.device.type == "cpu" and q.dtype == torch.bfloat16:
        return _attend_by_products(q, k, v, mask, causal, dropout)
    return F.scaled_dot_product_attention(q, k, v, mask, dropout, causal)


def _attend_by_products(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, dropout: float
) -> Tensor:
    """As `attend`, with bf16 products and an fp32 softmax.

    torch's fused kernel for a CPU is slow in bf16: a training step of the small preset takes a tenth less
    time so than with the kernel in fp32 (scripts/bench/attention).
    """
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if causal:
        seen = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril()
        mask = seen if mask is None else mask & seen
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    with torch.autocast("cpu", enabled=False):
        weights = scores.float().softmax(-1).to(v.dtype)
    return F.dropout(weights, dropout) @ v


class MultiHeadAttention(nn.Module):
    """Queries from `x`, keys and values from `x` itself or from a memory."""

    def __init__(self, d_model: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.q_proj = nn.Linear(d_model, d_model)
        self.kv_proj = nn.Linear(d_model, 2 * d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def _heads(self, x: Tensor) -> Tensor:
        batch, length, d_model = x.shape
        return x.view(batch, length, self.num_heads, d_model // self.num_heads).transpose(1, 2)

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of `x` [batch, length, d_model], each [batch, num_heads, length, d_head]."""
        k, v = self.kv_proj(x).chunk(2, dim=-1)
        return self._heads(k), self._heads(v)

    def forward(
        self,
        x: Tensor,
        keys_values: tuple[Tensor, Tensor],
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """What each position of `x` [batch, q_len, d_model] gathers; same shape."""
        q = self._heads(self.q_proj(x))
        out = attend(q, *keys_values, mask, causal, self.dropout if self.training else 0.0)
        return self.out_proj(out.transpose(1, 2).flatten(2))
