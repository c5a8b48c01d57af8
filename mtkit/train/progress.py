"""The state of a training run that is not a tensor, as one small value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from mtkit.config.train import TrainConfig
from mtkit.data.feed.loader import Cursor
from mtkit.errors import InputError
from mtkit.train.optim.schedule import learning_rate, lowering_patience

Count = Annotated[int, Field(ge=0, lt=1 << 53)]
Quality = tuple[float, ...]
"""Numbers to compare in turn; higher is better."""


@dataclass(frozen=True, slots=True)
class Cooldown:
    """The beginning of the end of a run that was resumed with `train.cooldown`.

    Attributes:
        step: updates made before.
        seconds: training time before.
        lr: learning rate of the last update before.
    """

    step: Count
    seconds: Annotated[float, Field(ge=0)]
    lr: Annotated[float, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a run.

    Attributes:
        step: optimizer updates made.
        cursor: position of the next step in the data.
        tokens_seen: target tokens trained on.
        seconds: training time of all parts of the run, including validation.
        best: (quality, step) of the best validated models, best first.
        peaks: the best quality so far by each metric of `train.best_metric`.
        stale: for each of them, validations since its peak.
        waited: for each of them, validations since its peak or the last reduction of the learning rate.
        lr: learning rate of the last update.
        cooldown: the beginning of its cooldown, if the run is in one.
        lowered: number of times that the schedule `plateau` reduced the learning rate.
        origin: the model whose weights the run started with; empty if they were random.
        data: fingerprint of the prepared data.
        validated_step: step of the last validation.
        recent: steps of the last validations whose models are kept, newest first; see `train.average_of`.
        start: loss and scores of the weights that the run started with, by validation set; the main set has
            the name "". Empty if they were random.
        micro_batch_tokens: the size that `auto` chose; a resumed run needs it to sum in the same order.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    step: Count = 0
    cursor: Cursor = field(default_factory=Cursor)
    tokens_seen: Count = 0
    seconds: Annotated[float, Field(ge=0)] = 0.0
    best: tuple[tuple[Quality, Count], ...] = ()
    peaks: tuple[Quality, ...] = ()
    stale: tuple[Count, ...] = ()
    waited: tuple[Count, ...] = ()
    lowered: Count = 0
    origin: str = ""
    data: str = ""
    validated_step: Count = 0
    recent: tuple[Count, ...] = ()
    lr: Annotated[float, Field(ge=0)] = 0.0
    cooldown: Cooldown | None = None
    micro_batch_tokens: Annotated[int, Field(ge=1)] | None = None
    start: dict[str, dict[str, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The progress as plain JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> Progress:
        """The progress that `to_json` wrote.

        Raises:
            InputError: the values are invalid, for example from another version of mtkit.
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

    def validated(self, qualities: Sequence[Quality], config: TrainConfig) -> Progress:
        """The progress after a validation of this step's model, with its quality by each metric.

        The first metric ranks the models, the next ones decide ties, then the loss. The schedule `plateau`
        reduces the learning rate as torch's ReduceLROnPlateau does with `threshold` 0 and a patience that is
        smaller by one, because torch counts from the next validation.
        """
        found = tuple(qualities)
        before = self.peaks or tuple(() for _ in found)  # any quality is more than none
        rose = [new > old for new, old in zip(found, before, strict=True)]
        # Of equal models the newer one is the better one.
        best = sorted([(rank(found), self.step), *self.best], reverse=True)[: config.keep_best]
        stale, waited = (
            tuple(0 if up else count + 1 for up, count in zip(rose, counts or (0,) * len(rose), strict=True))
            for counts in (self.stale, self.waited)
        )
        lowered, patience = self.lowered, lowering_patience(config.optimizer)
        if patience is not None and stalled(waited, config) >= patience:
            waited, lowered = (0,) * len(rose), lowered + 1
        peaks = tuple(map(max, found, before))
        trained = (self.step, *self.recent) if self.step else ()  # not the model at the start
        recent = trained[: config.num_last]
        return replace(
            self, best=tuple(best), recent=recent, peaks=peaks, stale=stale, waited=waited, lowered=lowered
        )

    def averaged(self, config: TrainConfig) -> tuple[int, ...]:
        """Steps of the models to average into the final one: the best first, or the newest."""
        best = tuple(step for _, step in self.best)
        return self.recent if config.num_last else best[: config.average]

    def kept(self) -> set[int]:
        """Steps of the models that a run needs to continue."""
        return {*self.recent, *(step for _, step in self.best)}

    def is_stale(self, config: TrainConfig) -> bool:
        """Whether as many validations as the patience allows brought no progress."""
        return config.patience is not None and stalled(self.stale, config) >= config.patience

    def end_reason(self, config: TrainConfig, share: float) -> str:
        """The reason why training ends at this share of the budget; empty if it continues."""
        if self.cooldown is None and self.is_stale(config):
            counts = zip(config.best_metric, self.stale, strict=True)
            names = [name for name, count in counts if count >= (config.patience or 0)]
            return f"no better {' or '.join(names)} in {stalled(self.stale, config)} validations"
        return self.limit(config) if share >= 1.0 else ""

    def share(self, config: TrainConfig, steps_per_epoch: int) -> float:
        """The used share of the budget: the largest of the shares of steps, epochs and time, at most 1.

        In a cooldown, the budget is that of the cooldown.
        """
        if self.cooldown is not None:
            step, seconds = self.step - self.cooldown.step, self.seconds - self.cooldown.seconds
            if config.cooldown is not None:
                return min(1.0, seconds / config.cooldown)
            return min(1.0, step / config.cooldown_steps) if config.cooldown_steps else 1.0
        epochs = self.cursor.epoch + self.cursor.index / steps_per_epoch
        used = [
            self.step / config.max_steps if config.max_steps else 0.0,
            epochs / config.max_epochs if config.max_epochs else 0.0,
            self.seconds / config.max_time if config.max_time else 0.0,
        ]
        return min(1.0, max(used))

    def rate(self, config: TrainConfig, share: float) -> float:
        """The learning rate of the next update, at this share of the budget."""
        if self.cooldown is not None:
            return self.cooldown.lr * (1.0 - share)
        return learning_rate(config.optimizer, self.step + 1, share, self.lowered)

    def cooling(self, config: TrainConfig) -> Progress:
        """The progress of a resumed run, which begins its cooldown, is in it, or no longer has one."""
        if not config.cools_down:
            return replace(self, cooldown=None)
        begin = self.cooldown or Cooldown(self.step, self.seconds, self.lr)
        return replace(self, cooldown=begin)

    def limit(self, config: TrainConfig) -> str:
        """The limit that ended the run, once all of its budget is used."""
        if self.cooldown is not None:
            return f"cooldown from step {self.cooldown.step:,} finished"
        if config.max_steps and self.step >= config.max_steps:
            return f"step limit ({config.max_steps:,}) reached"
        if config.max_time and self.seconds >= config.max_time:
            return f"time limit ({timedelta(seconds=round(config.max_time))}) reached"
        return f"epoch limit ({config.max_epochs}) reached"


def rank(qualities: Sequence[Quality]) -> Quality:
    """The numbers that rank a model, from its quality by each metric: all metrics, then the loss."""
    return (*(quality[0] for quality in qualities), qualities[-1][-1])


def stalled(counts: Sequence[int], config: TrainConfig) -> int:
    """The number of validations without progress, from the count of each metric."""
    return (min if config.patience_on == "all" else max)(counts, default=0)


_PROGRESS = TypeAdapter(Progress)
