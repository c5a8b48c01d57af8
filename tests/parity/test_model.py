"""Our layers against torch.nn's and against formulas."""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import cast, get_args

import pytest
import torch
from torch import Tensor, nn

from mtkit.config.model import ModelConfig, num_parameters
from mtkit.model.attention import MultiHeadAttention, attend, attend_grouped
from mtkit.model.dropout import MaskSource
from mtkit.model.layers import DecoderLayer, EncoderLayer, FeedForward, Residual, build_norm
from mtkit.model.loss import cross_entropy, with_bias
from mtkit.model.positions import (
    TABLE_ROWS,
    LearnedPositions,
    RotaryPositions,
    SinusoidalPositions,
    rotate,
    sinusoidal_positions,
)
from mtkit.model.recurrence import Ssru
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
    found = ours(x, memory, real[:, None, None, :])
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


@pytest.mark.parametrize("offset", [0, 2])
def test_wavelengths_of_tensor2tensor_are_those_of_transformers(offset: int) -> None:
    """M2M-100 has them, in two halves and from position 2."""
    from transformers.models.m2m_100.modeling_m2m_100 import M2M100SinusoidalPositionalEmbedding

    halves = M2M100SinusoidalPositionalEmbedding.get_embedding(1100 + offset, 16)[offset:]
    model = build_model(options(wavelengths="tensor2tensor", position_offset=offset), 20, 20, seed=1)
    positions = cast("SinusoidalPositions", model.src_positions)
    for length in (40, 1100):  # the second is longer than the first table
        found = positions(0, length)
        # It multiplies in fp32: the angle 1000 has an error of 6e-5.
        torch.testing.assert_close(found[:, 0::2], halves[:length, :8], rtol=0, atol=1e-4)
        torch.testing.assert_close(found[:, 1::2], halves[:length, 8:], rtol=0, atol=1e-4)


@pytest.mark.parametrize("norm_type", ["layernorm", "rmsnorm"])
@torch.no_grad()
def test_the_epsilon_is_added_to_the_mean_square(norm_type: str) -> None:
    norm = build_norm(options(norm_type=norm_type, norm_epsilon=0.05))
    randomise(norm)
    x = torch.randn(3, 16)
    centred = x - x.mean(-1, keepdim=True) if norm_type == "layernorm" else x
    expected = centred / (centred.square().mean(-1, keepdim=True) + 0.05).sqrt() * norm.weight
    assert_near(norm(x), expected + (norm.bias if isinstance(norm, nn.LayerNorm) else 0))


@torch.no_grad()
def test_embeddings_are_normalised_after_positions_are_added() -> None:
    """By a norm of each side, in forward passes, step by step, and without padding."""
    model = build_model(options(embedding_norm=True), 20, 20, seed=1).eval()
    plain = build_model(options(), 20, 20, seed=1).eval()
    randomise(model)
    plain.load_state_dict(model.state_dict(), strict=False)
    src, tgt = torch.randint(4, 20, (2, 5)), torch.randint(4, 20, (2, 6))
    mask = torch.ones(2, 5, dtype=torch.bool)

    def normed(ids: Tensor, norm: nn.Module) -> Tensor:
        assert isinstance(norm, nn.LayerNorm)
        table = sinusoidal_positions(ids.shape[1], 16)
        x = model.tgt_embedding.weight[ids] * 4 + table
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
        return x * norm.weight + norm.bias

    x = normed(src, model.src_embedding_norm)
    for layer in plain.encoder:
        x = layer(x, mask[:, None, None], None)
    memory = plain.encoder_norm(x)
    y = normed(tgt, model.tgt_embedding_norm)
    for layer in plain.decoder:
        y = layer(y, memory, mask[:, None, None], None)
    expected = plain.output(plain.decoder_norm(y))
    assert_near(model(src, mask, tgt), expected)
    state = model.start(src, mask)
    for place in range(6):
        logits, state = model.step(tgt[:, place], state)
        assert_near(logits, expected[:, place])


def test_a_zero_start_is_an_embedding_of_zeros_whose_row_is_an_output_all_the_same() -> None:
    model = build_model(options(start_embedding="zero"), 20, 20, seed=1).eval()
    ids, mask = torch.randint(4, 20, (2, 5)), torch.ones(2, 5, dtype=torch.bool)
    tgt_in = torch.cat((torch.full((2, 1), 2), ids[:, 1:]), dim=1)
    found = model(ids, mask, tgt_in)
    plain = build_model(options(), 20, 20, seed=1).eval()
    nn.init.zeros_(plain.tgt_embedding.weight[2])
    outputs = [i for i in range(20) if i != 2]
    assert_near(found[..., outputs], plain(ids, mask, tgt_in)[..., outputs])
    assert found[..., 2].abs().min() > 0
    gradient = torch.autograd.grad(found[..., 2].sum(), model.tgt_embedding.weight)[0]
    assert gradient[2].any()


def test_ssru_is_its_recurrence_with_its_gradient() -> None:
    """Kim et al. 2019, equations 3 to 5, one position after the other in fp64."""
    torch.manual_seed(9)
    unit = Ssru(options()).double()
    randomise(unit)
    for length in (1, 2, 7, 70):
        x = torch.randn(3, length, 16, dtype=torch.float64, requires_grad=True)
        cell, rows = torch.zeros(3, 16, dtype=torch.float64), []
        for position in range(length):
            gate = 1 / (1 + (-(x[:, position] @ unit.forget_proj.weight.T + unit.forget_proj.bias)).exp())
            cell = gate * cell + (1 - gate) * (x[:, position] @ unit.value_proj.weight.T)
            rows.append(cell.clamp(min=0))
        expected, found = torch.stack(rows, dim=1), unit(x)
        assert_near(found.double(), expected)
        wanted = [x, *unit.parameters()]
        weights = torch.randn(3, length, 16)
        ours, theirs = (torch.autograd.grad((y * weights).sum(), wanted) for y in (found, expected))
        for our, their in zip(ours, theirs, strict=True):
            assert_near(our, their)


@torch.no_grad()
def test_rms_norm_is_its_formula() -> None:
    """Zhang and Sennrich 2019, equation 4."""
    torch.manual_seed(5)
    norm = build_norm(options(norm_type="rmsnorm"))
    randomise(norm)
    x = torch.randn(3, 7, 16)
    mean_square = (x * x).sum(-1, keepdim=True) / 16
    assert_near(norm(x), x / (mean_square + 1e-5).sqrt() * norm.weight)


@torch.no_grad()
def test_swiglu_is_its_formula() -> None:
    """Shazeer 2020, equation 6: (swish(x W) ⊙ x V) W2, here with biases."""
    torch.manual_seed(6)
    layer = FeedForward(options(activation="swiglu"), MaskSource())
    randomise(layer)
    x = torch.randn(3, 7, 16)
    (w, v), (b, c) = layer.inner.weight.chunk(2), layer.inner.bias.chunk(2)
    gate, value = x @ w.T + b, x @ v.T + c
    expected = (gate / (1 + (-gate).exp()) * value) @ layer.outer.weight.T + layer.outer.bias
    assert_near(layer(x), expected)


def test_shared_heads_are_torchs_grouped_queries() -> None:
    torch.manual_seed(7)
    q, k, v = torch.randn(2, 6, 5, 8), torch.randn(2, 2, 5, 8), torch.randn(2, 2, 5, 8)
    padding = torch.arange(5) < torch.tensor([5, 2])[:, None, None, None]
    for kv_heads, mask, causal in itertools.product((1, 2), (None, padding), (False, True)):
        if causal and mask is not None:
            continue
        a, b, c = (x.clone().requires_grad_() for x in (q, k[:, :kv_heads], v[:, :kv_heads]))
        found = attend_grouped(a, b, c, mask, causal, dropout=0.0)
        expected = nn.functional.scaled_dot_product_attention(a, b, c, mask, 0.0, causal, enable_gqa=True)
        assert_near(found, expected)
        ours = torch.autograd.grad(found.square().sum(), (a, b, c))
        theirs = torch.autograd.grad(expected.square().sum(), (a, b, c))
        for our, their in zip(ours, theirs, strict=True):
            assert_near(our, their, rtol=1e-3, atol=1e-4)


def turned(x: Tensor) -> Tensor:
    """Su et al. 2021, section 3.2: pair i of position m is a complex number, times e^(i·m·θ_i)."""
    length, width = x.shape[-2:]
    theta = 10000 ** (-2 * torch.arange(width // 2, dtype=torch.float64) / width)
    angles = torch.arange(length, dtype=torch.float64)[:, None] * theta
    pairs = torch.complex(*x.double().chunk(2, dim=-1)) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat((pairs.real, pairs.imag), dim=-1).float()


def test_rotary_positions_are_the_complex_formula() -> None:
    torch.manual_seed(8)
    length = TABLE_ROWS + 100  # longer than the table made at first
    x = torch.randn(2, 4, length, 6)
    rotary = RotaryPositions(6)
    assert_near(rotate(x, rotary(0, length)), turned(x))
    assert_near(rotate(x[:, :, 530:], rotary(530, length - 530)), turned(x)[:, :, 530:])


def test_rotary_scores_depend_on_the_distance_only() -> None:
    torch.manual_seed(9)
    rotary = RotaryPositions(16)
    q, k = torch.randn(16), torch.randn(16)

    def score(query_at: int, key_at: int) -> float:
        return float(rotate(q[None], rotary(query_at, 1)) @ rotate(k[None], rotary(key_at, 1)).T)

    for distance in (-5, 0, 3, 40):
        assert score(50 + distance, 50) == pytest.approx(score(300 + distance, 300), abs=1e-4)
    assert score(50, 50) != pytest.approx(score(53, 50), abs=1e-2)


@torch.no_grad()
def test_rotary_positions_turn_queries_and_keys_but_not_values() -> None:
    torch.manual_seed(10)
    attention = MultiHeadAttention(options(positions="rope"))
    randomise(attention)
    x = torch.randn(2, 9, 16)
    rotation = RotaryPositions(4)(0, 9)
    found = attention(x, attention.keys_values(x, rotation), causal=True, rotation=rotation)
    k, v = attention.kv_proj(x).chunk(2, dim=-1)
    q, k, v = (y.view(2, 9, 4, 4).transpose(1, 2) for y in (attention.q_proj(x), k, v))
    scores = turned(q) @ turned(k).transpose(-1, -2) / math.sqrt(4)
    weights = scores.masked_fill(torch.ones(9, 9).triu(1).bool(), -math.inf).softmax(-1)
    assert_near(found, attention.out_proj((weights @ v).transpose(1, 2).reshape(2, 9, 16)))


@torch.no_grad()
def test_learned_positions_are_rows_of_a_table() -> None:
    model = build_model(options(positions="learned", max_positions=6), 50, 50, seed=1).eval()
    for positions in (model.src_positions, model.tgt_positions):
        assert isinstance(positions, LearnedPositions)
        table = positions.table
        assert torch.equal(positions(0, 6), table)
        assert torch.equal(positions(4, 2), table[4:])
        assert torch.equal(positions(4, 4), table[[4, 5, 5, 5]])  # beyond its end, the last row
        assert torch.equal(positions(9, 1), table[[5]])


@pytest.mark.parametrize("preset", get_args(ModelConfig.model_fields["preset"].annotation))
def test_number_of_parameters_of_presets(preset: str) -> None:
    config = ModelConfig.model_validate({"preset": preset})
    with torch.device("meta"):
        model = build_model(config, 8000, 8000, seed=1)
    assert num_parameters(config, 8000, 8000) == model.num_parameters()


@pytest.mark.parametrize(
    "changed",
    [
        {"norm": "post"},
        {"norm_type": "rmsnorm"},
        {"decoder": "ssru"},
        {"decoder": "ssru", "bias": "none", "num_decoder_layers": 3},
        {"activation": "swiglu", "bias": "none"},
        {"activation": "swiglu"},
        {"positions": "learned", "max_positions": 77},
        {"positions": "rope", "num_kv_heads": 1},
        {"bias": "feed_forward", "num_kv_heads": 2},
        {"num_kv_heads": 2, "tie_embeddings": "tgt"},
        {"tie_embeddings": "none", "num_encoder_layers": 3},
    ],
    ids=str,
)
def test_number_of_parameters_of_options(changed: dict[str, object]) -> None:
    config = options(**changed)
    src_vocab = 100 if config.tie_embeddings == "all" else 70
    with torch.device("meta"):
        model = build_model(config, src_vocab, 100, seed=1)
    assert num_parameters(config, src_vocab, 100) == model.num_parameters()


def test_paper_presets_are_the_papers() -> None:
    """Vaswani et al. 2017, table 3; of 37,000 pieces it says 65 and 213 million parameters."""
    rows = {"paper-base": (6, 512, 2048, 8, 0.1, 65), "paper-big": (6, 1024, 4096, 16, 0.3, 213)}
    for preset, (layers, d_model, d_ff, heads, dropout, millions) in rows.items():
        config = ModelConfig.model_validate({"preset": preset})
        assert (config.num_encoder_layers, config.num_decoder_layers) == (layers, layers)
        assert (config.d_model, config.d_ff, config.num_heads, config.kv_heads) == (
            d_model,
            d_ff,
            heads,
            heads,
        )
        assert (config.dropout, config.attention_dropout, config.activation_dropout) == (dropout, 0, 0)
        assert (config.norm, config.norm_type, config.activation) == ("post", "layernorm", "relu")
        assert (config.positions, config.tie_embeddings) == ("sinusoidal", "all")
        assert config.bias == "feed_forward"  # section 3.2.2 has none in attention, equation 2 has them
        assert num_parameters(config, 37_000, 37_000) / 1e6 == pytest.approx(millions, rel=0.04)


def test_initial_weights_have_the_stated_spread() -> None:
    model = build_model(options(d_model=128, d_ff=512), 500, 500, seed=1)

    def spread(weight: Tensor) -> float:
        return weight.detach().std().item()

    assert spread(model.tgt_embedding.weight) == pytest.approx(128**-0.5, rel=0.05)
    named = dict(model.named_parameters())
    # Xavier: variance 2 / (fan in + fan out), keys and values as two matrices.
    assert spread(named["encoder.0.attention.kv_proj.weight"]) == pytest.approx((2 / 256) ** 0.5, rel=0.05)
    assert spread(named["decoder.1.feed_forward.inner.weight"]) == pytest.approx((2 / 640) ** 0.5, rel=0.05)


def test_depth_scaled_matrices_shrink_with_the_root_of_the_layer() -> None:
    plain, scaled = (
        dict(build_model(options(init=init, activation="swiglu"), 50, 50, seed=1).named_parameters())
        for init in ("xavier", "depth_scaled")
    )
    for name, weight in plain.items():
        in_layer = name.startswith(("encoder.", "decoder.")) and weight.dim() == 2
        layer = int(name.split(".")[1]) + 1 if in_layer else 1
        assert_near(scaled[name], weight / layer**0.5)


def test_depth_scaled_gradients_reach_the_first_layer() -> None:
    """Zhang et al. 2019, figure 1: in a deep post-norm stack the gradient fades, but not so initialised."""

    def share_at_first_layer(init: str) -> float:
        config = options(norm="post", init=init, d_model=32, d_ff=64, num_decoder_layers=24)
        model = build_model(config, 50, 50, seed=1)
        ids = torch.randint(4, 50, (8, 10), generator=torch.Generator().manual_seed(1))
        logits = model(ids, torch.ones_like(ids, dtype=torch.bool), ids)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten())
        first, last = (
            torch.cat(
                [
                    grad.flatten()
                    for grad in torch.autograd.grad(loss, list(layer.parameters()), retain_graph=True)
                ]
            )
            for layer in (model.decoder[0], model.decoder[-1])
        )
        return float(first.norm() / last.norm())

    assert share_at_first_layer("xavier") < 0.3
    assert share_at_first_layer("depth_scaled") > 0.7


@torch.no_grad()
def test_silu_is_x_times_the_sigmoid() -> None:
    inner = FeedForward(options(activation="silu", d_ff=8), MaskSource())
    x = torch.randn(3, 16)
    before = x @ inner.inner.weight.T + inner.inner.bias
    after = before / (1 + (-before).exp())
    assert_near(inner(x), after @ inner.outer.weight.T + inner.outer.bias)


def test_a_bias_of_the_output_is_added_to_logits_and_trained() -> None:
    """Against torch's linear map and cross-entropy, with their gradients."""
    model = build_model(options(output_bias=True, tie_embeddings="none"), 20, 20, seed=1).eval()
    assert not model.output.bias.any()
    torch.nn.init.normal_(model.output.bias)
    src_ids, tgt_in = torch.randint(4, 20, (2, 5)), torch.randint(4, 20, (2, 4))
    mask = torch.ones_like(src_ids, dtype=torch.bool)
    features = model.features(src_ids, mask, tgt_in).detach().flatten(0, 1).requires_grad_()
    weight, bias = model.output.weight, model.output.bias
    expected = torch.nn.functional.linear(features, weight, bias)
    assert_near(model(src_ids, mask, tgt_in).flatten(0, 1), expected)
    targets = torch.randint(4, 20, (8,))
    theirs = nn.functional.cross_entropy(expected, targets, reduction="sum", label_smoothing=0.1)
    wanted = torch.autograd.grad(theirs, (features, weight, bias))
    ours, _ = cross_entropy(*with_bias(features, model.output), targets, 0.1)
    assert_near(ours, theirs)
    for found, gradient in zip(torch.autograd.grad(ours, (features, weight, bias)), wanted, strict=True):
        assert_near(found, gradient)
