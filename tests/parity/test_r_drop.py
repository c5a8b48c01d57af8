"""The chunked divergence, and the place of R-Drop in the loss, against torch's own functions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mtkit.config.model import ModelConfig
from mtkit.config.train import TrainConfig
from mtkit.data.feed.batch import Batch, collate
from mtkit.model.loss import CHUNK_CPU
from mtkit.model.transformer import build_model
from mtkit.train.losses.divergence import divergence
from mtkit.train.objective import Objective


def kl(of: Tensor, to: Tensor) -> Tensor:
    """KL(of ‖ to) summed over rows; torch's argument order is the other way round."""
    return F.kl_div(to.log_softmax(-1), of.log_softmax(-1), reduction="sum", log_target=True)


def naive(first: Tensor, second: Tensor, weight: Tensor, both_ways: bool = True) -> Tensor:
    p, q = first @ weight.T, second @ weight.T
    return (kl(p, q) + kl(q, p)) / 2 if both_ways else kl(p, q)


@pytest.mark.parametrize("both_ways", [True, False])
@pytest.mark.parametrize("tokens", [1, CHUNK_CPU, CHUNK_CPU + 3])
def test_value_and_gradients_equal_torch(tokens: int, both_ways: bool) -> None:
    torch.manual_seed(0)
    first, second = (torch.randn(tokens, 16, requires_grad=True) for _ in range(2))
    weight = torch.randn(50, 16, requires_grad=True)
    ours = divergence(first, second, weight, both_ways)
    theirs = naive(first, second, weight, both_ways)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)
    inputs = (first, second, weight)
    # fp32 sums over 50 classes and all tokens in another order.
    for our, their in zip(
        torch.autograd.grad(ours * 0.7, inputs), torch.autograd.grad(theirs * 0.7, inputs), strict=True
    ):
        torch.testing.assert_close(our, their, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("both_ways", [True, False])
def test_half_precision_is_within_its_rounding(both_ways: bool) -> None:
    torch.manual_seed(0)
    first, second = (torch.randn(40, 16, requires_grad=True) for _ in range(2))
    weight = torch.randn(50, 16, requires_grad=True)
    exact, rounded = (
        divergence(first, second, weight, both_ways, dtype) for dtype in (torch.float32, torch.bfloat16)
    )
    torch.testing.assert_close(rounded, exact, rtol=0.02, atol=0)
    inputs = (first, second, weight)
    for our, their in zip(
        torch.autograd.grad(rounded, inputs), torch.autograd.grad(exact, inputs), strict=True
    ):
        assert (our - their).norm() < 0.03 * their.norm()


@pytest.mark.parametrize("both_ways", [True, False])
def test_sure_and_opposite_predictions_are_finite(both_ways: bool) -> None:
    first, second = torch.tensor([[1000.0, 0.0]]), torch.tensor([[-1000.0, 0.0]])
    weight = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert divergence(first, second, weight, both_ways).item() == pytest.approx(2000.0)


def objective(dropout: float, **options: object) -> Objective:
    config = ModelConfig.model_validate(
        {
            "d_model": 16,
            "d_ff": 32,
            "num_heads": 2,
            "num_encoder_layers": 1,
            "num_decoder_layers": 1,
            "dropout": dropout,
        }
    )
    model = build_model(config, 30, 30, seed=1).train()
    return Objective(model, TrainConfig.model_validate(options), torch.float32)


def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    sides = [[torch.randint(4, 30, (n,), generator=generator).numpy() for n in (3, 5, 2)] for _ in range(2)]
    return collate(*sides)


def test_without_dropout_it_adds_nothing() -> None:
    plain, _ = objective(0.0)(batch())
    loss, sums = objective(0.0, r_drop=5.0)(batch())
    assert sums["r_drop"].item() == pytest.approx(0.0, abs=1e-4)
    torch.testing.assert_close(loss, plain, rtol=1e-5, atol=1e-4)


def test_the_loss_is_half_of_equation_4() -> None:
    """(CE₁ + CE₂)/2 + α/2 · (KL(p‖q) + KL(q‖p))/2, with the predictions that the model really made."""
    alpha = 3.0
    ours = objective(0.3, r_drop=alpha, label_smoothing=0.1, packing=False)
    seen: list[Tensor] = []
    features = ours.features

    def spy(*args: Any) -> Tensor:
        seen.append(features(*args))
        return seen[-1]

    ours.features = spy
    data = batch()
    loss, sums = ours(data)
    (found,) = seen
    first, second = (half.flatten(0, 1)[data.tgt_rows] for half in found.chunk(2))
    assert not torch.equal(first, second)
    weight = ours.model.output.weight
    both = [
        F.cross_entropy(rows @ weight.T, data.tgt_out, reduction="sum", label_smoothing=0.1)
        for rows in (first, second)
    ]
    apart = naive(first, second, weight)
    torch.testing.assert_close(sums["r_drop"], apart, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(loss, sum(both) / 2 + alpha / 2 * apart, rtol=1e-5, atol=1e-4)
