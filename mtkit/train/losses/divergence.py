"""The divergence of the predictions of two passes, never holding the logits of a whole batch.

R-Drop (Wu et al. 2021) and SimCut (Gao et al. 2022) add it to the loss.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mtkit.model.loss import chunk_rows


class _ChunkedDivergence(torch.autograd.Function):
    """Computes the value and the gradients of each chunk together, like the chunked cross-entropy."""

    @staticmethod
    def forward(
        ctx: Any, first: Tensor, second: Tensor, weight: Tensor, both_ways: bool, dtype: torch.dtype
    ) -> Tensor:
        # 1. Allocate the results; gradients of features are [tokens, d_model], of weights [vocab, d_model].
        total = torch.zeros((), device=first.device)
        projection = weight.to(dtype)
        rows = [features.to(dtype) for features in (first, second)]
        grads = [torch.empty_like(features) for features in rows]
        grad_weight = torch.zeros_like(weight)
        chunk = chunk_rows(first.device, 8 * len(weight))  # about 8 numbers exist for each logit
        for begin in range(0, len(first), chunk):
            # 2. Log-probabilities of a chunk's rows, [rows, vocab], their divergence, and its gradients.
            part = slice(begin, begin + chunk)
            log_p, log_q = (
                torch.log_softmax(features[part] @ projection.T, -1, dtype=torch.float32) for features in rows
            )
            apart, grad_p, grad_q = _differentiate(log_p, log_q)
            if both_ways:
                back, back_q, back_p = _differentiate(log_q, log_p)
                apart, grad_p, grad_q = (apart + back) / 2, (grad_p + back_p) / 2, (grad_q + back_q) / 2
            total += apart
            # 3. The gradients of features and weights.
            for grad, features, out in zip((grad_p, grad_q), rows, grads, strict=True):
                torch.mm(grad.to(dtype), projection, out=out[part])
                grad_weight += grad.to(dtype).T @ features[part]
        ctx.save_for_backward(*grads, grad_weight)
        return total

    @staticmethod
    def backward(ctx: Any, grad_total: Tensor) -> tuple[Tensor | None, ...]:
        # Scaled in fp32: a loss scale of 2^16 does not fit into fp16.
        first, second, weight = (grad.float() * grad_total for grad in ctx.saved_tensors)
        return first, second, weight, None, None


def _differentiate(log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """KL(p‖q) summed over rows, and its gradients with respect to the logits of p and q, [rows, vocab]."""
    p, ratio = log_p.exp(), log_p - log_q
    apart = (p * ratio).sum(-1, keepdim=True)  # [rows, 1]
    return apart.sum(), p * (ratio - apart), log_q.exp() - p


def divergence(
    first: Tensor, second: Tensor, weight: Tensor, both_ways: bool, dtype: torch.dtype = torch.float32
) -> Tensor:
    """The sum over tokens of KL(p‖q), or of (KL(p‖q) + KL(q‖p)) / 2 if `both_ways`, for two predictions.

    The gradient reaches both of them.

    Args:
        first: features of the first pass, which predict p, [tokens, d_model] in fp32.
        second: features of the second pass, which predict q.
        weight: output projection, [vocab, d_model], in fp32.
        both_ways: symmetric as in Wu et al. 2021, equation 2.
        dtype: type of the matrix products; softmax and sums are fp32.
    """
    return _ChunkedDivergence.apply(first, second, weight, both_ways, dtype)  # type: ignore[no-untyped-call]
