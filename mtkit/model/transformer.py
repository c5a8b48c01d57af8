"""The Transformer encoder-decoder of Vaswani et al. 2017. Takes tensors; knows nothing of search or data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, assert_never, cast

import torch
from torch import Tensor, nn

from mtkit.config.model import ModelConfig
from mtkit.errors import UsageError
from mtkit.model.dropout import Dropout, MaskSource
from mtkit.model.layers import DecoderLayer, EncoderLayer, RecurrentLayer, build_norm
from mtkit.model.packing import Kernel, Packed, Spans
from mtkit.model.positions import (
    AbsolutePositions,
    LearnedPositions,
    RotaryPositions,
    Rotation,
    SinusoidalPositions,
)
from mtkit.model.state import AttendedPast, CarriedPast, DecoderState
from mtkit.text.subwords import BOS


@dataclass(frozen=True, slots=True)
class Kept:
    """The tokens that keep their embeddings; those of all others are zero, and only their positions count.

    Attributes:
        src: bool, in the shape of the source ids.
        tgt: bool, in the shape of the target ids.
    """

    src: Tensor
    tgt: Tensor


class Entry(NamedTuple):
    """The parts by which the ids of a side enter the model: N(√d_model·E[id] + PE(pos)).

    Attributes:
        embedding: E.
        positions: PE; None if positions are not added.
        norm: N; the identity unless embeddings are normalised (`layernorm_embedding` in mBART).
    """

    embedding: nn.Embedding
    positions: AbsolutePositions | None
    norm: nn.Module


class ZeroStart(nn.Embedding):
    """A table in which the embedding of BOS is zero, whatever its row holds as an output matrix."""

    def forward(self, ids: Tensor) -> Tensor:
        """The embeddings of `ids` [...], [..., d_model]."""
        return super().forward(ids) * (ids != BOS)[..., None]


class Transformer(nn.Module):
    """Computes logits of the next target token from source and target ids of any length."""

    def __init__(self, config: ModelConfig, src_vocab_size: int, tgt_vocab_size: int) -> None:
        super().__init__()
        has = config.architecture
        if has.shared_src and src_vocab_size != tgt_vocab_size:
            raise UsageError(
                f"model.tie_embeddings = {config.tie_embeddings} needs one vocabulary, but the source has "
                f"{src_vocab_size:,} pieces and the target {tgt_vocab_size:,}.",
                "Use tgt or none.",
            )
        self.config = config
        self.masks = MaskSource()
        table = ZeroStart if has.zero_start else nn.Embedding
        self.tgt_embedding = table(tgt_vocab_size, config.d_model)
        self.src_embedding = (
            self.tgt_embedding if has.shared_src else nn.Embedding(src_vocab_size, config.d_model)
        )
        self.output = nn.Linear(config.d_model, tgt_vocab_size, bias=has.output_bias)
        if has.shared_output:
            self.output.weight = self.tgt_embedding.weight
        embedding_dropout = config.embedding_dropout
        self.dropout = Dropout(config.dropout if embedding_dropout is None else embedding_dropout, self.masks)
        self.src_positions = _absolute_positions(config)
        self.tgt_positions = _absolute_positions(config)
        self.src_embedding_norm, self.tgt_embedding_norm = (
            build_norm(config) if has.embedding_norm else nn.Identity() for _ in range(2)
        )
        self.rotary = RotaryPositions(config.d_head) if has.rotary else None
        self.encoder = nn.ModuleList(
            EncoderLayer(config, self.masks) for _ in range(config.num_encoder_layers)
        )
        layer = RecurrentLayer if has.recurrent else DecoderLayer
        self.decoder = nn.ModuleList(layer(config, self.masks) for _ in range(config.num_decoder_layers))
        self.encoder_norm = build_norm(config) if has.pre_norm else nn.Identity()
        self.decoder_norm = build_norm(config) if has.pre_norm else nn.Identity()
        self._initialise()

    def _initialise(self) -> None:
        """Xavier-uniform matrices, zero biases, embeddings and positions of variance 1/d_model.

        Depth-scaled: the matrices of layer l are divided by √l (DS-Init with α = 1, Zhang et al. 2019).
        """
        stacked = self.layer_matrices()
        for name, parameter in self.named_parameters():
            stack, layer, *_ = name.split(".")
            if name in stacked:
                gain = _gain(self.config, int(layer))
                for matrix in parameter.chunk(stacked[name]):
                    nn.init.xavier_uniform_(matrix, gain)
            elif parameter.dim() == 2:
                nn.init.normal_(parameter, std=self.config.d_model**-0.5)
            elif stack in ("encoder", "decoder", "output") and name.endswith("bias"):
                nn.init.zeros_(parameter)

    def layer_matrices(self) -> dict[str, int]:
        """The matrices of the layers by name, and how many are stacked along the first axis of each."""
        twice = ("kv_proj.weight", "inner.weight") if self.config.architecture.gated else ("kv_proj.weight",)
        return {
            name: 2 if name.endswith(twice) else 1
            for name, parameter in self.named_parameters()
            if name.startswith(("encoder.", "decoder.")) and parameter.dim() == 2
        }

    def backward_order(self) -> list[str]:
        """The names of all parameters, about in the order in which a backward pass reaches them last."""
        stacks = ("output", "decoder", "encoder")  # and then the embeddings

        def place(name: str) -> int:
            return next((at for at, stack in enumerate(stacks) if name.startswith(stack)), len(stacks))

        names = [name for name, _ in self.named_parameters()]
        names.reverse()
        return sorted(names, key=place)

    @property
    def _src(self) -> Entry:
        return Entry(self.src_embedding, self.src_positions, self.src_embedding_norm)

    @property
    def _tgt(self) -> Entry:
        return Entry(self.tgt_embedding, self.tgt_positions, self.tgt_embedding_norm)

    def _embed(
        self, entry: Entry, ids: Tensor, start: int, length: int, kept: Tensor | None = None
    ) -> Tensor:
        """Embeddings of `ids` [batch, length] at positions from `start`, [batch, length, d_model].

        If `length` is 1, `ids` may have several columns, which all get the position `start`. Tokens that are
        false in `kept` [batch, length] have only their position.
        """
        x = self._scaled(entry.embedding(ids), kept)
        x = x if entry.positions is None else x + entry.positions(start, length)
        return self.dropout(entry.norm(x))

    def _scaled(self, embeddings: Tensor, kept: Tensor | None) -> Tensor:
        """Embeddings [..., d_model] as they enter the model; zero where `kept` [...] is false."""
        x = embeddings * math.sqrt(self.config.d_model)
        return x if kept is None else x * kept[..., None]

    def reserve_positions(self, length: int) -> None:
        """Extends the tables of positions to `length` tokens, which must not happen in a compiled function.

        It would be compiled anew, with operations on the CPU in it.
        """
        for positions in (self.src_positions, self.tgt_positions, self.rotary):
            if isinstance(positions, SinusoidalPositions | RotaryPositions):
                positions.reserve(length)

    def _rotation(self, start: int, length: int) -> Rotation | None:
        return None if self.rotary is None else self.rotary(start, length)

    def encode(self, src_ids: Tensor, src_mask: Tensor, kept: Tensor | None = None) -> Tensor:
        """The memory [batch, src_len, d_model] of `src_ids`; in `src_mask`, true = real token."""
        x = self._embed(self._src, src_ids, 0, src_ids.shape[1], kept)
        mask, rotation = src_mask[:, None, None, :], self._rotation(0, src_ids.shape[1])
        for layer in self.encoder:
            x = layer(x, mask, rotation)
        return self.encoder_norm(x)

    def _decoder_layers(self) -> Iterator[DecoderLayer]:
        return cast("Iterator[DecoderLayer]", iter(self.decoder))

    def features(self, src_ids: Tensor, src_mask: Tensor, tgt_in: Tensor, kept: Kept | None = None) -> Tensor:
        """The decoder's output before the projection to logits, [batch, tgt_len, d_model]."""
        kept_src, kept_tgt = (None, None) if kept is None else (kept.src, kept.tgt)
        memory = self.encode(src_ids, src_mask, kept_src)
        mask, rotation = src_mask[:, None, None, :], self._rotation(0, tgt_in.shape[1])
        x = self._embed(self._tgt, tgt_in, 0, tgt_in.shape[1], kept_tgt)
        for layer in self._decoder_layers():
            x = layer(x, memory, mask, rotation)
        return self.decoder_norm(x)

    def packed_features(
        self, src: Packed, tgt: Packed, kernel: Kernel | None = None, kept: Kept | None = None
    ) -> Tensor:
        """Like `features`, for rows without padding: [target tokens, d_model]. For `kernel` see `Spans`."""
        kept_src, kept_tgt = (None, None) if kept is None else (kept.src, kept.tgt)
        own, seen = Spans.between(src, src, kernel), Spans.between(tgt, src, kernel)
        before = Spans.between(tgt, tgt, kernel, causal=True)
        x, rotation = self._embed_packed(self._src, src, kept_src)
        for layer in self.encoder:
            x = layer(x, own, rotation)
        memory = self.encoder_norm(x)
        x, rotation = self._embed_packed(self._tgt, tgt, kept_tgt)
        for layer in self._decoder_layers():
            x = layer(x, memory, seen, rotation, before)
        return self.decoder_norm(x).squeeze(0)

    def _embed_packed(self, entry: Entry, row: Packed, kept: Tensor | None) -> tuple[Tensor, Rotation | None]:
        """The embeddings of a row's tokens [1, tokens, d_model], and the rotation of each."""
        x, at = self._scaled(entry.embedding(row.ids), kept)[None], row.positions
        if entry.positions is not None:
            x = x + entry.positions(0, row.max_len).index_select(0, at)
        x = entry.norm(x)
        if self.rotary is None:
            return self.dropout(x), None
        cos, sin = self.rotary(0, row.max_len)
        return self.dropout(x), (cos.index_select(0, at), sin.index_select(0, at))

    def forward(self, src_ids: Tensor, src_mask: Tensor, tgt_in: Tensor) -> Tensor:
        """Logits [batch, tgt_len, vocab] of the token after each of `tgt_in`.

        Args:
            src_ids: [batch, src_len], including the end of sentence.
            src_mask: [batch, src_len], true = real token.
            tgt_in: [batch, tgt_len], beginning with BOS, padded at the end.
        """
        return self.output(self.features(src_ids, src_mask, tgt_in))

    def start(self, src_ids: Tensor, src_mask: Tensor) -> DecoderState:
        """The state before the first target token, one row per sentence."""
        memory = self.encode(src_ids, src_mask)
        keys_values = tuple(layer.cross_attention.keys_values(memory) for layer in self._decoder_layers())
        past = (
            CarriedPast.first(memory, len(self.decoder))
            if self.config.architecture.recurrent
            else AttendedPast.first(keys_values)
        )
        return DecoderState(keys_values, src_mask[:, None, None, :], past, 0, 1)

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Logits [rows, vocab] of the token after `tokens` [rows], in fp32, and the state with `tokens`."""
        ids = tokens.view(-1, state.width)
        x = self._embed(self._tgt, ids, state.length, 1)
        rotation = self._rotation(state.length, 1)
        state = state.extended()
        for index, layer in enumerate(self._decoder_layers()):
            x = layer.step(x, index, state, rotation)
        return self.logits(self.decoder_norm(x)).flatten(0, 1), state

    def logits(self, features: Tensor) -> Tensor:
        """The projection to logits [..., vocab] in fp32, also where all else is in another type.

        In bf16, 40 % of the error of log-probabilities would come from here: it rounds a logit of 10 by up to
        0.03.
        """
        with torch.autocast(features.device.type, enabled=False):
            return self.output(features.float())

    def num_parameters(self) -> int:
        """The number of parameters; a tied matrix counts once."""
        return sum(parameter.numel() for parameter in self.parameters())


def _absolute_positions(config: ModelConfig) -> AbsolutePositions | None:
    match config.positions:
        case "sinusoidal":
            return SinusoidalPositions(config.d_model, config.architecture.wave_gap, config.position_offset)
        case "learned":
            return LearnedPositions(config.max_positions, config.d_model)
        case "rope":
            return None
        case _:
            assert_never(config.positions)


def _gain(config: ModelConfig, layer: int) -> float:
    """The factor on the initial matrices of layer number `layer`, from 0."""
    match config.init:
        case "xavier":
            return 1.0
        case "depth_scaled":
            return (layer + 1) ** -0.5
        case _:
            assert_never(config.init)


def build_model(config: ModelConfig, src_vocab_size: int, tgt_vocab_size: int, seed: int) -> Transformer:
    """A freshly initialised model; equal arguments give equal weights.

    Raises:
        UsageError: all embeddings are tied, but the two vocabularies differ.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Transformer(config, src_vocab_size, tgt_vocab_size)
