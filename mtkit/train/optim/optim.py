"""The optimizers and their learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from mtkit.config.train import OptimizerConfig
from mtkit.errors import InputError
from mtkit.train.machine.precision import training_dtype
from mtkit.train.optim.muon import Muon

Optimizer = torch.optim.AdamW | Muon


def build_optimizers(
    model: nn.Module, config: OptimizerConfig, stacked: Mapping[str, int]
) -> list[Optimizer]:
    """AdamW for the weights that are not frozen, or Muon for some of them; weight decay on matrices only.

    Args:
        model: whose weights they change.
        config: their options.
        stacked: the parameters that Muon may take, and how many matrices stand on top of each other in each.
    """
    trained = trained_parameters(model)
    taken = stacked if config.method == "muon" else {}
    rest = [parameter for name, parameter in trained if name not in taken]
    groups = [
        {"params": [p for p in rest if p.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in rest if p.dim() <= 1], "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)
    if config.method == "adamw":
        return [adam]
    layers = [
        {"params": [parameter for name, parameter in trained if taken.get(name) == count], "stacked": count}
        for count in sorted(set(taken.values()))
    ]
    dtype = training_dtype("auto", trained[0][1].device)
    return [Muon(layers, config.lr, config.momentum, config.weight_decay, dtype), adam]


_KEPT: Mapping[type[Optimizer], tuple[str, ...]] = {
    torch.optim.AdamW: ("exp_avg", "exp_avg_sq", "step"),
    Muon: ("momentum_buffer",),
}
"""What each keeps of a parameter."""


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


def optimizer_state(model: nn.Module, optimizers: Iterable[Optimizer]) -> dict[str, Tensor]:
    """What they keep of each parameter, by its name; zeros before the first update was made."""
    state = {}
    for name, parameter, optimizer in _trained_by(model, optimizers):
        held = optimizer.state.get(parameter)  # by [] it would get an entry
        for kept in _KEPT[type(optimizer)]:
            state[f"{kept}.{name}"] = held[kept] if held else _empty(kept, parameter)
    return state


def _empty(kept: str, parameter: nn.Parameter) -> Tensor:
    return torch.zeros((), device=parameter.device) if kept == "step" else torch.zeros_like(parameter)


def set_optimizer_state(
    model: nn.Module, optimizers: Iterable[Optimizer], state: Mapping[str, Tensor]
) -> None:
    """Puts back what `optimizer_state` gave.

    Raises:
        InputError: a parameter has no state, or one that cannot be its own.
    """
    for name, parameter, optimizer in _trained_by(model, optimizers):
        values = {}
        for kept in _KEPT[type(optimizer)]:
            value, empty = state.get(f"{kept}.{name}"), _empty(kept, parameter)
            if value is None:
                raise InputError(
                    f"checkpoint: optimizer state '{kept}.{name}' is missing.", "Use an older checkpoint."
                )
            check_fits(f"{kept}.{name}", value, empty)
            values[kept] = value.to(parameter.device)
        optimizer.state[parameter] = values


def check_fits(name: str, value: Tensor, place: Tensor) -> None:
    """Nothing, if a value of a checkpoint has the shape and the type of what it is put into.

    Raises:
        InputError: it has not.
    """
    if value.shape != place.shape or value.dtype != place.dtype:
        raise InputError(
            f"checkpoint: {name} is {list(value.shape)} of {value.dtype}, expected {list(place.shape)} of "
            f"{place.dtype}.",
            "Use an older checkpoint.",
        )


def _trained_by(
    model: nn.Module, optimizers: Iterable[Optimizer]
) -> Iterator[tuple[str, nn.Parameter, Optimizer]]:
    """The parameters that are not frozen, with their names and what changes them."""
    names = {parameter: name for name, parameter in trained_parameters(model)}
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                yield names[parameter], parameter, optimizer
