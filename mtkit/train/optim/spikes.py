"""Which updates are skipped since their gradient is much larger than usual."""

from __future__ import annotations

import torch
from torch import Tensor

WINDOW = 100
"""Updates over which the mean of the norm forgets."""
FIRST = 20
"""Updates before the first verdict: the norms of a model that knows nothing tell little."""


class SpikeGuard:
    """Compares each gradient norm with the running mean of those before; all of it stays on the device.

    A norm counts in the mean with at most `factor` times the mean, so that a single spike moves it little,
    but a lasting rise is followed and training never stands still.
    """

    def __init__(self, factor: float, device: torch.device) -> None:
        self.factor = factor
        self.mean = torch.zeros((), device=device)
        self.seen = torch.zeros((), dtype=torch.int64, device=device)

    def __call__(self, norm: Tensor) -> Tensor:
        """Whether this is a spike; false for a norm that is not finite, which counts for nothing."""
        finite = torch.isfinite(norm)
        limit = torch.where(self.seen >= FIRST, self.factor * self.mean, torch.inf)
        spike = finite & (norm > limit)
        weight = 1.0 / (self.seen + 1).clamp(max=WINDOW)
        step = torch.where(finite, torch.minimum(norm, limit) - self.mean, 0.0) * weight
        self.mean += step
        self.seen += finite
        return spike

    def state(self) -> dict[str, Tensor]:
        """What later verdicts depend on."""
        return {"mean": self.mean, "seen": self.seen}
