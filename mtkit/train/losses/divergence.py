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
            # 2. Log-probabilities of a chunk's rows, [rows, vocab], and their divergence.
            part = slice(begin, begin + chunk)
            log_p, log_q = (
                torch.log_softmax(features[part] @ projection.T, -1, dtype=torch.float32) for features in rows
            )
            p, q, ratio = log_p.exp(), log_q.exp(), log_p - log_q
            p_to_q = (p * ratio).sum(-1, keepdim=True)  # [rows, 1]
            # 3. d KL(p‖q) / d logits of p = p (log p/q - KL), d KL(p‖q) / d logits of q = q - p.
            if both_ways:
                q_to_p = -(q * ratio).sum(-1, keepdim=True)
                total += (p_to_q.sum() + q_to_p.sum()) / 2
                grad_p = ((p * (ratio - p_to_q) + p - q) / 2).to(dtype)
                grad_q = ((q * (-ratio - q_to_p) + q - p) / 2).to(dtype)
            else:
                total += p_to_q.sum()
                grad_p, grad_q = (p * (ratio - p_to_q)).to(dtype), (q - p).to(dtype)
            for grad, features, out in zip((grad_p, grad_q), rows, grads, strict=True):
                torch.mm(grad, projection, out=out[part])
                grad_weight += grad.T @ features[part]
        ctx.save_for_backward(*grads, grad_weight)
        return total

    @staticmethod
    def backward(ctx: Any, grad_total: Tensor) -> tuple[Tensor | None, ...]:
        # Scaled in fp32: a loss scale of 2^16 does not fit into fp16.
        first, second, weight = (grad.float() * grad_total for grad in ctx.saved_tensors)
        return first, second, weight, None, None


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
