"""Word alignment of a translation with its source, from the model's attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from mtkit.config.architecture import aligning_layer
from mtkit.data.feed.batch import Batch
from mtkit.decode.forced import pair_batches
from mtkit.model.attention import MultiHeadAttention
from mtkit.model.layers import DecoderLayer
from mtkit.model.transformer import Transformer

Links = list[tuple[int, int]]


def align(
    model: Transformer,
    src_ids: Sequence[Sequence[int]],
    tgt_ids: Sequence[Sequence[int]],
    tokens: int,
    device: torch.device | str = "cpu",
    start: Sequence[int] = (),
) -> list[Links]:
    """Links from each target token to the source token it translates, as (source, target) indices from 0.

    The source token is the one with the highest attention when the target token is predicted, averaged over
    the heads of the penultimate decoder layer (Garg et al. 2019, section 4.1). A target token that attends
    most to the end of the source has no link.

    Args:
        model: in evaluation mode.
        src_ids: sources without end of sentence.
        tgt_ids: a target for each source, without beginning and end of sentence.
        tokens: maximum batch size, in tokens of the longer side.
        device: the model's device.
        start: see `generate`.
    """
    links: dict[int, Links] = {}
    for rows, batch in pair_batches(src_ids, tgt_ids, tokens, device, start):
        _, weights = attended_features(model, batch)
        best = weights.masked_fill(~batch.src_mask[:, None], -1.0).argmax(dim=2).tolist()
        for row, i in enumerate(rows):
            found = enumerate(best[row][len(start) :][: len(tgt_ids[i])])
            links[i] = [(src, tgt) for tgt, src in found if src < len(src_ids[i])]
    return [links[i] for i in range(len(src_ids))]


def attended_features(model: Transformer, batch: Batch) -> tuple[Tensor, Tensor]:
    """The decoder's output [batch, tgt_len, d_model], and where it attended [batch, tgt_len, src_len].

    These are the attention weights of the penultimate layer, averaged over its heads.
    """
    layers = cast("list[DecoderLayer]", list(model.decoder))
    attention = layers[aligning_layer(len(layers))].cross_attention
    seen: list[tuple[Any, ...]] = []
    hook = attention.register_forward_pre_hook(lambda _, arguments: seen.append(arguments))
    try:
        features = model.features(batch.src_ids, batch.src_mask, batch.tgt_in)
    finally:
        hook.remove()
    [(x, (keys, _), mask)] = seen
    return features, _weights(attention, x, keys, mask).mean(dim=1)


def _weights(attention: MultiHeadAttention, x: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
    """softmax(q·kᵀ/√d_head), [batch, num_heads, tgt_len, src_len]."""
    queries = attention.q_proj(x).unflatten(2, (-1, attention.d_head)).transpose(1, 2)
    keys = keys.repeat_interleave(queries.shape[1] // keys.shape[1], dim=1)
    scores = (queries @ keys.transpose(-1, -2)).float() * attention.d_head**-0.5
    return scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)
