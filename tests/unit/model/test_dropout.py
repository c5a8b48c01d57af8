from __future__ import annotations

import pytest
import torch

from mtkit.model.dropout import Dropout, MaskSource


def test_share_and_scale() -> None:
    layer = Dropout(0.25, MaskSource()).train()
    out = layer(torch.ones(400_000))
    kept = (out != 0).float().mean().item()
    # The standard error of a share over 400,000 draws is 0.0007.
    assert kept == pytest.approx(0.75, abs=0.004)
    assert out.unique().tolist() == pytest.approx([0.0, 1 / 0.75])


def test_masks_are_a_function_of_the_key() -> None:
    source = MaskSource()
    layer = Dropout(0.5, source).train()
    x = torch.ones(64)
    source.reseed(1, 7)
    first, second = layer(x), layer(x)
    source.reseed(1, 7)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)
    source.reseed(1, 8)
    assert not torch.equal(layer(x), first)


def test_nothing_is_dropped_in_evaluation_or_at_zero() -> None:
    x = torch.randn(50)
    assert torch.equal(Dropout(0.5, MaskSource()).eval()(x), x)
    assert torch.equal(Dropout(0.0, MaskSource()).train()(x), x)


def test_gradient_passes_where_the_value_did() -> None:
    x = torch.ones(100, requires_grad=True)
    out = Dropout(0.5, MaskSource()).train()(x)
    out.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, out.detach())


@pytest.mark.parametrize("p", [0.99, 0.998, 0.9999, 1e-4])
def test_the_mean_is_kept_where_nearly_all_or_nothing_is_dropped(p: float) -> None:
    """Bytes know 1/256 to 255/256 only."""
    out = Dropout(p, MaskSource()).train()(torch.ones(2_000_000))
    dropped = min(255 / 256, max(1 / 256, p))
    # The relative standard error of the share that is kept.
    error = (dropped / (1 - dropped) / 2_000_000) ** 0.5
    assert out.mean().item() == pytest.approx(1.0, abs=6 * error + 1 / 256)


@pytest.mark.filterwarnings("default")  # torch's compiler has some of its own
def test_a_compiled_model_drops_too() -> None:
    dropout = Dropout(0.3, MaskSource()).train()
    compiled = torch.compile(dropout, backend="eager", fullgraph=True)
    torch.manual_seed(1)
    found = compiled(torch.ones(200, 200))
    assert (found == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert found.mean().item() == pytest.approx(1, abs=0.02)
