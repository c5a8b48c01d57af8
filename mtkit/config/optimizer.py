"""Options of `train.optimizer`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, assert_never

from pydantic import Field

from mtkit.config.options import Options, Probability, rule


@dataclass(frozen=True, slots=True)
class OptimizerNeeds:
    """The requirements of an optimization method.

    Attributes:
        layer_moments: numbers stored for each weight in the matrices of the layers.
        other_moments: numbers stored for each other weight.
        whole_matrices: whether it needs whole matrices, not shards of them.
        averages_weights: whether it averages the weights, instead of a falling learning rate.
    """

    layer_moments: int
    other_moments: int
    whole_matrices: bool = False
    averages_weights: bool = False


class OptimizerConfig(Options):
    """The optimizer and its learning-rate schedule."""

    method: Literal["adamw", "muon", "schedule_free"] = Field(
        "adamw",
        description="Optimizer. muon orthogonalises the momentum of the layers' matrices, and leaves all "
        "other weights to adamw; both use the same learning rate. schedule_free is adamw whose averaged "
        "weights replace a falling learning rate, and needs schedule: constant.",
    )
    lr: float = Field(1.0e-3, gt=0, description="Peak learning rate.")
    warmup_steps: int = Field(
        4000,
        ge=0,
        description="Number of steps in which the learning rate rises linearly to its peak. inverse_sqrt "
        "needs at least 1.",
    )
    schedule: Literal["inverse_sqrt", "linear", "cosine", "constant", "plateau"] = Field(
        "inverse_sqrt",
        description="Learning rate after warm-up. inverse_sqrt: lr × √(warmup_steps / step). linear, "
        "cosine: falls from lr to 0 at the end of the budget. constant: stays at lr. plateau: is "
        "lowered when validation stops improving.",
    )
    plateau_patience: int = Field(
        3,
        ge=1,
        description="plateau only: validations without improvement before the learning rate is lowered.",
    )
    plateau_factor: float = Field(
        0.5, gt=0, lt=1, description="plateau only: factor by which the learning rate is multiplied."
    )
    cooldown: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Last share of the budget, in which the learning rate falls linearly to 0 whatever "
        "the schedule.",
    )
    momentum: float = Field(0.95, ge=0, lt=1, description="muon only: decay rate of the momentum.")
    betas: tuple[Probability, Probability] = Field((0.9, 0.98), description="Decay rates β₁ and β₂ of Adam.")
    eps: float = Field(1.0e-9, gt=0, description="Epsilon of Adam.")
    weight_decay: float = Field(0.0, ge=0, description="Decoupled weight decay, applied to matrices only.")
    clip_norm: float = Field(
        1.0, ge=0, description="Clip the gradient to this norm. 0 turns gradient clipping off."
    )
    skip_spikes: float | None = Field(
        None,
        gt=1,
        description="Skip an update if the gradient norm is more than this multiple of its running mean. "
        "Default: never skip.",
    )

    @property
    def needs(self) -> OptimizerNeeds:
        """The requirements of the method."""
        match self.method:
            case "adamw":
                return OptimizerNeeds(layer_moments=2, other_moments=2)
            case "muon":
                return OptimizerNeeds(layer_moments=1, other_moments=2, whole_matrices=True)
            case "schedule_free":
                return OptimizerNeeds(layer_moments=2, other_moments=2, averages_weights=True)
            case _:
                assert_never(self.method)

    @rule
    def _rate_has_a_start(self) -> Iterator[str]:
        if self.schedule == "inverse_sqrt" and self.warmup_steps == 0:
            yield (
                "warmup_steps = 0 and schedule = inverse_sqrt cannot be combined: the rate is lr × "
                "√(warmup_steps / step). Set warmup_steps, or schedule: constant."
            )

    @rule
    def _average_replaces_schedule(self) -> Iterator[str]:
        if not self.needs.averages_weights:
            return
        if self.schedule != "constant":
            yield (
                f"schedule = {self.schedule} and method = {self.method} cannot be combined: its averaged "
                "weights replace a falling rate. Set schedule: constant."
            )
        if self.cooldown:
            yield f"cooldown and method = {self.method} cannot be combined. Set cooldown: 0."
        if self.betas[0] == 0:
            yield f"betas: β₁ = 0 and method = {self.method} cannot be combined. Set betas: [0.9, 0.98]."
