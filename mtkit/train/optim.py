"""The optimizer and its learning-rate schedule."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mtkit.config.train import OptimizerConfig
from mtkit.errors import InputError

_MOMENTS = ("exp_avg", "exp_avg_sq")


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices only."""
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)


def learning_rate(config: OptimizerConfig, step: int, share: float) -> float:
    """The rate of update number `step`, from 1, when `share` of the budget is used.

    Warm-up and inverse square root follow Vaswani et al. 2017, equation 3, with the peak given
    instead of computed from d_model.
    """
    warmup = max(1, config.warmup_steps)
    factor = min(1.0, step / warmup)
    if config.schedule == "inverse_sqrt" and step > warmup:
        factor = (warmup / step) ** 0.5
    elif config.schedule == "linear":
        factor = min(factor, 1.0 - share)
    if config.cooldown and share > 1.0 - config.cooldown:
        factor *= (1.0 - share) / config.cooldown
    return config.lr * factor


def optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments by parameter name, and the count of updates."""
    state = {}
    for name, parameter in model.named_parameters():
        for moment in _MOMENTS:
            state[f"{moment}.{name}"] = optimizer.state[parameter][moment]
        state[f"step.{name}"] = optimizer.state[parameter]["step"]
    return state


def set_optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Tensor]) -> None:
    """Puts back what `optimizer_state` gave.

    Raises:
        InputError: a parameter has no state.
    """
    for name, parameter in model.named_parameters():
        try:
            values = {key: state[f"{key}.{name}"] for key in (*_MOMENTS, "step")}
        except KeyError as error:
            raise InputError(
                f"checkpoint: optimizer state {error} is missing.", "Use an older checkpoint."
            ) from None
        optimizer.state[parameter] = {key: value.to(parameter.device) for key, value in values.items()}
