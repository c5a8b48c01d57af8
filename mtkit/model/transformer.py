"""The Transformer encoder-decoder of Vaswani et al. 2017. Takes tensors; knows nothing of search or data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from mtkit.config.model import ModelConfig
from mtkit.errors import UsageError
from mtkit.model.blocks import DecoderLayer, EncoderLayer
from mtkit.model.dropout import Dropout, MaskSource
from mtkit.model.positions import sinusoidal_positions
from mtkit.model.state import DecoderState


class Transformer(nn.Module):
    """Source and target ids to logits of the next target token.

    Positions are computed, not learned, so that any length can be read.
    """

    def __init__(self, config: ModelConfig, src_vocab_size: int, tgt_vocab_size: int) -> None:
        super().__init__()
        if config.tie_embeddings == "all" and src_vocab_size != tgt_vocab_size:
            raise UsageError(
                "model.tie_embeddings = all needs one vocabulary, but the source has "
                f"{src_vocab_size:,} pieces and the target {tgt_vocab_size:,}.",
                "Use tgt or none.",
            )
        self.config = config
        self.masks = MaskSource()
        self.tgt_embedding = nn.Embedding(tgt_vocab_size, config.d_model)
        self.src_embedding = (
            self.tgt_embedding
            if config.tie_embeddings == "all"
            else nn.Embedding(src_vocab_size, config.d_model)
        )
        self.output = nn.Linear(config.d_model, tgt_vocab_size, bias=False)
        if config.tie_embeddings != "none":
            self.output.weight = self.tgt_embedding.weight
        self.dropout = Dropout(config.dropout, self.masks)
        self.encoder = nn.ModuleList(
            EncoderLayer(config, self.masks) for _ in range(config.num_encoder_layers)
        )
        self.decoder = nn.ModuleList(
            DecoderLayer(config, self.masks) for _ in range(config.num_decoder_layers)
        )
        pre = config.norm == "pre"
        self.encoder_norm = nn.LayerNorm(config.d_model) if pre else nn.Identity()
        self.decoder_norm = nn.LayerNorm(config.d_model) if pre else nn.Identity()
        self.positions: Tensor
        self.register_buffer("positions", sinusoidal_positions(512, config.d_model), persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        """Xavier-uniform matrices, zero biases, embeddings of variance 1/d_model."""
        for name, parameter in self.named_parameters():
            if "embedding" in name or name == "output.weight":
                nn.init.normal_(parameter, std=self.config.d_model**-0.5)
            elif name.endswith("kv_proj.weight"):
                for part in parameter.chunk(2):
                    nn.init.xavier_uniform_(part)
            elif parameter.dim() == 2:
                nn.init.xavier_uniform_(parameter)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def _embed(self, embedding: nn.Embedding, ids: Tensor, start: int = 0) -> Tensor:
        end = start + ids.shape[1]
        if end > self.positions.shape[0]:
            longer = sinusoidal_positions(2 * end, self.config.d_model)
            self.positions = longer.to(self.positions)
        return self.dropout(embedding(ids) * math.sqrt(self.config.d_model) + self.positions[start:end])

    def encode(self, src_ids: Tensor, src_mask: Tensor) -> Tensor:
        """The memory [batch, src_len, d_model] of `src_ids`, of which `src_mask` marks the real tokens."""
        x = self._embed(self.src_embedding, src_ids)
        mask = src_mask[:, None, None, :]
        for layer in self.encoder:
            x = layer(x, mask)
        return self.encoder_norm(x)

    def _decoder_layers(self) -> Iterator[DecoderLayer]:
        return cast("Iterator[DecoderLayer]", iter(self.decoder))

    def features(self, src_ids: Tensor, src_mask: Tensor, tgt_in: Tensor) -> Tensor:
        """What the output projection reads, [batch, tgt_len, d_model]."""
        memory = self.encode(src_ids, src_mask)
        mask = src_mask[:, None, None, :]
        x = self._embed(self.tgt_embedding, tgt_in)
        for layer in self._decoder_layers():
            x = layer(x, layer.cross_attention.keys_values(memory), mask)
        return self.decoder_norm(x)

    def forward(self, src_ids: Tensor, src_mask: Tensor, tgt_in: Tensor) -> Tensor:
        """Logits [batch, tgt_len, vocab] of the token after each of `tgt_in`.

        Args:
            src_ids: [batch, src_len], the end of sentence included.
            src_mask: [batch, src_len], true = real token.
            tgt_in: [batch, tgt_len], beginning with BOS; padding stands at the end.
        """
        return self.output(self.features(src_ids, src_mask, tgt_in))

    def start(self, src_ids: Tensor, src_mask: Tensor) -> DecoderState:
        """The state before the first target token, one row per sentence."""
        memory = self.encode(src_ids, src_mask)
        keys_values = tuple(layer.cross_attention.keys_values(memory) for layer in self._decoder_layers())
        return DecoderState(keys_values, src_mask[:, None, None, :], (), length=0, width=1)

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Logits [rows, vocab] of the token after `tokens` [rows], and the state that has seen them."""
        x = self._embed(self.tgt_embedding, tokens[:, None], state.length)
        past = []
        for index, layer in enumerate(self._decoder_layers()):
            x, present = layer.step(
                x, state.memory[index], state.src_mask, state.past[index] if state.past else None, state.width
            )
            past.append(present)
        logits = self.output(self.decoder_norm(x)).squeeze(1)
        return logits, DecoderState(state.memory, state.src_mask, tuple(past), state.length + 1, state.width)

    def num_parameters(self) -> int:
        """Trained numbers; a tied matrix counts once."""
        return sum(parameter.numel() for parameter in self.parameters())


def build_model(config: ModelConfig, src_vocab_size: int, tgt_vocab_size: int, seed: int) -> Transformer:
    """A freshly initialised model; equal arguments give equal weights.

    Raises:
        UsageError: the two vocabularies differ, but all embeddings are to be one matrix.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Transformer(config, src_vocab_size, tgt_vocab_size)
