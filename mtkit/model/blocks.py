"""The layers of encoder and decoder: attention and feed-forward blocks with residual sums."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtkit.config.model import ModelConfig
from mtkit.model.attention import MultiHeadAttention
from mtkit.model.dropout import Dropout, MaskSource
from mtkit.model.state import KeysValues

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}


class FeedForward(nn.Module):
    """Two linear maps with an activation between (section 3.3)."""

    def __init__(self, config: ModelConfig, masks: MaskSource) -> None:
        super().__init__()
        self.inner = nn.Linear(config.d_model, config.d_ff)
        self.outer = nn.Linear(config.d_ff, config.d_model)
        self.activation = ACTIVATIONS[config.activation]
        self.dropout = Dropout(config.activation_dropout, masks)

    def forward(self, x: Tensor) -> Tensor:
        """[…, d_model] to the same shape."""
        return self.outer(self.dropout(self.activation(self.inner(x))))


class Residual(nn.Module):
    """x + dropout(block(norm(x))), or norm(x + dropout(block(x))) as in the paper."""

    def __init__(self, config: ModelConfig, masks: MaskSource) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.d_model)
        self.dropout = Dropout(config.dropout, masks)
        self.pre = config.norm == "pre"

    def forward(self, x: Tensor, block: Callable[[Tensor], Tensor]) -> Tensor:
        """`x` [batch, length, d_model] with the block's output added."""
        if self.pre:
            return x + self.dropout(block(self.norm(x)))
        return self.norm(x + self.dropout(block(x)))


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, config: ModelConfig, masks: MaskSource) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(config.d_model, config.num_heads, config.attention_dropout)
        self.attention_sum = Residual(config, masks)
        self.feed_forward = FeedForward(config, masks)
        self.feed_forward_sum = Residual(config, masks)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """`x` [batch, src_len, d_model]; `mask` [batch, 1, 1, src_len], true = real token."""
        x = self.attention_sum(x, lambda y: self.attention(y, self.attention.keys_values(y), mask))
        return self.feed_forward_sum(x, self.feed_forward)


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the memory, then feed-forward."""

    def __init__(self, config: ModelConfig, masks: MaskSource) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(config.d_model, config.num_heads, config.attention_dropout)
        self.attention_sum = Residual(config, masks)
        self.cross_attention = MultiHeadAttention(config.d_model, config.num_heads, config.attention_dropout)
        self.cross_attention_sum = Residual(config, masks)
        self.feed_forward = FeedForward(config, masks)
        self.feed_forward_sum = Residual(config, masks)

    def forward(self, x: Tensor, memory: KeysValues, mask: Tensor | None) -> Tensor:
        """All target positions at once; `x` [batch, tgt_len, d_model], `memory` of the source."""
        x = self.attention_sum(x, lambda y: self.attention(y, self.attention.keys_values(y), causal=True))
        x = self.cross_attention_sum(x, lambda y: self.cross_attention(y, memory, mask))
        return self.feed_forward_sum(x, self.feed_forward)

    def step(
        self, x: Tensor, memory: KeysValues, mask: Tensor, past: KeysValues | None, width: int
    ) -> tuple[Tensor, KeysValues]:
        """One position for all rows: `x` [rows, 1, d_model] and the keys and values so far, then with it."""
        present: KeysValues | None = None

        def attend_past(y: Tensor) -> Tensor:
            nonlocal present
            k, v = self.attention.keys_values(y)
            if past is not None:
                k, v = torch.cat((past[0], k), dim=2), torch.cat((past[1], v), dim=2)
            present = (k, v)
            return self.attention(y, present)

        def attend_memory(y: Tensor) -> Tensor:
            # The hypotheses of one sentence are queries of one attention: its memory is not copied.
            rows, _, d_model = y.shape
            grouped = y.view(rows // width, width, d_model)
            return self.cross_attention(grouped, memory, mask).view(rows, 1, d_model)

        x = self.attention_sum(x, attend_past)
        x = self.cross_attention_sum(x, attend_memory)
        x = self.feed_forward_sum(x, self.feed_forward)
        assert present is not None
        return x, present
