"""The learning rate of each update. Free of torch."""

from __future__ import annotations

import math
from typing import assert_never

from mtkit.config.optimizer import OptimizerConfig


def learning_rate(config: OptimizerConfig, step: int, share: float, lowered: int = 0) -> float:
    """The rate of update number `step`, from 1.

    Warm-up and inverse square root follow Vaswani et al. 2017, equation 3, but with the peak as an option.
    The cosine follows Loshchilov & Hutter 2017, without restarts. The decay of `linear` and `cosine` begins
    at the end of the warm-up, so all schedules reach the peak.

    Args:
        config: options of the optimizer.
        step: number of the update.
        share: used share of the budget, 0 to 1.
        lowered: number of times that `plateau` has lowered the rate.
    """
    factor, begin = _factor(config, step, share, lowered), 1.0 - config.cooldown
    if config.cooldown and share > begin:
        then = 1 + (step - 1) * begin / share  # the update with which the cooldown began
        factor = _factor(config, then, begin, lowered) * (1.0 - share) / config.cooldown
    return config.lr * factor


def _factor(config: OptimizerConfig, step: float, share: float, lowered: int) -> float:
    """The rate as a part of the peak, without cooldown."""
    warmup = max(1, config.warmup_steps)
    if step <= warmup:
        return step / warmup
    warm = share * (warmup - 1) / (step - 1)  # the share that was used when warm-up ended
    decayed = (share - warm) / (1.0 - warm)
    match config.schedule:
        case "inverse_sqrt":
            return float((warmup / step) ** 0.5)
        case "linear":
            return 1.0 - decayed
        case "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * decayed))
        case "plateau":
            return float(config.plateau_factor**lowered)
        case "constant":
            return 1.0
        case _:
            assert_never(config.schedule)


def lowering_patience(config: OptimizerConfig) -> int | None:
    """Validations without a new best after which the schedule lowers the rate; None if it never does."""
    match config.schedule:
        case "plateau":
            return config.plateau_patience
        case "inverse_sqrt" | "linear" | "cosine" | "constant":
            return None
        case _:
            assert_never(config.schedule)
