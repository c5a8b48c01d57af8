"""The optimizers, and their state by name of parameter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import assert_never

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
    """AdamW for all weights that are not frozen, or Muon for some of them; only matrices have weight decay.

    Args:
        model: the model to train.
        config: options of the optimizers.
        stacked: the parameters that Muon may update, and the number of matrices stacked in each.
    """
    trained = trained_parameters(model)
    match config.method:
        case "adamw":
            return [_build_adamw([parameter for _, parameter in trained], config)]
        case "muon":
            rest = [parameter for name, parameter in trained if name not in stacked]
            layers = [
                {"params": [p for name, p in trained if stacked.get(name) == count], "stacked": count}
                for count in sorted(set(stacked.values()))
            ]
            # fp16 would lose small elements, because Muon scales matrices to norm 1.
            is_bf16 = training_dtype("auto", trained[0][1].device) == torch.bfloat16
            dtype = torch.bfloat16 if is_bf16 else torch.float32
            muon = Muon(layers, config.lr, config.momentum, config.weight_decay, dtype)
            return [muon, _build_adamw(rest, config)]
        case _:
            assert_never(config.method)


def _build_adamw(parameters: Sequence[nn.Parameter], config: OptimizerConfig) -> torch.optim.AdamW:
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)


_KEPT: Mapping[type[Optimizer], tuple[str, ...]] = {
    torch.optim.AdamW: ("exp_avg", "exp_avg_sq", "step"),
    Muon: ("momentum_buffer",),
}
"""The state of each optimizer for a parameter."""


def trained_parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The parameters that are not frozen, with their names."""
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def optimizer_state(model: nn.Module, optimizers: Iterable[Optimizer]) -> dict[str, Tensor]:
    """The optimizers' state of each parameter, by its name; zeros before the first update."""
    state = {}
    for name, parameter, optimizer in _trained_by(model, optimizers):
        held = optimizer.state.get(parameter)  # [] would create an entry
        for kept in _KEPT[type(optimizer)]:
            state[f"{kept}.{name}"] = held[kept] if held else _empty(kept, parameter)
    return state


def _empty(kept: str, parameter: nn.Parameter) -> Tensor:
    return torch.zeros((), device=parameter.device) if kept == "step" else torch.zeros_like(parameter)


def set_optimizer_state(
    model: nn.Module, optimizers: Iterable[Optimizer], state: Mapping[str, Tensor]
) -> None:
    """Restores the state that `optimizer_state` returned.

    Raises:
        InputError: the state of a parameter is missing, or has the wrong shape or type.
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
    """Checks that a tensor of a checkpoint has the shape and type of its destination, `place`.

    Raises:
        InputError: it does not.
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
    """The parameters that are not frozen, with their names and optimizers."""
    names = {parameter: name for name, parameter in trained_parameters(model)}
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                yield names[parameter], parameter, optimizer
