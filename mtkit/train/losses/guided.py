"""Guided alignment (Chen et al. 2016, Garg et al. 2019): one attention head learns word alignments."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtkit.data.feed.batch import Batch
from mtkit.data.prepare.align import PAD, Aligner, Pairs, learn_aligner, read_aligner, write_aligner
from mtkit.data.prepare.prepared import Prepared
from mtkit.errors import InputError
from mtkit.model.attention import MultiHeadAttention
from mtkit.model.transformer import Transformer
from mtkit.runs.layout import ALIGN, ALIGN_LOCK, claim_in, inside
from mtkit.text.tokenizer import Tokenizer

logger = logging.getLogger(__name__)

_SAMPLE = 100_000
"""Most training pairs that the alignments are learned from."""


class Guide:
    """Trains the first head of a decoder layer's cross-attention to follow word alignments.

    The layer is the penultimate one (Garg et al. 2019, section 5), or the only one. Alignments are computed
    from the ids of each batch, and not stored.
    """

    def __init__(self, model: Transformer, aligner: Aligner) -> None:
        attention = guided_layer(model).cross_attention
        assert isinstance(attention, MultiHeadAttention)
        self.attention = attention
        self.aligner = aligner
        self._seen: tuple[Any, ...] = ()
        attention.register_forward_pre_hook(self._see)

    def _see(self, module: torch.nn.Module, args: tuple[Any, ...]) -> None:
        if module.training:
            self._seen = args

    def targets(self, batch: Batch) -> Tensor:
        """The attention that the head should have for each target token, [batch, tgt_len, src_len].

        Rows sum to 1, or are 0 if the alignment is unknown, as at the end of the sentence. `batch` is on the
        CPU.
        """
        src = batch.src_ids.masked_fill(batch.src_ids == Tokenizer.EOS, PAD).numpy()
        tgt = F.pad(batch.tgt_in[:, 1:], (0, 1), value=PAD).numpy()
        return torch.from_numpy(self.aligner.agreement(src, tgt).astype(np.float32))

    def loss(self, targets: Tensor) -> Tensor:
        """The cross-entropy of the attention of the last forward pass, summed over target tokens.

        Garg et al. 2019, equation 6, for one head.
        """
        x, (k, _), mask = self._seen[:3]
        self._seen = ()
        log_weights = self._scores(x, k).masked_fill(~mask[:, 0], -torch.inf).log_softmax(-1)
        return -(targets * log_weights.masked_fill(targets == 0, 0.0)).sum()

    def _scores(self, x: Tensor, k: Tensor) -> Tensor:
        """Scaled products of the head's queries and keys, [batch, tgt_len, src_len] in fp32."""
        projection, d_head = self.attention.q_proj, self.attention.d_head
        bias = projection.bias[:d_head] if projection.bias is not None else None
        q = F.linear(x.float(), projection.weight[:d_head], bias)
        return q @ k[:, 0].float().transpose(-1, -2) * d_head**-0.5


def guided_layer(model: Transformer) -> nn.Module:
    """The decoder layer whose attention is trained."""
    return model.decoder[max(0, len(model.decoder) - 2)]


def find_aligner(run: Path, prepared: Prepared) -> Aligner:
    """The aligner of a run: read from `run/align`, or learned now and written there."""
    folder = inside(run, ALIGN)
    claim_in(run, ALIGN_LOCK)
    with filelock.FileLock(inside(run, ALIGN_LOCK)):
        try:
            return read_aligner(folder, prepared.fingerprint)
        except InputError as error:
            logger.debug("%s It is learned again.", error)
        logger.info("learning word alignments for train.guided_alignment …")
        tokenizer = prepared.tokenizer
        aligner = learn_aligner(_sample(prepared), tokenizer.src.size, tokenizer.tgt.size)
        write_aligner(folder, aligner, prepared.fingerprint)
        return aligner


def _sample(prepared: Prepared) -> Pairs:
    """Pairs at equal distances in the training data."""
    total = sum(map(len, prepared.train))
    chosen = np.unique(np.linspace(0, total - 1, min(total, _SAMPLE)).astype(np.int64))
    pairs, begin = [], 0
    for shard in prepared.train:
        here = chosen[(chosen >= begin) & (chosen < begin + len(shard))] - begin
        pairs += [(shard.src(number), shard.tgt(number)) for number in here.tolist()]
        begin += len(shard)
    return pairs
