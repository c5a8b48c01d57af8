"""The members of the unions that the options offer, for tests that must not miss one."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

from mtkit.config.architecture import TRAINING_ONLY
from mtkit.config.model import ModelConfig
from mtkit.config.optimizer import OptimizerConfig

MODEL_CHOICES: dict[str, tuple[object, ...]] = {
    name: (False, True) if field.annotation is bool else get_args(field.annotation)
    for name, field in ModelConfig.model_fields.items()
    if (field.annotation is bool or get_origin(field.annotation) is Literal) and name not in TRAINING_ONLY
}
"""The values of each option of `model` that is a choice and shapes the network."""

METHODS: tuple[str, ...] = get_args(OptimizerConfig.model_fields["method"].annotation)
SCHEDULES: tuple[str, ...] = get_args(OptimizerConfig.model_fields["schedule"].annotation)


def members(union: Any) -> tuple[Any, ...]:
    """The classes of a tagged union such as `Filter`."""
    if get_origin(union) is Annotated:
        union = get_args(union)[0]
    return get_args(union)
