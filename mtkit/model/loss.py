"""Label-smoothed cross-entropy that never holds the logits of a whole batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtkit.model.tricks import tricks

CHUNK_CPU, CHUNK_GPU = 256, 4096
"""Most rows of a chunk."""
_LOGITS_GPU = 2**27
"""Most logits of a chunk on a GPU: 256 MiB in bf16, and as many numbers again in fp32 unless fused."""


def chunk_rows(device: torch.device, vocab_size: int) -> int:
    """The number of rows of a chunk; only one chunk's logits exist at a time."""
    if device.type == "cpu":
        return CHUNK_CPU
    return max(1, min(CHUNK_GPU, _LOGITS_GPU // vocab_size))


def differentiate(
    logits: Tensor, probs: Tensor | None, target: Tensor, label_smoothing: float
) -> tuple[Tensor, Tensor]:
    """Sums over rows of the target's log-probability and of the logarithm of the normalizer.

    Replaces `logits` [rows, vocab] by the gradient of the loss with respect to them,
    softmax - (1 - ε) one_hot, without its uniform part, ε/V.

    Args:
        logits: [rows, vocab].
        probs: scratch memory of the same shape in fp32.
        target: [rows, 1].
        label_smoothing: ε.
    """
    assert probs is not None
    probs.copy_(logits)
    largest = probs.amax(-1, keepdim=True)
    torch.softmax(probs, -1, out=probs)
    # The largest probability of a row is at least 1/V, so its logarithm is finite.
    log_normalizer = largest - probs.amax(-1, keepdim=True).log()
    picked = (logits.gather(1, target).float() - log_normalizer).sum()
    probs.scatter_add_(1, target, probs.new_full(target.shape, label_smoothing - 1))
    logits.copy_(probs)
    return picked, log_normalizer.sum()


def differentiate_fused(
    logits: Tensor, _: Tensor | None, target: Tensor, label_smoothing: float
) -> tuple[Tensor, Tensor]:
    """Like `differentiate`, for torch.compile, which turns it into two passes over `logits`."""
    scores = logits.float()
    log_normalizer = scores.logsumexp(-1, keepdim=True)
    picked = (scores.gather(1, target) - log_normalizer).sum()
    is_target = torch.arange(logits.shape[1], device=logits.device) == target
    logits.copy_((scores - log_normalizer).exp() + is_target * (label_smoothing - 1))
    return picked, log_normalizer.sum()


@functools.cache
def compiled() -> Callable[..., tuple[Tensor, Tensor]]:
    """`differentiate_fused`, compiled."""
    return torch.compile(differentiate_fused, dynamic=True)


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Computes the loss and the gradients of each chunk of rows together, then drops its logits."""

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        targets: Tensor,
        label_smoothing: float,
        dtype: torch.dtype,
        fused: bool,
    ) -> tuple[Tensor, Tensor]:
        # 1. Allocate the results, and the logits and probabilities of one chunk, [chunk, vocab]. All chunks
        #    share these: a fresh allocation of this size costs more than the softmax.
        need_grad = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        loss = torch.zeros((), device=features.device)
        nll = torch.zeros_like(loss)
        features, projection = features.to(dtype), weight.to(dtype)
        grad_features = torch.empty_like(features) if need_grad else None
        grad_weight = torch.zeros_like(weight) if need_grad else None
        vocab, smooth = weight.shape[0], label_smoothing / weight.shape[0]
        chunk = chunk_rows(features.device, vocab)
        logits_buffer = features.new_empty(min(chunk, len(features)), vocab)
        probs_buffer = None if fused else torch.empty_like(logits_buffer, dtype=torch.float32)
        gradient = compiled() if fused else differentiate
        # Σ logits over the vocabulary and the uniform part of the gradient are products with this vector.
        weight_sum = weight.sum(0)  # [d_model]
        for begin in range(0, features.shape[0], chunk):
            # 2. Logits of a chunk, [rows, vocab], which then become their own gradient. The gradient of rows
            #    without target is 0.
            rows = features[begin : begin + chunk]  # [rows, d_model]
            target = targets[begin : begin + chunk, None]  # [rows, 1]
            logits = torch.mm(rows, projection.T, out=logits_buffer[: len(rows)])
            probs = None if probs_buffer is None else probs_buffer[: len(target)]
            picked, log_normalizers = gradient(logits[: len(target)], probs, target, label_smoothing)
            logits[len(target) :].zero_()
            # 3. Add up the loss, and the gradients of features [rows, d_model] and weights [vocab, d_model].
            log_prob_sum = (rows[: len(target)].float() @ weight_sum).sum() - vocab * log_normalizers
            nll -= picked
            loss -= (1 - label_smoothing) * picked + smooth * log_prob_sum
            if grad_features is not None and grad_weight is not None:
                torch.mm(logits, projection, out=grad_features[begin : begin + chunk])
                grad_weight += logits.T @ rows
        # 4. Subtract the uniform part of the gradient.
        if grad_features is not None and grad_weight is not None:
            grad_features[: len(targets)] -= smooth * weight_sum.to(dtype)
            grad_weight -= smooth * features[: len(targets)].sum(0, dtype=torch.float32)
        ctx.save_for_backward(grad_features, grad_weight)
        return loss, nll

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        grad_features, grad_weight = ctx.saved_tensors
        # Scaled in fp32: a loss scale of 2^16 does not fit into fp16.
        return grad_features.float() * grad_loss, grad_weight * grad_loss, None, None, None, None


def with_bias(features: Tensor, output: nn.Linear) -> tuple[Tensor, Tensor]:
    """`features` [tokens, d_model] and the matrix [vocab, d_model] whose product are the logits of `output`.

    A bias b is one more column: [features, 1]·[W, b]ᵀ = features·Wᵀ + b.
    """
    if output.bias is None:
        return features, output.weight
    ones = features.new_ones(len(features), 1)
    return torch.cat((features, ones), 1), torch.cat((output.weight, output.bias[:, None]), 1)


def cross_entropy(
    features: Tensor,
    weight: Tensor,
    targets: Tensor,
    label_smoothing: float = 0.0,
    dtype: torch.dtype = torch.float32,
    fused: bool = False,
) -> tuple[Tensor, Tensor]:
    """Sums over tokens of the label-smoothed loss, for training, and of -log p, for reports.

    Smoothing mixes the one-hot target with the uniform distribution over the vocabulary
    (Szegedy et al. 2016, section 7), as `torch.nn.functional.cross_entropy` does.

    Args:
        features: [tokens, d_model] in fp32; rows beyond the number of targets have no loss.
        weight: output projection, [vocab, d_model], in fp32.
        targets: [tokens], int64.
        label_smoothing: probability spread over the whole vocabulary.
        dtype: type of the matrix products; softmax and sums are fp32.
        fused: compile the steps between the products, which then need no logits in fp32.
    """
    if not tricks.chunked_loss:
        features = features[: len(targets)]
        logits = (features.to(dtype) @ weight.to(dtype).T).float()
        nll = F.cross_entropy(logits.detach(), targets, reduction="sum")
        return F.cross_entropy(logits, targets, reduction="sum", label_smoothing=label_smoothing), nll
    if not torch.is_grad_enabled():  # the function below sees only whether its inputs want a gradient
        features, weight = features.detach(), weight.detach()
    loss, nll = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        features, weight, targets, label_smoothing, dtype, fused
    )
    return loss, nll.detach()
