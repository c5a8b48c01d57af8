"""Our chunked loss against torch's own cross-entropy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mtkit.model import loss
from mtkit.model.loss import CHUNK_CPU, CHUNK_GPU, chunk_rows, cross_entropy, differentiate_fused


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("tokens", [1, CHUNK_CPU, CHUNK_CPU + 3])
@pytest.mark.parametrize("fused", [False, True])
def test_loss_and_gradients_equal_torch(
    tokens: int, label_smoothing: float, fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "compiled", lambda: differentiate_fused)  # the same, but at once
    torch.manual_seed(0)
    features = torch.randn(tokens, 16, dtype=torch.float32, requires_grad=True)
    weight = torch.randn(50, 16, requires_grad=True)
    targets = torch.randint(0, 50, (tokens,))

    total, nll = cross_entropy(features, weight, targets, label_smoothing, fused=fused)
    ours = torch.autograd.grad(total * 0.5, (features, weight))

    logits = features @ weight.T
    expected = F.cross_entropy(logits, targets, reduction="sum", label_smoothing=label_smoothing)
    theirs = torch.autograd.grad(expected * 0.5, (features, weight))

    # fp32 sums over 50 classes in another order.
    torch.testing.assert_close(total, expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(nll, F.cross_entropy(logits, targets, reduction="sum"), rtol=1e-5, atol=1e-4)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fused", [False, True])
def test_half_precision_is_within_its_rounding(fused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "compiled", lambda: differentiate_fused)
    torch.manual_seed(0)
    features = torch.randn(40, 16, requires_grad=True)
    weight = torch.randn(50, 16, requires_grad=True)
    targets = torch.randint(0, 50, (40,))
    exact, _ = cross_entropy(features, weight, targets, 0.1)
    exact_grads = torch.autograd.grad(exact, (features, weight))
    rounded, _ = cross_entropy(features, weight, targets, 0.1, torch.bfloat16, fused)
    rounded_grads = torch.autograd.grad(rounded, (features, weight))
    # bf16 keeps 8 bits: relative errors of 2^-8 a product.
    torch.testing.assert_close(rounded, exact, rtol=0.01, atol=0)
    for our, their in zip(rounded_grads, exact_grads, strict=True):
        assert (our - their).norm() < 0.02 * their.norm()


def test_a_sure_and_wrong_model_has_a_finite_loss() -> None:
    features = torch.tensor([[1000.0, 0.0]])
    weight = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    total, nll = cross_entropy(features, weight, torch.tensor([1]))
    assert total.item() == nll.item() == pytest.approx(2000.0)


def test_the_logits_on_a_gpu_have_a_bound() -> None:
    gpu = torch.device("cuda")
    for vocab_size in (100, 32_000, 250_000, 2**28):
        rows = chunk_rows(gpu, vocab_size)
        assert 1 <= rows <= CHUNK_GPU
        assert rows * vocab_size <= max(2**27, vocab_size)


class Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the products of two matrices."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("without_grad", [torch.no_grad, torch.inference_mode])
def test_a_loss_without_gradient_computes_none(
    without_grad: Callable[[], AbstractContextManager[None]],
) -> None:
    """One product for each chunk of logits instead of three, and the same values."""
    torch.manual_seed(0)
    chunks = 3
    features = torch.randn(chunks * CHUNK_CPU, 16)
    weight = torch.randn(50, 16, requires_grad=True)
    targets = torch.randint(0, 50, (len(features),))
    with Products() as learning:
        expected = cross_entropy(features, weight, targets, 0.1)
    with without_grad(), Products() as validating:
        found = cross_entropy(features, weight, targets, 0.1)
    assert validating.count == chunks
    assert learning.count == 3 * chunks
    assert all(map(torch.equal, found, expected))
