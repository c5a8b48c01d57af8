"""Dropout whose masks cost little on a CPU.

torch draws one random number per element on a single thread, which takes a quarter of a small model's
training step. On a CPU, a mask here takes one random byte per element from numpy's SFC64. Other devices use
torch's own dropout.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtkit.model.tricks import tricks


class MaskSource:
    """The random generator of all dropout masks of a model on a CPU, reseeded at each step."""

    def __init__(self) -> None:
        self.reseed(0)

    def reseed(self, *key: int) -> None:
        """Makes all later masks a function of `key`, such as (seed, step)."""
        self._random = np.random.Generator(np.random.SFC64(list(key)))

    def keep(self, shape: torch.Size, threshold: int) -> Tensor:
        """A bool mask of `shape`; each element is true with probability 1 - threshold/256."""
        raw = np.frombuffer(self._random.bytes(shape.numel()), dtype=np.uint8)
        return torch.from_numpy(np.greater_equal(raw, threshold)).view(shape)


class Dropout(nn.Module):
    """Zeroes elements with probability `p` in training and scales the rest to keep the mean.

    On a CPU `p` is rounded to one of 1/256, 2/256, …, 255/256, and the scale follows the rounded value. A
    compiled model draws its masks by torch instead.
    """

    def __init__(self, p: float, source: MaskSource) -> None:
        super().__init__()
        self.p = p
        self.source = source

    def forward(self, x: Tensor) -> Tensor:
        """`x` of any shape, with elements dropped in training mode."""
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu" or not tricks.byte_masks or torch.compiler.is_compiling():
            return F.dropout(x, self.p)
        threshold = min(255, max(1, round(self.p * 256)))
        return x * self.source.keep(x.shape, threshold) * (256 / (256 - threshold))

    def extra_repr(self) -> str:
        """The arguments that `print(model)` shows."""
        return f"p={self.p}"
