"""Averages of weights: over time during training (EMA), and over the best models at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mtkit.model.checkpoint import weights_of


class MovingAverage:
    """Exponential moving average of a model's weights, with a smaller decay in the first updates."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: weight.clone() for name, weight in weights_of(model).items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Includes the weights after update number `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        current = list(weights_of(model).values())
        torch._foreach_lerp_(list(self.weights.values()), current, 1 - decay)


@contextmanager
def with_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Within the block the model has these weights instead of its own."""
    own = {name: weight.clone() for name, weight in weights_of(model).items()}
    _copy(weights, model)
    try:
        yield
    finally:
        _copy(own, model)


@torch.no_grad()
def _copy(weights: Mapping[str, Tensor], model: nn.Module) -> None:
    for name, weight in weights_of(model).items():
        weight.copy_(weights[name])


def average_weights(models: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of several sets of weights, summed in fp64."""
    total: dict[str, Tensor] = {}
    count = 0
    for weights in models:
        count += 1
        for name, weight in weights.items():
            total[name] = total[name] + weight.double() if name in total else weight.double()
    return {name: (weight / count).float() for name, weight in total.items()}
