"""Our layers against torch.nn's and against formulas."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from mtkit.config.model import ModelConfig
from mtkit.model.attention import MultiHeadAttention, attend
from mtkit.model.blocks import DecoderLayer, EncoderLayer, FeedForward, Residual
from mtkit.model.dropout import MaskSource
from mtkit.model.positions import sinusoidal_positions
from mtkit.model.transformer import build_model

# fp32 sums in another order: a few units in the last place of values near 1.
assert_near = partial(torch.testing.assert_close, rtol=1e-4, atol=2e-5)
VARIANTS = pytest.mark.parametrize(
    ("norm", "activation"), [("pre", "relu"), ("post", "relu"), ("pre", "gelu"), ("post", "gelu")]
)


def options(**changed: object) -> ModelConfig:
    sizes = {"d_model": 16, "d_ff": 32, "num_heads": 4, "num_encoder_layers": 2, "num_decoder_layers": 2}
    return ModelConfig.model_validate(sizes | {"dropout": 0.0} | changed)


def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    assert theirs.in_proj_weight is not None
    theirs.in_proj_weight.copy_(torch.cat((ours.q_proj.weight, ours.kv_proj.weight)))
    theirs.in_proj_bias.copy_(torch.cat((ours.q_proj.bias, ours.kv_proj.bias)))
    theirs.out_proj.load_state_dict(ours.out_proj.state_dict())


def copy_rest(
    theirs: nn.TransformerEncoderLayer | nn.TransformerDecoderLayer, inner: FeedForward, *sums: Residual
) -> None:
    theirs.linear1.load_state_dict(inner.inner.state_dict())
    theirs.linear2.load_state_dict(inner.outer.state_dict())
    for number, residual in enumerate(sums, start=1):
        getattr(theirs, f"norm{number}").load_state_dict(residual.norm.state_dict())


def randomise(module: nn.Module) -> None:
    """Norms and biases too, whose first values would hide a mistake."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)


@VARIANTS
@torch.no_grad()
def test_encoder_layer_equals_torch(norm: str, activation: str) -> None:
    torch.manual_seed(1)
    ours = EncoderLayer(options(norm=norm, activation=activation), MaskSource()).eval()
    randomise(ours)
    theirs = nn.TransformerEncoderLayer(
        16, 4, 32, 0.0, activation, batch_first=True, norm_first=norm == "pre"
    ).eval()
    copy_attention(ours.attention, theirs.self_attn)
    copy_rest(theirs, ours.feed_forward, ours.attention_sum, ours.feed_forward_sum)
    x = torch.randn(3, 7, 16)
    real = torch.arange(7) < torch.tensor([[7], [4], [1]])
    found = ours(x, real[:, None, None, :])
    expected = theirs(x, src_key_padding_mask=~real)
    assert_near(found[real], expected[real])


@VARIANTS
@torch.no_grad()
def test_decoder_layer_equals_torch(norm: str, activation: str) -> None:
    torch.manual_seed(2)
    ours = DecoderLayer(options(norm=norm, activation=activation), MaskSource()).eval()
    randomise(ours)
    theirs = nn.TransformerDecoderLayer(
        16, 4, 32, 0.0, activation, batch_first=True, norm_first=norm == "pre"
    ).eval()
    copy_attention(ours.attention, theirs.self_attn)
    copy_attention(ours.cross_attention, theirs.multihead_attn)
    copy_rest(theirs, ours.feed_forward, ours.attention_sum, ours.cross_attention_sum, ours.feed_forward_sum)
    x, memory = torch.randn(3, 6, 16), torch.randn(3, 5, 16)
    real = torch.arange(5) < torch.tensor([[5], [3], [1]])
    found = ours(x, ours.cross_attention.keys_values(memory), real[:, None, None, :])
    causal = torch.triu(torch.ones(6, 6, dtype=torch.bool), diagonal=1)
    expected = theirs(x, memory, tgt_mask=causal, memory_key_padding_mask=~real)
    assert_near(found, expected)


def test_attention_is_its_formula() -> None:
    torch.manual_seed(3)
    q, k, v = torch.randn(2, 4, 5, 8), torch.randn(2, 4, 6, 8), torch.randn(2, 4, 6, 8)
    mask = torch.arange(6) < torch.tensor([6, 2])[:, None, None, None]
    weights = (q @ k.transpose(-1, -2) / math.sqrt(8)).masked_fill(~mask, -math.inf).softmax(-1)
    assert_near(attend(q, k, v, mask, causal=False, dropout=0.0), weights @ v)


@pytest.mark.parametrize("causal", [False, True])
def test_half_precision_attention_is_the_fused_one_within_rounding(causal: bool) -> None:
    torch.manual_seed(4)
    q, k, v = (torch.randn(2, 4, 6, 8).bfloat16().requires_grad_() for _ in range(3))
    mask = None if causal else torch.arange(6) < torch.tensor([6, 2])[:, None, None, None]
    found = attend(q, k, v, mask, causal, dropout=0.0)
    ours = torch.autograd.grad(found.float().square().sum(), (q, k, v))
    exact = nn.functional.scaled_dot_product_attention(q.float(), k.float(), v.float(), mask, 0.0, causal)
    theirs = torch.autograd.grad(exact.square().sum(), (q, k, v))
    # bf16 keeps 8 bits: relative errors of 2^-8 a product.
    torch.testing.assert_close(found.float(), exact, rtol=0.02, atol=0.02)
    for our, their in zip(ours, theirs, strict=True):
        assert (our.float() - their.float()).norm() < 0.03 * their.float().norm()


def test_positions_are_the_papers_formula() -> None:
    table = sinusoidal_positions(40, 6)
    for position in (0, 1, 39):
        for i in range(3):
            angle = position / 10000 ** (2 * i / 6)
            assert table[position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def parameters_by_formula(config: ModelConfig, vocab: int) -> int:
    d, ff = config.d_model, config.d_ff
    attention, feed_forward, norm = 4 * (d * d + d), 2 * d * ff + ff + d, 2 * d
    encoder = config.num_encoder_layers * (attention + feed_forward + 2 * norm)
    decoder = config.num_decoder_layers * (2 * attention + feed_forward + 3 * norm)
    embeddings = vocab * d * {"all": 1, "tgt": 2, "none": 3}[config.tie_embeddings]
    return encoder + decoder + embeddings + (2 * norm if config.norm == "pre" else 0)


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("tie", ["all", "tgt", "none"])
@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_number_of_parameters(preset: str, tie: str, norm: str) -> None:
    config = ModelConfig.model_validate({"preset": preset, "tie_embeddings": tie, "norm": norm})
    assert build_model(config, 100, 100, seed=1).num_parameters() == parameters_by_formula(config, 100)


def test_presets_have_the_papers_sizes() -> None:
    """Vaswani et al. 2017, table 3: 65 M parameters for base, 213 M for big, of 37,000 pieces."""
    for preset, millions in (("base", 65), ("big", 213)):
        config = ModelConfig.model_validate({"preset": preset, "norm": "post"})
        assert parameters_by_formula(config, 37_000) / 1e6 == pytest.approx(millions, rel=0.04)


def test_initial_weights_have_the_stated_spread() -> None:
    model = build_model(options(d_model=128, d_ff=512), 500, 500, seed=1)

    def spread(weight: Tensor) -> float:
        return weight.detach().std().item()

    assert spread(model.tgt_embedding.weight) == pytest.approx(128**-0.5, rel=0.05)
    named = dict(model.named_parameters())
    # Xavier: variance 2 / (fan in + fan out), keys and values as two matrices.
    assert spread(named["encoder.0.attention.kv_proj.weight"]) == pytest.approx((2 / 256) ** 0.5, rel=0.05)
    assert spread(named["decoder.1.feed_forward.inner.weight"]) == pytest.approx((2 / 640) ** 0.5, rel=0.05)
