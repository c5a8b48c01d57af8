"""What every model variant keeps: steps equal forward, padding and order change nothing, no look-ahead."""

from __future__ import annotations

import dataclasses
import itertools
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from mtkit.config.model import ModelConfig
from mtkit.data.feed.batch import Batch, collate
from mtkit.errors import UsageError
from mtkit.model.packing import Kernel
from mtkit.model.positions import TABLE_ROWS
from mtkit.model.transformer import Transformer, build_model
from mtkit.train.machine.packed_batch import pack
from tests.support.attention import sentence_by_sentence
from tests.support.choices import MODEL_CHOICES

VOCAB = 30
OPTIONS: dict[str, tuple[object, ...]] = {**MODEL_CHOICES, "num_kv_heads": (4, 2, 1)}


def all_pairs(options: dict[str, tuple[object, ...]]) -> list[dict[str, object]]:
    """Few combinations in which each two values of two options stand together."""
    everything = [dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())]
    missing = {pair for variant in everything for pair in itertools.combinations(variant.items(), 2)}
    chosen = []
    while missing:
        best = max(everything, key=lambda v: len(missing.intersection(itertools.combinations(v.items(), 2))))
        missing.difference_update(itertools.combinations(best.items(), 2))
        chosen.append(best)
    return chosen


VARIANTS = all_pairs(OPTIONS)
# fp32, with products of other shapes.
assert_near = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-4)


@pytest.fixture(params=VARIANTS, ids=lambda variant: "-".join(map(str, variant.values())))
def model(request: pytest.FixtureRequest) -> Transformer:
    sizes = {"d_model": 16, "d_ff": 32, "num_heads": 4, "num_encoder_layers": 3, "num_decoder_layers": 2}
    sizes["max_positions"] = 40
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
def test_a_state_may_be_stepped_again(model: Transformer) -> None:
    src_ids, src_mask, tgt_in = inputs(tgt_len=70)  # more than a cache has room for at first
    expected = model(src_ids, src_mask, tgt_in)
    state = model.start(src_ids, src_mask).select(torch.tensor([0, 0, 1, 1, 2, 2]), width=2)
    for position in range(tgt_in.shape[1]):
        tokens = tgt_in[:, position].repeat_interleave(2)
        for other in (tokens.flip(0), tokens):
            logits, following = model.step(other, state)
        logits_again, _ = model.step(tokens, state)
        assert_near(logits_again, logits)
        assert_near(logits[::2], expected[:, position])
        state = following.select(torch.tensor([1, 0, 2, 3, 5, 5]))


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
def test_no_sentence_is_too_long(model: Transformer) -> None:
    length = TABLE_ROWS + 76  # computed tables have fewer rows at first, and 40 are learned here
    src_ids, src_mask = torch.full((1, length), 5), torch.ones(1, length, dtype=torch.bool)
    logits = model(src_ids, src_mask, src_ids)
    assert logits.shape == (1, length, VOCAB)
    assert logits.isfinite().all()
    state = dataclasses.replace(model.start(src_ids, src_mask), length=length)
    assert model.step(src_ids[:, 0], state)[0].isfinite().all()


def test_training_goes_on_after_a_long_translation(model: Transformer) -> None:
    src_ids = torch.full((1, TABLE_ROWS + 1), 5)  # more positions than the tables have at first
    with torch.inference_mode():
        model.start(src_ids, torch.ones_like(src_ids, dtype=torch.bool))
    model(*inputs()).sum().backward()


def test_half_precision_is_near(model: Transformer) -> None:
    src_ids, src_mask, tgt_in = inputs()

    def gradients() -> Tensor:
        model.zero_grad()
        model(src_ids, src_mask, tgt_in).float().log_softmax(-1)[..., 7].sum().backward()
        return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])

    exact = gradients()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = gradients()
    # bf16 keeps 8 bits; errors of 2^-8 a product add up over the layers. Wrong heads or rows give about 1.
    assert (found - exact).norm() < 0.1 * exact.norm()


def test_equal_seeds_give_equal_models(model: Transformer) -> None:
    first, second, other = (build_model(model.config, VOCAB, VOCAB, seed) for seed in (1, 1, 2))
    assert torch.equal(first.tgt_embedding.weight, second.tgt_embedding.weight)
    assert not torch.equal(first.tgt_embedding.weight, other.tgt_embedding.weight)


def test_one_matrix_for_two_vocabularies_is_refused() -> None:
    with pytest.raises(UsageError, match=r"tie_embeddings = all needs one vocabulary, .* 30 pieces .* 35\."):
        build_model(ModelConfig(preset="tiny"), 30, 35, seed=1)


# ---------------------------------------------------------------- rows without padding


def pairs(*lengths: tuple[int, int]) -> Batch:
    random = np.random.default_rng(sum(map(sum, lengths)))
    return collate(*([random.integers(4, VOCAB, pair[side]) for pair in lengths] for side in (0, 1)))


def outcome(model: Transformer, features: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Features, and the gradient of something that depends on each of them."""
    weights = [weight for name, weight in model.named_parameters() if name != "output.weight"]
    total = (features * torch.linspace(-1, 1, features.numel()).view_as(features)).sum()
    found = torch.autograd.grad(total, weights, allow_unused=True)
    return features.detach(), [torch.zeros(1) if grad is None else grad for grad in found]


@pytest.mark.parametrize("kernel", [None, sentence_by_sentence])
def test_packed_equals_padded(model: Transformer, kernel: Kernel | None) -> None:
    batch = pairs((6, 3), (1, 8), (4, 4), (45, 1), (2, 50))  # beyond max_positions too
    found = model.features(batch.src_ids, batch.src_mask, batch.tgt_in)
    expected, expected_grads = outcome(model, found.flatten(0, 1)[batch.tgt_rows])
    packed = pack(batch)
    found = model.packed_features(packed.src, packed.tgt, kernel)
    assert len(found) == len(packed.tgt.ids)
    features, grads = outcome(model, found)
    assert_near(features, expected)
    for our, their in zip(grads, expected_grads, strict=True):
        assert_near(our, their, rtol=1e-3, atol=1e-3)  # sums over many tokens in another order


@torch.no_grad()
def test_packed_sentences_see_neither_neighbours_nor_ahead(model: Transformer) -> None:
    first, *changed = (
        pack(batch) for batch in (pairs((6, 5), (7, 4)), pairs((6, 5), (7, 4)), pairs((6, 5), (7, 4)))
    )
    changed[0].src.ids[8] = changed[0].tgt.ids[7] = 4 + (int(first.src.ids[8]) - 3) % 20  # of the second pair
    changed[1].tgt.ids[4] = 4 + (int(first.tgt.ids[4]) - 3) % 20  # the last but one of the first pair
    whole, other, ahead = (model.packed_features(batch.src, batch.tgt) for batch in (first, *changed))
    assert_near(other[:6], whole[:6])
    assert not torch.allclose(other[6:11], whole[6:11], atol=1e-3)
    assert_near(ahead[:4], whole[:4])
    assert_near(ahead[6:], whole[6:])
    assert not torch.allclose(ahead[4:6], whole[4:6], atol=1e-3)
