"""The layers of encoder and decoder: attention and feed-forward blocks with residual sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from torch import Tensor, nn
from torch.nn import functional as F

from mtkit.config.model import ModelConfig
from mtkit.model.attention import MultiHeadAttention
from mtkit.model.dropout import Dropout, MaskSource
from mtkit.model.packing import Spans
from mtkit.model.positions import Rotation
from mtkit.model.recurrence import Ssru
from mtkit.model.state import AttendedPast, CarriedPast, DecoderState


def build_norm(config: ModelConfig) -> nn.LayerNorm | nn.RMSNorm:
    """LayerNorm (Ba et al. 2016) or RMSNorm (Zhang and Sennrich 2019) over d_model.

    γ·(x - E[x]) / √(Var[x] + ε) + β, or γ·x / √(E[x²] + ε), where ε is `norm_epsilon`.
    """
    match config.norm_type:
        case "layernorm":
            return nn.LayerNorm(config.d_model, eps=config.norm_epsilon)
        case "rmsnorm":
            return nn.RMSNorm(config.d_model, eps=config.norm_epsilon)
        case _:
            assert_never(config.norm_type)


def swiglu(x: Tensor) -> Tensor:
    """swish(gate)·value of `x` = [gate, value], [..., 2 width] to [..., width] (Shazeer 2020)."""
    gate, value = x.chunk(2, dim=-1)
    return F.silu(gate) * value


def _activation(config: ModelConfig) -> Callable[[Tensor], Tensor]:
    match config.activation:
        case "relu":
            return F.relu
        case "gelu":
            return F.gelu
        case "silu":
            return F.silu  # x·σ(x) (Hendrycks and Gimpel 2016; swish in Ramachandran et al. 2017)
        case "swiglu":
            return swiglu
        case _:
            assert_never(config.activation)


class FeedForward(nn.Module):
    """Two linear maps with an activation between them (section 3.3). A gated activation halves the width."""

    def __init__(self, config: ModelConfig, masks: MaskSource) -> None:
        super().__init__()
        has = config.architecture
        inner, bias = config.d_ff * (2 if has.gated else 1), has.feed_forward_bias
        self.inner = nn.Linear(config.d_model, inner, bias=bias)
        self.outer = nn.Linear(config.d_ff, config.d_model, bias=bias)
        self.activation = _activation(config)
        self.dropout = Dropout(config.activation_dropout, masks)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [..., d_model] to the same shape."""
        return self.outer(self.dropout(self.activation(self.inner(x))))


class Residual(nn.Module):
    """x + dropout(block(norm(x))), or norm(x + dropout(block(x))) as in the paper."""

    def __init__(self, config: ModelConfig, masks: MaskSource) -> None:
        super().__init__()
        self.norm = build_norm(config)
        self.dropout = Dropout(config.dropout, masks)
        self.pre = config.architecture.pre_norm

    def forward(self, x: Tensor, block: Callable[[Tensor], Tensor]) -> Tensor:
        """`x` [batch, length, d_model] with the block's output added."""
        if self.pre:
            return x + self.dropout(block(self.norm(x)))
        return self.norm(x + self.dropout(block(x)))


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, config: ModelConfig, masks: MaskSource) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_sum = Residual(config, masks)
        self.feed_forward = FeedForward(config, masks)
        self.feed_forward_sum = Residual(config, masks)

    def forward(self, x: Tensor, mask: Tensor | Spans | None, rotation: Rotation | None = None) -> Tensor:
        """Maps `x` [batch, src_len, d_model] to the same shape.

        `mask` is [batch, 1, 1, src_len], true = real token, or the `Spans` of packed rows.
        """

        def attend_all(y: Tensor) -> Tensor:
            keys_values = self.attention.keys_values(y, rotation)
            return self.attention(y, keys_values, mask, rotation=rotation)

        x = self.attention_sum(x, attend_all)
        return self.feed_forward_sum(x, self.feed_forward)


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the memory, then feed-forward."""

    def __init__(self, config: ModelConfig, masks: MaskSource) -> None:
        super().__init__()
        self._add_past(config, masks)
        self.cross_attention = MultiHeadAttention(config)
        self.cross_attention_sum = Residual(config, masks)
        self.feed_forward = FeedForward(config, masks)
        self.feed_forward_sum = Residual(config, masks)

    def _add_past(self, config: ModelConfig, masks: MaskSource) -> None:
        """Adds the block that sees the target tokens so far."""
        self.attention = MultiHeadAttention(config)
        self.attention_sum = Residual(config, masks)

    def _see_before(self, x: Tensor, rotation: Rotation | None, own: Spans | None) -> Tensor:
        """That block for all target positions at once, with its residual sum."""

        def attend_before(y: Tensor) -> Tensor:
            keys_values = self.attention.keys_values(y, rotation)
            return self.attention(y, keys_values, own, causal=True, rotation=rotation)

        return self.attention_sum(x, attend_before)

    def _see_past(self, x: Tensor, index: int, state: DecoderState, rotation: Rotation | None) -> Tensor:
        """That block for one position of every row, with its residual sum."""
        past = state.past
        assert isinstance(past, AttendedPast)

        def attend_past(y: Tensor) -> Tensor:
            keys_values = past.cache.write(index, *self.attention.keys_values(y, rotation))
            return self.attention(y, keys_values, past.seen, rotation=rotation)

        return self.attention_sum(x, attend_past)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        mask: Tensor | Spans | None,
        rotation: Rotation | None = None,
        own: Spans | None = None,
    ) -> Tensor:
        """Maps `x` [batch, tgt_len, d_model], all target positions at once, to the same shape.

        Args:
            x: [batch, tgt_len, d_model].
            memory: [batch, src_len, d_model].
            mask: source positions that may be attended to, as in `EncoderLayer`.
            rotation: of the target positions, if positions are rotary.
            own: target positions that may be attended to, for packed rows only.
        """
        x = self._see_before(x, rotation, own)
        keys_values = self.cross_attention.keys_values(memory)
        x = self.cross_attention_sum(x, lambda y: self.cross_attention(y, keys_values, mask))
        return self.feed_forward_sum(x, self.feed_forward)

    def step(self, x: Tensor, index: int, state: DecoderState, rotation: Rotation | None = None) -> Tensor:
        """Maps one position of every row, `x` [sentences, width, d_model], to the same shape.

        This is layer number `index` of the decoder. The hypotheses of a sentence are queries of the same
        attention, so its keys and values are not copied for each of them.
        """
        x = self._see_past(x, index, state, rotation)
        x = self.cross_attention_sum(
            x, lambda y: self.cross_attention(y, state.memory[index], state.src_mask)
        )
        return self.feed_forward_sum(x, self.feed_forward)


class RecurrentLayer(DecoderLayer):
    """Like `DecoderLayer`, with an SSRU in place of self-attention."""

    def _add_past(self, config: ModelConfig, masks: MaskSource) -> None:
        self.ssru = Ssru(config)
        self.ssru_sum = Residual(config, masks)

    def _see_before(self, x: Tensor, rotation: Rotation | None, own: Spans | None) -> Tensor:
        return self.ssru_sum(x, lambda y: self.ssru(y, own))

    def _see_past(self, x: Tensor, index: int, state: DecoderState, rotation: Rotation | None) -> Tensor:
        past = state.past
        assert isinstance(past, CarriedPast)

        def carry(y: Tensor) -> Tensor:
            past.cells[index] = cell = self.ssru.cell(y, past.cells[index])
            return self.ssru.output(cell)

        return self.ssru_sum(x, carry)
