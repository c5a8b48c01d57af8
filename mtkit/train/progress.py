"""Everything of a running training that is not a tensor, as one small value."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from mtkit.config.train import TrainConfig
from mtkit.data.feed.loader import Cursor
from mtkit.errors import InputError

Count = Annotated[int, Field(ge=0, lt=1 << 53)]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Attributes:
        step: optimizer updates made.
        cursor: place of the next step in the data.
        tokens_seen: target tokens learned from.
        seconds: training time of all parts of the run, validation included.
        best: (score, step) of the best validated models, best first; higher is better.
        stale: validations since the last new best.
        waited: validations since the last new best or the last lowering of the rate.
        lowered: how often the schedule `plateau` lowered the rate.
        origin: the model whose weights the run began with; empty if it began with fresh ones.
        data: fingerprint of the prepared data.
        validated_step: step of the last validation.
        micro_batch_tokens: what `auto` has found, so that a resumed run adds up in the same order.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    step: Count = 0
    cursor: Cursor = field(default_factory=Cursor)
    tokens_seen: Count = 0
    seconds: Annotated[float, Field(ge=0)] = 0.0
    best: tuple[tuple[float, Count], ...] = ()
    stale: Count = 0
    waited: Count = 0
    lowered: Count = 0
    origin: str = ""
    data: str = ""
    validated_step: Count = 0
    micro_batch_tokens: Annotated[int, Field(ge=1)] | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> Progress:
        """What `to_json` gave.

        Raises:
            InputError: it is not that; another version of mtkit wrote it.
        """
        try:
            if missing := {"step", "cursor", "best"} - values.keys():
                raise ValueError(f"{min(missing)} is missing")
            found = _PROGRESS.validate_json(json.dumps(values))
            if min(place := asdict(found.cursor).values()) < 0 or max(place) >> 53:
                raise ValueError("its position in the data is impossible")
        except ValueError as error:
            problem = error.errors()[0] if isinstance(error, ValidationError) else None
            said = f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" if problem else error
            raise InputError(
                f"checkpoint: its progress cannot be read ({said}).",
                "Resume with the version of mtkit that wrote it, or start over in another run folder.",
            ) from None
        return found

    def validated(self, value: float, config: TrainConfig) -> Progress:
        """The progress after the model of this step was scored with `value`, higher being better.

        The schedule `plateau` lowers the rate as torch's ReduceLROnPlateau does with `threshold` 0 and a
        patience smaller by one, which counts from the validation after.
        """
        is_best = not self.best or value > self.best[0][0]
        # Of equal scores the newer model is the better one.
        best = sorted([(value, self.step), *self.best], reverse=True)[: config.keep_best]
        waited, lowered = 0 if is_best else self.waited + 1, self.lowered
        if config.optimizer.schedule == "plateau" and waited >= config.optimizer.plateau_patience:
            waited, lowered = 0, lowered + 1
        stale = 0 if is_best else self.stale + 1
        return replace(self, best=tuple(best), stale=stale, waited=waited, lowered=lowered)

    def share(self, config: TrainConfig, steps_per_epoch: int) -> float:
        """How much of the budget is used: 1 when the first of steps, epochs and time is."""
        epochs = self.cursor.epoch + self.cursor.index / steps_per_epoch
        used = [
            self.step / config.max_steps if config.max_steps else 0.0,
            epochs / config.max_epochs if config.max_epochs else 0.0,
            self.seconds / config.max_time if config.max_time else 0.0,
        ]
        return min(1.0, max(used))


_PROGRESS = TypeAdapter(Progress)
