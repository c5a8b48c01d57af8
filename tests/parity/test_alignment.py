"""Alignments against the weights that torch's own attention gives."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import Tensor, nn

from mtkit.config.model import ModelConfig
from mtkit.decode.alignment import align
from mtkit.model.layers import DecoderLayer
from mtkit.model.transformer import Transformer, build_model

VOCAB = 30
SRCS = [[5, 6, 7, 8], [9], [10, 11, 12, 13, 14, 15], [20, 21]]
TGTS = [[7, 6, 5], [4, 4, 4, 4], [], [29, 28, 27, 26, 25]]


def torch_weights(model: Transformer, layer: int, src: list[int], tgt: list[int]) -> Tensor:
    """[tgt_len, src_len] of one sentence alone, by nn.MultiheadAttention."""
    ours = cast(DecoderLayer, model.decoder[layer]).cross_attention
    d_model = model.config.d_model
    theirs = nn.MultiheadAttention(d_model, model.config.num_heads, batch_first=True)
    keys, values = ours.kv_proj.weight.chunk(2)
    state = {"in_proj_weight": torch.cat((ours.q_proj.weight, keys, values))}
    if ours.q_proj.bias is not None:
        state["in_proj_bias"] = torch.cat((ours.q_proj.bias, ours.kv_proj.bias))
    theirs.load_state_dict(state, strict=False)
    caught: list[Tensor] = []
    hook = ours.register_forward_pre_hook(lambda _, arguments: caught.append(arguments[0]))
    src_ids = torch.tensor([[*src, 3]])
    mask = torch.ones_like(src_ids, dtype=torch.bool)
    model(src_ids, mask, torch.tensor([[2, *tgt]]))
    hook.remove()
    memory = model.encode(src_ids, mask)
    weights: Tensor = theirs(caught[0], memory, memory, need_weights=True)[1]
    return weights[0]


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_each_token_comes_from_where_attention_is_highest(layers: int) -> None:
    config = ModelConfig(preset="tiny", d_model=32, d_ff=64, num_encoder_layers=1, num_decoder_layers=layers)
    model = build_model(config, VOCAB, VOCAB, seed=2).eval()
    with torch.inference_mode():
        for parameter in model.parameters():
            parameter.mul_(2)
        found = align(model, SRCS, TGTS, tokens=100)
        for src, tgt, links in zip(SRCS, TGTS, found, strict=True):
            best = torch_weights(model, max(0, layers - 2), src, tgt).argmax(dim=1).tolist()
            assert links == [(s, t) for t, s in enumerate(best[: len(tgt)]) if s < len(src)]
    assert any(found)
