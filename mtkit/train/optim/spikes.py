"""Detects gradients that are much larger than usual."""

from __future__ import annotations

import torch
from torch import Tensor

WINDOW = 100
"""Updates that the running mean of the norm covers."""
FIRST = 20
"""Updates before the first spike can be detected: the norms of an untrained model say little."""


class SpikeGuard:
    """Compares each gradient norm with the running mean of earlier ones, on the device.

    A norm enters the mean as at most `factor` times the mean. A single spike thus changes it little, but it
    follows a lasting rise, and training never stalls.
    """

    def __init__(self, factor: float, device: torch.device) -> None:
        self.factor = factor
        self.mean = torch.zeros((), device=device)
        self.seen = torch.zeros((), dtype=torch.int64, device=device)

    def __call__(self, norm: Tensor) -> Tensor:
        """Whether this norm is a spike; false for a non-finite one, which does not enter the mean."""
        finite = torch.isfinite(norm)
        limit = torch.where(self.seen >= FIRST, self.factor * self.mean, torch.inf)
        spike = finite & (norm > limit)
        weight = 1.0 / (self.seen + 1).clamp(max=WINDOW)
        step = torch.where(finite, torch.minimum(norm, limit) - self.mean, 0.0) * weight
        self.mean += step
        self.seen += finite
        return spike

    def state(self) -> dict[str, Tensor]:
        """The tensors that later calls depend on."""
        return {"mean": self.mean, "seen": self.seen}
