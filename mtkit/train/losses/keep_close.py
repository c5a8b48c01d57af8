"""The divergence of a model's predictions from those of the model that its training started with.

It keeps a model that is adapted to a new domain close to what it knew (Khayrallah et al. 2018; they use the
cross-entropy, which differs by a constant).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from mtkit.model.checkpoint import weights_of
from mtkit.model.loss import chunk_rows
from mtkit.model.transformer import Transformer


class FrozenStart:
    """The model as it was when training started.

    Args:
        model: that is trained; its weights are copied.

    Attributes:
        model: in evaluation mode, and never changed by training.
    """

    def __init__(self, model: Transformer) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()

    def begin(self, model: Transformer) -> None:
        """Takes the current weights of `model` as the start."""
        self.model.load_state_dict(model.state_dict())

    def held(self) -> dict[str, Tensor]:
        """Its weights, by name in a checkpoint."""
        return {f"start.{name}": weight for name, weight in weights_of(self.model).items()}


class _ChunkedFrom(torch.autograd.Function):
    """KL(p‖q) for a fixed p; computes values and gradients of each chunk together."""

    @staticmethod
    def forward(
        ctx: Any, start: Tensor, start_weight: Tensor, features: Tensor, weight: Tensor, dtype: torch.dtype
    ) -> Tensor:
        total = torch.zeros((), device=features.device)
        fixed, projection = start_weight.to(dtype), weight.to(dtype)
        start, rows = start.to(dtype), features.to(dtype)
        grad = torch.empty_like(rows)  # [tokens, d_model]
        grad_weight = torch.zeros_like(weight)  # [vocab, d_model]
        chunk = chunk_rows(features.device, 5 * len(weight))  # about 5 numbers exist for each logit
        for begin in range(0, len(rows), chunk):
            part = slice(begin, begin + chunk)
            log_p = torch.log_softmax(start[part] @ fixed.T, -1, dtype=torch.float32)
            log_q = torch.log_softmax(rows[part] @ projection.T, -1, dtype=torch.float32)
            p = log_p.exp()
            total += (p * (log_p - log_q)).sum()
            grad_q = (log_q.exp() - p).to(dtype)  # d KL(p‖q) / d logits of q
            torch.mm(grad_q, projection, out=grad[part])
            grad_weight += grad_q.T @ rows[part]
        ctx.save_for_backward(grad, grad_weight)
        return total

    @staticmethod
    def backward(ctx: Any, grad_total: Tensor) -> tuple[Tensor | None, ...]:
        grad, grad_weight = (own.float() * grad_total for own in ctx.saved_tensors)
        return None, None, grad, grad_weight, None


def divergence_from(
    start: Tensor,
    start_weight: Tensor,
    features: Tensor,
    weight: Tensor,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """The sum over tokens of KL(p‖q), where p are the predictions of the start and q those of the model.

    The gradient reaches q alone.

    Args:
        start: features that predict p, [tokens, d_model] in fp32.
        start_weight: output projection of the start, [vocab, d_model] in fp32.
        features: features that predict q.
        weight: output projection of the model.
        dtype: type of the matrix products; softmax and sums are fp32.
    """
    return _ChunkedFrom.apply(start, start_weight, features, weight, dtype)  # type: ignore[no-untyped-call]
