"""Muon: an optimizer for matrices, whose momentum is made orthogonal (Jordan et al. 2024, "Muon").

Not torch.optim.Muon, which takes one matrix after the other, in bf16 on any machine, those that are stacked
in one parameter as if they were one, and cannot be told on the device to leave the weights as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

_QUINTIC = 3.4445, -4.7750, 2.0315
"""Coefficients of the iteration, by which all singular values come near 1."""
TURNS = 4
"""A fifth, which the authors make, costs a fifth of the time; after 400 updates it had taught no more."""
_EPS = 1e-7
_ADAM = 0.2
"""Root mean square of Adam's usual update, in units of the rate."""
AT_ONCE = 1 << 24
"""Numbers that are made orthogonal at once."""


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal and scaled to the size of Adam's usual update.

    The scale, 0.2 √max(rows, columns), lets one rate serve this and Adam (Liu et al. 2025, "Muon is Scalable
    for LLM Training", equation 4).

    Attributes:
        found_inf: a number on the device; an update leaves everything as it is unless this is 0.

    Args:
        groups: parameters of two axes under `params`; `stacked` is how many matrices stand on top of each
            other in each.
        lr: rate.
        momentum: share of the old momentum in the new one.
        weight_decay: decoupled, times the rate.
        dtype: of the products that make a matrix orthogonal.
    """

    found_inf: Tensor | None = None

    def __init__(
        self,
        groups: Iterable[Mapping[str, Any]],
        lr: float,
        momentum: float,
        weight_decay: float,
        dtype: torch.dtype,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "stacked": 1}
        super().__init__([dict(group) for group in groups], defaults)
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Makes one update."""
        if self._skip is not None or not self.found_inf:
            for group in self.param_groups:
                self._update(group)

    @property
    def _skip(self) -> Tensor | None:
        """Whether to leave everything as it is, if only a GPU knows; None if the processor does."""
        flag = self.found_inf
        return None if flag is None or flag.device.type == "cpu" else flag > 0

    def _update(self, group: dict[str, Any]) -> None:
        """Updates the parameters of one group, each [stacked * rows, columns]."""
        trained = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not trained:
            return
        # 1. The rate, 0 on a GPU that has to skip this update; then weight decay.
        rate: float | Tensor = group["lr"]
        if self._skip is not None:
            rate = (~self._skip) * rate
        if group["weight_decay"]:
            torch._foreach_mul_(trained, 1 - rate * group["weight_decay"])
        # 2. Collect single matrices by shape, turned so that none has more rows than columns.
        wide: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
        for parameter, direction in zip(trained, self._directions(trained, group["momentum"]), strict=True):
            count = group["stacked"]
            for matrix, part in zip(parameter.chunk(count), direction.chunk(count), strict=True):
                if part.shape[0] > part.shape[1]:
                    matrix, part = matrix.mT, part.mT
                wide.setdefault(part.shape, []).append((matrix, part))
        # 3. Make many of one shape orthogonal at once, [count, rows, columns], and subtract them.
        for shape, pairs in wide.items():
            scale, size = _ADAM * math.sqrt(shape[1]), max(1, AT_ONCE // shape.numel())
            for some in (pairs[start : start + size] for start in range(0, len(pairs), size)):
                updates = orthogonal(torch.stack([part for _, part in some]).to(self._dtype))
                updates = updates.float() * (rate * scale)
                torch._foreach_sub_([matrix for matrix, _ in some], updates.unbind())

    def _directions(self, trained: list[nn.Parameter], momentum: float) -> tuple[Tensor, ...]:
        """Takes the gradients into the momenta, and gives what Nesterov's momentum follows."""
        gradients = [parameter.grad for parameter in trained if parameter.grad is not None]
        momenta = [self._momentum(parameter) for parameter in trained]
        if (skip := self._skip) is not None:
            # What may be infinite or no number at all gives way to what changes nothing.
            gradients = [torch.where(skip, old, new) for old, new in zip(momenta, gradients, strict=True)]
        torch._foreach_lerp_(momenta, gradients, 1 - momentum)
        return torch._foreach_lerp(gradients, momenta, momentum)

    def _momentum(self, parameter: nn.Parameter) -> Tensor:
        held = self.state[parameter]
        if not held:
            held["momentum_buffer"] = torch.zeros_like(parameter)
        momentum: Tensor = held["momentum_buffer"]
        return momentum


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices with the singular vectors of these, and singular values near 1.

    They are 0.68 to 1.2 for what is more than a hundredth of the norm, and 0.13 for a thousandth.

    Args:
        matrices: [count, rows, columns], not more rows than columns.
    """
    a, b, c = _QUINTIC
    x = matrices / matrices.flatten(1).norm(dim=1).clamp(min=_EPS)[:, None, None]
    gram = torch.bmm(x, x.mT)
    if x.dtype == torch.float32 and x.shape[2] >= 2 * x.shape[1]:
        return torch.bmm(_factor(gram), x)  # in half precision its rounding errors would grow
    for turn in range(TURNS):
        gram = torch.bmm(x, x.mT) if turn else gram
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _factor(gram: Tensor) -> Tensor:
    """What all turns multiply x by, computed from x xᵀ: cheaper for wide x, which is touched only twice."""
    a, b, c = _QUINTIC
    factor: Tensor | None = None
    for turn in range(1, TURNS + 1):
        quintic = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        quintic.diagonal(dim1=1, dim2=2).add_(a)
        factor = quintic if factor is None else torch.bmm(quintic, factor)
        if turn < TURNS:
            gram = torch.bmm(quintic, torch.bmm(gram, quintic))
    assert factor is not None
    return factor
