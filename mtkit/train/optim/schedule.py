"""The learning rate of each update. Free of torch."""

from __future__ import annotations

import math
from typing import assert_never

from mtkit.config.train import OptimizerConfig


def learning_rate(config: OptimizerConfig, step: int, share: float, lowered: int = 0) -> float:
    """The rate of update number `step`, from 1.

    Warm-up and inverse square root follow Vaswani et al. 2017, equation 3, but with the peak as an option.
    The cosine follows Loshchilov & Hutter 2017, without restarts.

    Args:
        config: options of the optimizer.
        step: number of the update.
        share: used share of the budget, 0 to 1.
        lowered: number of times that `plateau` has lowered the rate.
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
        case _:
            assert_never(config.schedule)
    if config.cooldown and share > 1.0 - config.cooldown:
        factor *= (1.0 - share) / config.cooldown
    return config.lr * factor


def lowering_patience(config: OptimizerConfig) -> int | None:
    """Validations without a new best after which the schedule lowers the rate; None if it never does."""
    match config.schedule:
        case "plateau":
            return config.plateau_patience
        case "inverse_sqrt" | "linear" | "cosine" | "constant":
            return None
        case _:
            assert_never(config.schedule)
