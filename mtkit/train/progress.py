"""Everything of a running training that is not a tensor, as one small value."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mtkit.config.train import TrainConfig
from mtkit.data.loader import Cursor
from mtkit.errors import InputError


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

    step: int = 0
    cursor: Cursor = field(default_factory=Cursor)
    tokens_seen: int = 0
    seconds: float = 0.0
    best: tuple[tuple[float, int], ...] = ()
    stale: int = 0
    waited: int = 0
    lowered: int = 0
    origin: str = ""
    data: str = ""
    validated_step: int = 0
    micro_batch_tokens: int | None = None

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
            best = tuple((float(score), int(step)) for score, step in values["best"])
            return Progress(**{**values, "cursor": Cursor(**values["cursor"]), "best": best})
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"checkpoint: its progress cannot be read ({error}).",
                "Go on with the version of mtkit that wrote it, or begin anew in another run folder.",
            ) from None

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
