"""LoRA by projected gradients against autograd on the written-out formula."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call

from mtkit.config.model import ModelConfig
from mtkit.config.train import LoraConfig
from mtkit.errors import UsageError
from mtkit.model.transformer import Transformer, build_model
from mtkit.train.optim.lora import LowRank

SHAPE = ModelConfig(d_model=16, d_ff=24, num_heads=2, num_encoder_layers=1, num_decoder_layers=2, dropout=0.0)
OPTIONS = LoraConfig(rank=3, alpha=5.0)


def loss_of(model: nn.Module, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    src = torch.tensor([[5, 6, 7, 3], [8, 9, 3, 0]])
    tgt_in = torch.tensor([[2, 10, 11], [2, 12, 13]])
    logits = functional_call(model, weights, (src, src != 0, tgt_in))
    return nn.functional.cross_entropy(logits.flatten(0, 1), torch.tensor([10, 11, 3, 12, 13, 3]))


def built() -> Transformer:
    return build_model(SHAPE, 20, 20, seed=4)


def test_updates_are_those_of_the_written_out_formula() -> None:
    model = built()
    low_rank = LowRank(model, OPTIONS, seed=1)
    start = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    names = list(low_rank.weights)
    a = {name: low_rank.factors(name)[0].detach().clone().requires_grad_() for name in names}
    b = {name: low_rank.factors(name)[1].detach().clone().requires_grad_() for name in names}
    ours = torch.optim.SGD(low_rank.parameters(), lr=0.5, momentum=0.9)
    theirs = torch.optim.SGD([*a.values(), *b.values()], lr=0.5, momentum=0.9)
    reference = copy.deepcopy(model)
    for _ in range(5):
        model.zero_grad()
        loss = loss_of(model, {})
        torch.autograd.backward(loss)
        low_rank.project()
        ours.step()
        low_rank.apply_factors()
        theirs.zero_grad()
        written = {name: start[name] + 5 / 3 * b[name] @ a[name] for name in names}
        expected = loss_of(reference, written)
        torch.autograd.backward(expected)
        theirs.step()
        assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    for name in names:
        mine = low_rank.factors(name)
        torch.testing.assert_close(mine[0].detach(), a[name].detach(), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(mine[1].detach(), b[name].detach(), rtol=1e-4, atol=1e-6)
    for name, weight in model.named_parameters():
        if name not in names:
            assert torch.equal(weight, start[name])


def test_the_nearest_adapter_gives_the_weights_back() -> None:
    model = built()
    low_rank = LowRank(model, OPTIONS, seed=1)
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in low_rank.parameters():
            parameter.normal_()
    low_rank.apply_factors()
    weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    reduced = low_rank.reduced(weights)
    for name, weight in weights.items():
        torch.testing.assert_close(reduced[name], weight, rtol=1e-4, atol=1e-4)
    # Of a matrix of full rank no adapter of rank 3 is nearer: its error is that of the other singular values.
    name = next(iter(low_rank.weights))
    full = weights | {name: torch.randn_like(weights[name])}
    left = torch.linalg.svdvals(full[name] - low_rank.start[name])[3:]
    error = torch.linalg.norm(low_rank.reduced(full)[name] - full[name])
    assert error.item() == pytest.approx(left.norm().item(), rel=1e-4)


def test_targets_choose_matrices_and_mistakes_are_told() -> None:
    model = built()
    low_rank = LowRank(model, LoraConfig(rank=2, targets=("q_proj", "decoder.1.*")), seed=1)
    assert {name.split(".")[-2] for name in low_rank.weights if not name.startswith("decoder.1.")} == {
        "q_proj"
    }
    assert any(name.startswith("decoder.1.") and "q_proj" not in name for name in low_rank.weights)
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert trained == set(low_rank.weights)
    with pytest.raises(UsageError, match="no matrix matches 'qproj'"):
        LowRank(model, LoraConfig(rank=2, targets=("qproj",)), seed=1)
