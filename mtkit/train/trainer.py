"""The training loop: updates, validation, checkpoints, early stopping, and the final averaged model."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from typing import NoReturn

from torch import Tensor

from mtkit.config.schema import Config
from mtkit.data.feed.loader import PairTable, StepData
from mtkit.data.prepare.prepared import Prepared
from mtkit.data.prepare.verify import verified
from mtkit.errors import MtkitError, StoppedError, WriteError
from mtkit.model.checkpoint import set_weights, weights_of
from mtkit.model.transformer import Transformer
from mtkit.runs.layout import DATA, inside
from mtkit.train.losses.guided import Guide, find_aligner
from mtkit.train.machine.clock import Clock
from mtkit.train.machine.distributed import World
from mtkit.train.optim.averaging import average_weights
from mtkit.train.progress import Progress, Quality, rank
from mtkit.train.setup import build_updater, fit_micro_batch, largest_batch, plan_steps, read_steps
from mtkit.train.start import DETERMINISTIC, begin_from, cooldown_notes, repeatable
from mtkit.train.store import Store
from mtkit.train.update import Update
from mtkit.train.validate import Validation, Validator
from mtkit.train.watch.monitor import (
    Event,
    Finished,
    Listener,
    OutOfMemory,
    Recorder,
    Saved,
    Started,
    Validated,
    Working,
)
from mtkit.train.watch.window import LogWindow

logger = logging.getLogger(__name__)


class Trainer:
    """A training run and its state.

    Args:
        config: of the run.
        prepared: its data.
        listen: called with each event.
        stop: called after each step; if it returns true, the run is saved and stops.
        world: the ranks that train together; rank 0 writes files and reports events.
        allowed: options that may differ from the last checkpoint.
        reset_patience: forget how many validations have passed without improvement.
    """

    def __init__(
        self,
        config: Config,
        prepared: Prepared,
        listen: Listener,
        stop: Callable[[], bool],
        world: World,
        allowed: Collection[str] = (),
        reset_patience: bool = False,
    ) -> None:
        self._reset_patience = reset_patience
        self.config = config
        self.options = config.train
        self.prepared = prepared
        self.world = world
        self._listeners: tuple[Listener, ...] = (listen,) if world.is_main else ()
        self._stop = stop
        src, tgt = prepared.tokenizer.src, prepared.tokenizer.tgt
        self.updater = build_updater(config, src.size, tgt.size, world)
        self.model, self.device = self.updater.model, self.updater.device
        self.exchange = self.updater.exchange
        if self.options.guided_alignment:
            self.updater.objective.guide = Guide(self.model, find_aligner(config.run, prepared))
        self.table = PairTable(prepared.train, prepared.matches).at_epoch(0)
        self.validator = Validator(config, prepared, self.device, self.updater.objective.dtype)
        self.store = Store(config, prepared, allowed, world.size)
        self.progress = Progress(data=prepared.fingerprint)
        self.window = LogWindow(self.device, world)
        self._saved_step = 0
        self._stopping = False
        self._clock = Clock(world, 0.0)

    def run(self) -> Finished:
        """Trains from the last checkpoint, or from the beginning, to the end."""
        self._stop()  # from here on signals do not interrupt, because other ranks may be waiting
        notes = self._resume()
        self._rehearse()
        with self._recording():
            self._tell(self._started(notes))
            reason = self._loop()
            finished = self._finish(reason)
            self._tell(finished)
            return finished

    def _recording(self) -> AbstractContextManager[object]:
        """Within the block, rank 0 also records the events."""
        if not self.world.is_main:
            return nullcontext()
        recorder = Recorder(
            self.config.run,
            self.progress.step,
            self.options.tensorboard,
            self.options.wandb,
            self.progress.validated_step if self.progress.best else -1,
        )
        self._listeners = (recorder, *self._listeners)
        return closing(recorder)

    def _rehearse(self) -> None:
        """Computes the largest batch first, to detect a lack of memory at once."""
        self._tell(Working("trying the largest batch"))
        planned = plan_steps(self.table, self.config)
        if self.options.micro_batch_tokens == "auto" and self.progress.micro_batch_tokens is None:
            found = self.world.on_main(lambda: fit_micro_batch(self.table, planned, self.updater))
            self.progress = dataclasses.replace(self.progress, micro_batch_tokens=found)
        largest = largest_batch(self.table, planned, self.updater, self._micro_batch_tokens())
        self.updater.rehearse(self.table.batch(largest.pairs))

    def _micro_batch_tokens(self) -> int | None:
        option = self.options.micro_batch_tokens
        return self.progress.micro_batch_tokens if option == "auto" else option

    # ------------------------------------------------------------ the loop

    def _loop(self) -> str:
        """Makes updates until training ends. Returns the reason."""
        self.model.train()
        self._clock = Clock(self.world, self.progress.seconds)
        self._agree()
        self._after_step()  # an interrupted run may still have to validate or save here
        micro_batch_tokens = self._micro_batch_tokens()
        with closing(
            read_steps(self.config, self.table, micro_batch_tokens, self.updater, self.progress.cursor)
        ) as steps:
            for data in steps:
                share = self.progress.share(self.options, data.steps_per_epoch)
                if reason := self.progress.end_reason(self.options, share):
                    return reason
                step = self.progress.step + 1
                lr = self.progress.rate(self.options, share)
                self.window.add(self._update(data, step, lr))
                self._agree()
                share = self.progress.share(self.options, data.steps_per_epoch)
                self._tell(self.window.stepped(self.progress, share, data.steps_per_epoch))
                if step % self.options.log_every == 0:
                    skipped = int(self.updater.num_skipped)
                    self._tell(self.window.logged(self.progress, lr, share, data.steps_per_epoch, skipped))
                self._after_step()
        raise AssertionError("the stream of steps has no end")

    def _after_step(self) -> None:
        """Validates and saves if it is time to, and stops on request.

        Raises:
            StoppedError: a stop was requested. The resumed run does what is still to do.
        """
        step = self.progress.step
        if self._stopping:
            self._save_and_stop()
        is_start = step == 0 and bool(self.progress.origin) and not self.progress.best
        if is_start or (step % self.options.validate_every == 0 and step > self.progress.validated_step):
            if not self._validate():
                self._save_and_stop()
            self.window.restart()
        if step % self.options.save_every == 0 and step:
            if step != self._saved_step:
                self._save()
            self.window.restart()

    def _agree(self) -> None:
        """Agrees with the other ranks on the time, and on whether to stop.

        If a rank ran out of memory, all split batches as it does.
        """
        seconds, self._stopping, splits = self._clock.agree(self._stop(), self.updater.splits)
        self.progress = dataclasses.replace(self.progress, seconds=seconds)
        if splits > self.updater.splits:
            self.updater.splits = splits
            logger.warning(
                "step %d: another process ran out of memory. From the next update on, each micro-batch is "
                "computed in %d parts. The number of tokens per update stays the same.",
                self.progress.step,
                splits,
            )
            self._tell(OutOfMemory(self.progress.step, splits, seconds))

    def _save_and_stop(self) -> NoReturn:
        step = self.progress.step
        if step != self._saved_step:
            self._save(self.window.state())
        if failure := self.world.on_main(lambda: str(self.store.failure or "")):
            raise WriteError(f"stopped at step {step:,} without saving. {failure}")
        saved = f"stopped after saving step {step:,}." if step else "stopped before the first step."
        raise StoppedError(saved, "Run the same command to resume.")

    def _update(self, data: StepData, step: int, lr: float) -> Update:
        """Makes one update and advances the progress."""
        splits = self.updater.splits
        update = self.updater(data, step, lr)
        self.progress = dataclasses.replace(
            self.progress,
            step=step,
            lr=lr,
            cursor=data.cursor,
            tokens_seen=self.progress.tokens_seen + update.num_tgt_tokens,
        )
        if self.updater.splits != splits:
            self._tell(OutOfMemory(step, self.updater.splits, self.progress.seconds))
        return update

    # ------------------------------------------------------------ what is kept

    def _validate(self) -> bool:
        """Validates the model and keeps it if it is one of the best. False if a stop was requested."""
        step = self.progress.step
        self._tell(Working("validating"))
        kept = self.exchange.whole(self.updater.kept_weights())
        with self.updater.averaged():
            found = self._validations(kept)
        if found is None:
            return False
        validation, extra = found
        if not math.isfinite(validation.loss):
            raise MtkitError(
                f"step {step}: the validation loss is {validation.loss}.", "Lower train.optimizer.lr."
            )
        self.progress = self.progress.validated(self._qualities(validation), self.options)
        sets = {"": validation, **extra}
        if step == 0:
            start = {name: scored.figures() for name, scored in sets.items()}
            self.progress = dataclasses.replace(self.progress, start=start)
        is_best, seconds = self.progress.best[0][1] == step, self.progress.seconds
        self.world.on_main(lambda: self.store.save_best(kept, self.progress, validation.scores["bleu"]))
        for name, scored in sets.items():
            best, sample = is_best and not name, scored.samples[0]
            self._tell(Validated(step, scored.loss, scored.scores, best, sample, seconds, name))
        self.progress = dataclasses.replace(self.progress, validated_step=step)
        return True

    def _qualities(self, validation: Validation) -> list[Quality]:
        return [validation.quality(metric) for metric in self.options.best_metric]

    def _validations(self, kept: dict[str, Tensor]) -> tuple[Validation, dict[str, Validation]] | None:
        """Validates on the main set, and on further sets by name. None if a stop was requested.

        The ranks share the work. If the model is sharded, rank 0 alone validates a whole one with the weights
        `kept`, because ranks would decode different numbers of steps, and each step needs all shards.
        """
        turn, validate = self.progress.step // self.options.validate_every, self.validator.on_all
        if self.exchange.is_sharded:
            return self.world.on_main(
                lambda: validate(self.updater.whole_model(kept), turn, self._stop, World())
            )
        return validate(self.model, turn, self._stop, self.world)

    def _save(self, window: Mapping[str, Tensor] | None = None) -> None:
        """Writes a checkpoint, which between two reports includes the state of the log window."""
        self._tell(Working("saving"))
        self.exchange.check_equal(self.progress.step)
        seconds, *_ = self._clock.agree()
        self.progress = dataclasses.replace(self.progress, seconds=seconds)
        weights = self.exchange.whole(weights_of(self.model))
        state = self.exchange.whole(self.updater.state()) | dict(window or {})
        folder = self.world.on_main(lambda: self.store.save(weights, state, self.progress))
        self._saved_step = self.progress.step
        if self.store.failure is None:
            self._tell(Saved(self.progress.step, folder))

    def _resume(self) -> tuple[str, ...]:
        """Loads the newest valid checkpoint, if there is one. Returns notes for the user."""
        checkpoint, notes = self.world.main_first(self.store.newest)
        if checkpoint is not None:
            set_weights(self.model, self.exchange.share(checkpoint.weights), checkpoint.folder)
            self.updater.set_state(self.exchange.share(checkpoint.state))
            self.window.set_state(checkpoint.state)
            self.progress = checkpoint.progress.cooling(self.options)
            self._saved_step = self.progress.step
            if self._reset_patience:
                self.progress = dataclasses.replace(self.progress, stale=(), waited=())
        elif self.options.init_from is not None:
            origin = begin_from(self.options.init_from, self.config, self.prepared)
            set_weights(self.model, self.exchange.share(origin.weights), origin.folder)
            self.updater.begin_from_weights()
            self.progress = dataclasses.replace(self.progress, origin=origin.folder)
            notes = [*notes, f"starting from the weights of {origin.folder}", *origin.notes]
        notes = [*notes, *cooldown_notes(self.config, self.progress)]
        if (low_rank := self.updater.low_rank) is not None:
            trained, whole = low_rank.num_trained(), self.model.num_parameters()
            notes = [*notes, f"LoRA: {trained:,} parameters are trained, {trained / whole:.1%} of {whole:,}"]
        elif frozen := sum(weight.numel() for weight in self.model.parameters() if not weight.requires_grad):
            notes = [*notes, f"{frozen:,} parameters are frozen"]
        if self.updater.objective.kernel is not None:
            notes = [*notes, "batches are computed without padding"]
        return (*notes, *([DETERMINISTIC] if self.options.deterministic else []))

    # ------------------------------------------------------------ the end

    def _finish(self, reason: str) -> Finished:
        """Writes the final model."""
        step = self.progress.step
        if (step > self.progress.validated_step or not self.progress.best) and not self._validate():
            self._save_and_stop()
        self._agree()
        if self._stopping:
            self._save_and_stop()
        self._save()
        kept = self.exchange.whole(self.updater.kept_weights())
        return self.world.on_main(lambda: self._final(reason, kept))

    def _final(self, reason: str, kept: dict[str, Tensor]) -> Finished:
        """Writes the average of the best models, or the best one if it scores higher; or of the last models.

        `kept` are the weights of the last step, used if none of these models can be read.
        """
        models = list(self.store.models(self.progress.averaged(self.options)))
        if not models:
            logger.warning("None of the kept models can be read. The model of the last step is used instead.")
            models = [kept]
        if len(models) > 1:
            self._tell(Working("averaging"))
        model, low_rank = self.updater.whole_model(models[0]), self.updater.low_rank

        def used(weights: dict[str, Tensor]) -> dict[str, Tensor]:
            return weights if low_rank is None else low_rank.reduced(weights)

        set_weights(model, used(average_weights(models)), "average")
        self._tell(Working("validating"))
        validation, averaged = self._final_validation(model), len(models)
        chooses = averaged > 1 and not self.options.num_last
        if chooses and rank(self._qualities(validation)) < self.progress.best[0][0]:
            set_weights(model, used(models[0]), "best")
            validation, averaged = self._final_validation(model), 1
        extra = self.validator.extra(model, 0, lambda: False) if self.progress.start else None
        if low_rank is not None:
            self.store.save_adapter(low_rank, weights_of(model), self.progress.origin)
        return Finished(
            step=self.progress.step,
            folder=self.store.save_final(weights_of(model), self.progress.step, validation.scores["bleu"]),
            reason=reason,
            averaged=averaged,
            average_of=self.options.average_of,
            loss=validation.loss,
            scores=validation.scores,
            seconds=self.progress.seconds,
            passes=self.progress.tokens_seen / int(self.table.lengths[:, 1].sum() + len(self.table.lengths)),
            stopped_early=self.progress.is_stale(self.options),
            samples=validation.samples,
            best_step=self.progress.best[0][1],
            start=self.progress.start,
            extra={name: scored.figures() for name, scored in (extra or {}).items()},
        )

    def _final_validation(self, model: Transformer) -> Validation:
        validation = self.validator(model, 0)
        assert validation is not None
        return validation

    def _started(self, notes: tuple[str, ...]) -> Started:
        return Started(
            step=self.progress.step,
            num_parameters=self.model.num_parameters(),
            vocab_size=self.prepared.tokenizer.tgt.size,
            num_pairs=len(self.table.lengths),
            device=str(self.device),
            precision=str(self.updater.objective.dtype).removeprefix("torch."),
            notes=notes,
        )

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)


def train(
    config: Config,
    prepared: Prepared,
    listen: Listener,
    stop: Callable[[], bool] = lambda: False,
    world: World | None = None,
    allowed: Collection[str] = (),
    reset_patience: bool = False,
) -> Finished:
    """Trains a model from the last checkpoint in `config.run`, or from the beginning; see `Trainer`.

    Raises:
        StoppedError: `stop` returned true; everything is saved.
        InputError: the run folder belongs to other data, the data are damaged, or a checkpoint or `init_from`
            is unusable.
        MtkitError: the gradient stays non-finite, memory is too small for one sentence, or a checkpoint
            cannot be written.
    """
    world = world or World()
    with repeatable(config.train.deterministic), _verified(config, world) as check:

        def asked() -> bool:
            check()
            return stop()

        return Trainer(config, prepared, listen, asked, world, allowed, reset_patience).run()


def _verified(config: Config, world: World) -> AbstractContextManager[Callable[[], object]]:
    """Rank 0 compares the data with their hashes, see `verified`."""
    return verified(inside(config.run, DATA)) if world.is_main else nullcontext(lambda: None)
