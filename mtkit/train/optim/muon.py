"""Muon, an optimizer that orthogonalises the momentum of matrices (Jordan et al. 2024, "Muon").

It differs from torch.optim.Muon, which updates matrices one by one, always in bf16, treats matrices that are
stacked in one parameter as one, and cannot skip an update by a flag on the device.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mtkit.train.machine.distributed import World
from mtkit.train.machine.exchange import deal

_QUINTIC = 3.4445, -4.7750, 2.0315
"""Coefficients of the iteration, which moves all singular values towards 1."""
_MOST_ROWS = {4: 223, 5: 769}
"""The most rows for which so many iterations are enough; see `iterations`."""
_EPS = 1e-7
_ADAM = 0.2
"""Root mean square of a typical Adam update, relative to the learning rate."""
AT_ONCE = 1 << 22
"""Most elements that are orthogonalised at once; ranks share the work in portions of this size."""


def skip_on_device(found_inf: Tensor | None) -> Tensor | None:
    """The flag as a bool on a GPU, which is never waited for; None if the CPU can read it."""
    return None if found_inf is None or found_inf.device.type == "cpu" else found_inf > 0


class Muon(torch.optim.Optimizer):
    """Orthogonalised Nesterov momentum, scaled to the size of a typical Adam update.

    With the scale 0.2 √max(rows, columns), the same learning rate suits Muon and Adam (Liu et al. 2025, "Muon
    is Scalable for LLM Training", equation 4).

    Attributes:
        found_inf: a number on the device; the next update is skipped unless it is 0.

    Args:
        groups: `params` are parameters with two axes; `stacked` is the number of matrices that are stacked
            along the first axis of each.
        lr: learning rate.
        momentum: share of the old momentum in the new one.
        weight_decay: decoupled weight decay, times the learning rate.
        dtype: type of the matrix products.
        world: the ranks that make the same updates; each orthogonalises a share of the matrices.
    """

    found_inf: Tensor | None = None

    def __init__(
        self,
        groups: Iterable[Mapping[str, Any]],
        lr: float,
        momentum: float,
        weight_decay: float,
        dtype: torch.dtype,
        world: World | None = None,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "stacked": 1}
        super().__init__([dict(group) for group in groups], defaults)
        self._dtype = dtype
        self._world = world or World()

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Makes one update."""
        if skip_on_device(self.found_inf) is not None or not self.found_inf:
            for group in self.param_groups:
                self._update(group)

    def _update(self, group: dict[str, Any]) -> None:
        """Updates the parameters of one group, each [stacked * rows, columns]."""
        trained = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not trained:
            return
        # 1. The rate, 0 on a GPU that has to skip this update; then weight decay.
        rate: float | Tensor = group["lr"]
        if (skip := skip_on_device(self.found_inf)) is not None:
            rate = (~skip) * rate
        if group["weight_decay"]:
            torch._foreach_mul_(trained, 1 - rate * group["weight_decay"])
        # 2. Collect single matrices by shape, transposing those with more rows than columns.
        wide: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
        for parameter, direction in zip(trained, self._directions(trained, group["momentum"]), strict=True):
            count = group["stacked"]
            for matrix, part in zip(parameter.chunk(count), direction.chunk(count), strict=True):
                if part.shape[0] > part.shape[1]:
                    matrix, part = matrix.mT, part.mT
                wide.setdefault(part.shape, []).append((matrix, part))
        # 3. Orthogonalise many of one shape at once, [count, rows, columns], and subtract them. The portions
        # do not depend on the number of ranks, which so get the same bits as one process.
        portions = [
            pairs[start : start + size]
            for shape, pairs in wide.items()
            for size in [max(1, AT_ONCE // shape.numel())]
            for start in range(0, len(pairs), size)
        ]
        directions = [[part for _, part in portion] for portion in portions]
        found = deal(self._world, directions, self._orthogonal, self._dtype)
        for portion, updates in zip(portions, found, strict=True):
            updates = updates.float() * (rate * _ADAM * math.sqrt(updates.shape[2]))
            torch._foreach_sub_([matrix for matrix, _ in portion], updates.unbind())

    def _orthogonal(self, matrices: Sequence[Tensor]) -> Tensor:
        return orthogonal(torch.stack(list(matrices)).to(self._dtype))

    def _directions(self, trained: list[nn.Parameter], momentum: float) -> tuple[Tensor, ...]:
        """Updates the momenta by the gradients, and returns Nesterov's directions."""
        gradients = [parameter.grad for parameter in trained if parameter.grad is not None]
        momenta = [self._momentum(parameter) for parameter in trained]
        if (skip := skip_on_device(self.found_inf)) is not None:
            # Gradients that may be non-finite are replaced by the momenta, which then do not change.
            gradients = [torch.where(skip, old, new) for old, new in zip(momenta, gradients, strict=True)]
        torch._foreach_lerp_(momenta, gradients, 1 - momentum)
        return torch._foreach_lerp(gradients, momenta, momentum)

    def _momentum(self, parameter: nn.Parameter) -> Tensor:
        held = self.state[parameter]
        if not held:
            held["momentum_buffer"] = torch.zeros_like(parameter)
        momentum: Tensor = held["momentum_buffer"]
        return momentum


def iterations(rows: int) -> int:
    """Iterations for matrices with this number of rows, at most their number of columns.

    They are the fewest, from 4, that leave at most 5 % of the singular values below 0.5 if number i of them
    is 1/i of the largest. The authors make 5 for every width. At d_model 128 a fifth one gave no better loss
    after 400 updates.
    """
    return next((count for count, most in _MOST_ROWS.items() if rows <= most), 6)


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices with the same singular vectors, and singular values near 1.

    A singular value above 1/100 of the norm becomes 0.68 to 1.2, and one of 1/1000 becomes 0.13.

    Args:
        matrices: [count, rows, columns], with at most as many rows as columns.
    """
    a, b, c = _QUINTIC
    x = matrices / matrices.flatten(1).norm(dim=1).clamp(min=_EPS)[:, None, None]
    gram, turns = torch.bmm(x, x.mT), iterations(x.shape[1])  # gram: [count, rows, rows]
    if x.dtype == torch.float32 and x.shape[2] >= 2 * x.shape[1]:
        return torch.bmm(_factor(gram, turns), x)  # in half precision, rounding errors would grow
    for turn in range(turns):
        gram = torch.bmm(x, x.mT) if turn else gram
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _factor(gram: Tensor, turns: int) -> Tensor:
    """The product of all iterations' factors on x, [count, rows, rows], computed from x xᵀ.

    This is cheaper for wide x, which takes part in two products only.
    """
    a, b, c = _QUINTIC
    factor: Tensor | None = None
    for turn in range(1, turns + 1):
        quintic = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        quintic.diagonal(dim1=1, dim2=2).add_(a)
        factor = quintic if factor is None else torch.bmm(quintic, factor)
        if turn < turns:
            gram = torch.bmm(quintic, torch.bmm(gram, quintic))
    assert factor is not None
    return factor
