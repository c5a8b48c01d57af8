"""The optimizer and its learning-rate schedule."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mtkit.config.train import OptimizerConfig
from mtkit.errors import InputError

_MOMENTS = ("exp_avg", "exp_avg_sq")


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW for the weights that are not frozen, with weight decay on matrices only."""
    trained = [parameter for _, parameter in trained_parameters(model)]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)


def trained_parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The parameters that are not frozen, with their names."""
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def learning_rate(config: OptimizerConfig, step: int, share: float, lowered: int = 0) -> float:
    """The rate of update number `step`, from 1.

    Warm-up and inverse square root follow Vaswani et al. 2017, equation 3, with the peak given
    instead of computed from d_model; the cosine is that of Loshchilov & Hutter 2017 without restarts.

    Args:
        config: its options.
        step: of the update.
        share: of the budget that is used.
        lowered: how often `plateau` lowered the rate.
    """
    warmup = max(1, config.warmup_steps)
    factor = min(1.0, step / warmup)
    match config.schedule:
        case "inverse_sqrt":
            factor = factor if step <= warmup else (warmup / step) ** 0.5
        case "linear":
            factor = min(factor, 1.0 - share)
        case "cosine":
            factor = min(factor, 0.5 * (1.0 + math.cos(math.pi * share)))
        case "plateau":
            factor *= config.plateau_factor**lowered
        case "constant":
            pass
    if config.cooldown and share > 1.0 - config.cooldown:
        factor *= (1.0 - share) / config.cooldown
    return config.lr * factor


def optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments by parameter name, and the count of updates; zeros before the first one was made."""
    state = {}
    for name, parameter in trained_parameters(model):
        held = optimizer.state[parameter]
        for moment in _MOMENTS:
            state[f"{moment}.{name}"] = held[moment] if held else torch.zeros_like(parameter)
        state[f"step.{name}"] = held["step"] if held else torch.zeros((), device=parameter.device)
    return state


def set_optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Tensor]) -> None:
    """Puts back what `optimizer_state` gave.

    Raises:
        InputError: a parameter has no state.
    """
    for name, parameter in trained_parameters(model):
        try:
            values = {key: state[f"{key}.{name}"] for key in (*_MOMENTS, "step")}
        except KeyError as error:
            raise InputError(
                f"checkpoint: optimizer state {error} is missing.", "Use an older checkpoint."
            ) from None
        optimizer.state[parameter] = {key: value.to(parameter.device) for key, value in values.items()}
