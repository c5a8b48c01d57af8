"""The optimizers, and their state by name of parameter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, assert_never

import torch
from torch import Tensor, nn

from mtkit.config.optimizer import OptimizerConfig
from mtkit.errors import InputError
from mtkit.train.machine.distributed import World
from mtkit.train.machine.precision import training_dtype
from mtkit.train.optim.muon import Muon
from mtkit.train.optim.schedule_free import COUNTS, ScheduleFree

Optimizer = torch.optim.AdamW | Muon | ScheduleFree


def build_optimizers(
    model: nn.Module, config: OptimizerConfig, stacked: Mapping[str, int], world: World | None = None
) -> list[Optimizer]:
    """The optimizers of all weights that are not frozen; only matrices have weight decay.

    Args:
        model: the model to train.
        config: options of the optimizers.
        stacked: the parameters that Muon may update, and the number of matrices stacked in each.
        world: the ranks that make the same updates.
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
            muon = Muon(layers, config.lr, config.momentum, config.weight_decay, dtype, world)
            return [muon, _build_adamw(rest, config)]
        case "schedule_free":
            groups = _by_decay([parameter for _, parameter in trained], config)
            return [ScheduleFree(groups, config.lr, config.betas, config.eps)]
        case _:
            assert_never(config.method)


def _build_adamw(parameters: Sequence[nn.Parameter], config: OptimizerConfig) -> torch.optim.AdamW:
    groups = _by_decay(parameters, config)
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)


def _by_decay(parameters: Sequence[nn.Parameter], config: OptimizerConfig) -> list[dict[str, Any]]:
    return [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]


_KEPT: Mapping[type[Optimizer], tuple[str, ...]] = {
    torch.optim.AdamW: ("exp_avg", "exp_avg_sq", "step"),
    Muon: ("momentum_buffer",),
    ScheduleFree: ("z", "exp_avg_sq"),
}
"""The state of each optimizer for a parameter."""


def trained_parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The parameters that are not frozen, with their names."""
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def optimizer_state(model: nn.Module, optimizers: Sequence[Optimizer]) -> dict[str, Tensor]:
    """The optimizers' state, by name of parameter; that of new optimizers before the first update."""
    state = {}
    for name, parameter, optimizer in _trained_by(model, optimizers):
        held = optimizer.state.get(parameter)  # [] would create an entry
        for kept in _KEPT[type(optimizer)]:
            state[f"{kept}.{name}"] = held[kept] if held else _initial(kept, parameter)
    return state | _counts(optimizers)


def _initial(kept: str, parameter: nn.Parameter) -> Tensor:
    match kept:
        case "step":
            return torch.zeros((), device=parameter.device)
        case "z":
            return parameter.detach().clone()
        case _:
            return torch.zeros_like(parameter)


def _counts(optimizers: Iterable[Optimizer]) -> dict[str, Tensor]:
    """The numbers of all updates that optimizers hold, by name."""
    free = [optimizer for optimizer in optimizers if isinstance(optimizer, ScheduleFree)]
    return {f"schedule_free.{name}": optimizer.counts[name] for optimizer in free for name in COUNTS}


def averaged_weights(model: nn.Module, optimizers: Iterable[Optimizer]) -> dict[str, Tensor]:
    """The weights that schedule-free optimizers average, by name; empty without such optimizers."""
    return {
        name: optimizer.average(parameter)
        for name, parameter, optimizer in _trained_by(model, optimizers)
        if isinstance(optimizer, ScheduleFree)
    }


def set_optimizer_state(
    model: nn.Module, optimizers: Sequence[Optimizer], state: Mapping[str, Tensor]
) -> None:
    """Restores the state that `optimizer_state` returned.

    Raises:
        InputError: the state of a parameter is missing, or has the wrong shape or type.
    """
    for name, parameter, optimizer in _trained_by(model, optimizers):
        values = {}
        for kept in _KEPT[type(optimizer)]:
            value = _fitting(state, f"{kept}.{name}", _initial(kept, parameter))
            values[kept] = value.to(parameter.device)
        optimizer.state[parameter] = values
    for name, count in _counts(optimizers).items():
        count.copy_(_fitting(state, name, count))


def _fitting(state: Mapping[str, Tensor], name: str, place: Tensor) -> Tensor:
    """The tensor called `name`, which has the shape and type of `place`."""
    value = state.get(name)
    if value is None:
        raise InputError(f"checkpoint: optimizer state '{name}' is missing.", "Use an older checkpoint.")
    check_fits(name, value, place)
    return value


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
