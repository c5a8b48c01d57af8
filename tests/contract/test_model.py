"""What every model variant keeps: steps equal forward, padding and order change nothing, no look-ahead."""

from __future__ import annotations

import itertools
from functools import partial

import pytest
import torch
from torch import Tensor

from mtkit.config.model import ModelConfig
from mtkit.errors import UsageError
from mtkit.model.transformer import Transformer, build_model

VOCAB = 30
VARIANTS = [
    {"norm": norm, "activation": activation, "tie_embeddings": tie}
    for norm, activation, tie in itertools.product(("pre", "post"), ("relu", "gelu"), ("all", "tgt", "none"))
]
# fp32, with products of other shapes.
assert_near = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-4)


@pytest.fixture(params=VARIANTS, ids=lambda variant: "-".join(map(str, variant.values())))
def model(request: pytest.FixtureRequest) -> Transformer:
    sizes = {"d_model": 16, "d_ff": 32, "num_heads": 4, "num_encoder_layers": 2, "num_decoder_layers": 2}
    config = ModelConfig.model_validate(sizes | request.param)
    src_vocab = VOCAB if config.tie_embeddings == "all" else VOCAB + 5
    return build_model(config, src_vocab, VOCAB, seed=5).eval()


def inputs(batch: int = 3, src_len: int = 7, tgt_len: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    src_ids = torch.randint(4, VOCAB, (batch, src_len), generator=random)
    lengths = torch.arange(src_len, src_len - batch, -1)[:, None]
    src_mask = torch.arange(src_len) < lengths
    return src_ids * src_mask, src_mask, torch.randint(4, VOCAB, (batch, tgt_len), generator=random)


@torch.no_grad()
def test_stepping_equals_forward(model: Transformer) -> None:
    src_ids, src_mask, tgt_in = inputs()
    expected = model(src_ids, src_mask, tgt_in)
    state = model.start(src_ids, src_mask)
    for position in range(tgt_in.shape[1]):
        logits, state = model.step(tgt_in[:, position], state)
        assert_near(logits, expected[:, position])
    assert state.length == tgt_in.shape[1]


@torch.no_grad()
def test_selected_rows_go_on_as_their_own_sentences_would(model: Transformer) -> None:
    src_ids, src_mask, tgt_in = inputs()
    expected = model(src_ids, src_mask, tgt_in)
    state = model.start(src_ids, src_mask).select(torch.tensor([0, 0, 1, 1, 2, 2]), width=2)
    for position in range(2):
        _, state = model.step(tgt_in[:, position].repeat_interleave(2), state)
    state = state.select(torch.tensor([1, 0, 4, 4]))  # sentence 1 is finished, rows change places
    logits, state = model.step(tgt_in[[0, 0, 2, 2], 2], state)
    assert_near(logits, expected[[0, 0, 2, 2], 2])
    state = state.select(torch.tensor([2]), width=1)
    logits, _ = model.step(tgt_in[[2], 3], state)
    assert_near(logits, expected[[2], 3])


@torch.no_grad()
def test_padding_and_order_change_nothing(model: Transformer) -> None:
    src_ids, src_mask, tgt_in = inputs()
    expected = model(src_ids, src_mask, tgt_in)
    wider = torch.nn.functional.pad(src_ids, (0, 4)), torch.nn.functional.pad(src_mask, (0, 4))
    longer = torch.nn.functional.pad(tgt_in, (0, 2))
    assert_near(model(*wider, longer)[:, : tgt_in.shape[1]], expected)
    order = torch.tensor([2, 0, 1])
    assert_near(model(src_ids[order], src_mask[order], tgt_in[order]), expected[order])
    alone = model(
        src_ids[1:2, : int(src_mask[1].sum())], src_mask[1:2, : int(src_mask[1].sum())], tgt_in[1:2]
    )
    assert_near(alone, expected[1:2])


@torch.no_grad()
def test_no_look_ahead(model: Transformer) -> None:
    src_ids, src_mask, tgt_in = inputs()
    expected = model(src_ids, src_mask, tgt_in)
    for position in range(1, tgt_in.shape[1]):
        changed = tgt_in.clone()
        changed[:, position:] = (changed[:, position:] + 1) % VOCAB
        found = model(src_ids, src_mask, changed)
        assert_near(found[:, :position], expected[:, :position])
        assert not torch.allclose(found[:, position], expected[:, position], atol=1e-3)


def test_every_weight_learns(model: Transformer) -> None:
    src_ids, src_mask, tgt_in = inputs()
    # Not a plain sum: LayerNorm makes the sum of its outputs independent of its inputs.
    model(src_ids, src_mask, tgt_in).log_softmax(-1)[..., 7].sum().backward()
    silent = {
        name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()
    }
    # A key's bias adds the same to all scores of a query; its half shares a tensor with the value's.
    assert silent == set()


@torch.no_grad()
def test_positions_beyond_the_table_are_computed(model: Transformer) -> None:
    length = model.positions.shape[0] + 10
    src_ids = torch.full((1, length), 5)
    logits = model(src_ids, torch.ones(1, length, dtype=torch.bool), src_ids)
    assert logits.shape == (1, length, VOCAB)
    assert logits.isfinite().all()


def test_equal_seeds_give_equal_models(model: Transformer) -> None:
    first, second, other = (build_model(model.config, VOCAB, VOCAB, seed) for seed in (1, 1, 2))
    assert torch.equal(first.tgt_embedding.weight, second.tgt_embedding.weight)
    assert not torch.equal(first.tgt_embedding.weight, other.tgt_embedding.weight)


def test_one_matrix_for_two_vocabularies_is_refused() -> None:
    with pytest.raises(UsageError, match=r"tie_embeddings = all needs one vocabulary, .* 30 pieces .* 35\."):
        build_model(ModelConfig(preset="tiny"), 30, 35, seed=1)
