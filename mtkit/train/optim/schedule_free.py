"""AdamW whose averaged weights replace a falling rate (Defazio et al. 2024, "The Road Less Scheduled").

It differs from the authors' package `schedulefree` in that the rate of each update, which includes the
warm-up, comes from outside, and in that an update can be skipped by a flag on the device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mtkit.train.optim.muon import skip_on_device

COUNTS = "step", "weight_sum", "max_lr"
"""Numbers of all updates so far: their count, the sum of their weights, and the highest rate."""


class ScheduleFree(torch.optim.Optimizer):
    """Schedule-free AdamW.

    Gradients are taken at y, which is what the model holds. z makes the steps of AdamW, x is the average of z
    and is validated and kept, and y lies between both:

        z ← z - lr · (g / (√v̂ + ε) + λ y)
        x ← (1 - c) x + c z, where c is max_lr² / weight_sum, so x is the mean of z with weights max_lr²
        y ← (1 - β₁) z + β₁ x

    x is not stored, because it follows from y and z.

    Attributes:
        found_inf: a number on the device; the next update is skipped unless it is 0.
        counts: the numbers `COUNTS`, in fp64 on the device.

    Args:
        groups: `params`, and their decoupled `weight_decay` λ, times the learning rate.
        lr: learning rate.
        betas: β₁, which is not 0, and β₂, the decay rate of v.
        eps: ε.
    """

    found_inf: Tensor | None = None

    def __init__(
        self, groups: Iterable[Mapping[str, Any]], lr: float, betas: tuple[float, float], eps: float
    ) -> None:
        super().__init__([dict(group) for group in groups], {"lr": lr, "weight_decay": 0.0})
        self._betas = betas
        self._eps = eps
        device = next(weight.device for group in self.param_groups for weight in group["params"])
        self.counts = {name: torch.zeros((), dtype=torch.float64, device=device) for name in COUNTS}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Makes one update."""
        skip = skip_on_device(self.found_inf)
        if skip is None and self.found_inf:
            return
        # 1. Count the update, unless a GPU has to skip it.
        made = torch.ones_like(self.counts["step"]) if skip is None else (~skip).double()
        lr = made * self.param_groups[0]["lr"]
        max_lr = self.counts["max_lr"].copy_(torch.maximum(self.counts["max_lr"], lr))
        weight = made * max_lr**2
        step, total = self.counts["step"].add_(made), self.counts["weight_sum"].add_(weight)
        # 2. The share c of the new z in x, and 1 - β₂ᵗ, by which v̂ is v; both are finite before any update.
        share = weight / total.clamp(min=torch.finfo(total.dtype).tiny)
        correction = 1 - self._betas[1] ** step.clamp(min=1)
        for group in self.param_groups:
            self._update(group, skip, lr, share, correction)

    def _update(
        self, group: dict[str, Any], skip: Tensor | None, lr: Tensor, share: Tensor, correction: Tensor
    ) -> None:
        """Updates the parameters of one group. `lr` and `share` are 0 if a GPU has to skip this update."""
        trained = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not trained:
            return
        beta1, beta2 = self._betas
        y, gradients = _local(trained), _local([parameter.grad for parameter in trained])
        z, v = (
            _local([self._held(parameter)[name] for parameter in trained]) for name in ("z", "exp_avg_sq")
        )
        # 1. v, which a skipped update leaves as it is; its gradient may be non-finite.
        if skip is not None:
            gradients = [torch.where(skip, 0.0, gradient) for gradient in gradients]
            torch._foreach_mul_(v, torch.where(skip, 1.0, beta2))
        else:
            torch._foreach_mul_(v, beta2)
        torch._foreach_addcmul_(v, gradients, gradients, value=1 - beta2)
        # 2. The direction of z, without the rate.
        moves = torch._foreach_div(v, correction.float())
        torch._foreach_sqrt_(moves)
        torch._foreach_add_(moves, self._eps)
        moves = torch._foreach_div(gradients, moves)
        if group["weight_decay"]:
            torch._foreach_add_(moves, y, alpha=group["weight_decay"])
        torch._foreach_mul_(moves, lr.float())
        # 3. y, from the old z: with x eliminated, y ← (1 - c) y + c z - (1 - β₁ (1 - c)) · move.
        towards_z = torch._foreach_sub(z, y)
        torch._foreach_mul_(towards_z, share.float())
        torch._foreach_add_(y, towards_z)
        torch._foreach_sub_(z, moves)
        torch._foreach_mul_(moves, (1 - beta1 * (1 - share)).float())
        torch._foreach_sub_(y, moves)

    @torch.no_grad()
    def average(self, parameter: nn.Parameter) -> Tensor:
        """The averaged weights x of a parameter."""
        held = self.state.get(parameter)  # [] would create an entry
        return parameter.detach().lerp(held["z"], 1 - 1 / self._betas[0]) if held else parameter.detach()

    def _held(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        held: dict[str, Tensor] = self.state[parameter]
        if not held:
            held["z"] = parameter.detach().clone()
            held["exp_avg_sq"] = torch.zeros_like(parameter)
        return held


def _local(tensors: list[Tensor]) -> list[Tensor]:
    """This rank's shards, if the tensors are sharded; the optimizer treats each element alone."""
    return [tensor.to_local() if hasattr(tensor, "to_local") else tensor for tensor in tensors]
