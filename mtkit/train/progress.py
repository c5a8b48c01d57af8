"""Everything of a running training that is not a tensor, as one small value."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
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

    def share(self, config: TrainConfig, steps_per_epoch: int) -> float:
        """How much of the budget is used: 1 when the first of steps, epochs and time is."""
        epochs = self.cursor.epoch + self.cursor.index / steps_per_epoch
        used = [
            self.step / config.max_steps if config.max_steps else 0.0,
            epochs / config.max_epochs if config.max_epochs else 0.0,
            self.seconds / config.max_time if config.max_time else 0.0,
        ]
        return min(1.0, max(used))
