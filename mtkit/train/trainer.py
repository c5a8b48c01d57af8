"""The training loop: updates, validation, checkpoints, early stopping, and the final averaged model."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor

from mtkit.checkpoint import (
    keep_only,
    load_train_state,
    load_weights,
    newest_checkpoint,
    set_weights,
    step_folder,
    weights_of,
    write_model,
)
from mtkit.config.schema import Config
from mtkit.data.loader import PairTable, StepData, prefetch, read_steps
from mtkit.data.prepare import Prepared
from mtkit.data.sampling import build_stages
from mtkit.engine.native import choose_device
from mtkit.errors import InputError, MtkitError, StoppedError
from mtkit.files import recover
from mtkit.model.transformer import build_model
from mtkit.train.averaging import MovingAverage, average_weights
from mtkit.train.monitor import Event, Finished, Listener, Logged, Recorder, Saved, Started, Validated
from mtkit.train.optim import build_optimizer, learning_rate, optimizer_state, set_optimizer_state
from mtkit.train.precision import training_dtype
from mtkit.train.progress import Progress
from mtkit.train.validate import Scores, Validator, token_losses

logger = logging.getLogger(__name__)

_DROPOUT = 2
"""Purpose of the random stream of dropout masks; each stream is derived from (seed, purpose, step)."""
_MAX_BAD_STEPS = 10


class Trainer:
    """A training run: everything that changes while it goes on.

    Args:
        config: of the run.
        prepared: its data.
        listen: is told of each event.
        stop: asked after each step; true saves and ends the run there.
    """

    def __init__(
        self, config: Config, prepared: Prepared, listen: Listener, stop: Callable[[], bool]
    ) -> None:
        self.config = config
        self.options = config.train
        self.prepared = prepared
        self._listeners: tuple[Listener, ...] = (listen,)
        self._stop = stop
        self.device = choose_device(config.train.device)
        self.dtype = training_dtype(config.train.precision, self.device)
        if config.train.num_threads:
            torch.set_num_threads(config.train.num_threads)
        vocab_size = prepared.tokenizer.size
        self.model = build_model(config.model, vocab_size, vocab_size, config.seed).to(self.device)
        self.optimizer = build_optimizer(self.model, config.train.optimizer)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
        self.table = PairTable(prepared.train)
        self.validator = Validator(config, prepared, self.device, self.dtype)
        self.progress = Progress(data=prepared.fingerprint)
        self.ema = MovingAverage(self.model, config.train.ema) if config.train.ema else None
        self.validated: Scores | None = None
        self.bad_steps = torch.zeros((), dtype=torch.int64, device=self.device)

    # ------------------------------------------------------------ the loop

    def run(self) -> Finished:
        """Trains from the last checkpoint, or from the beginning, to the end."""
        notes = self._resume()
        recorder = Recorder(self.config.run, self.progress.step, self.options.tensorboard, self.options.wandb)
        self._listeners = (recorder, *self._listeners)
        try:
            self._tell(self._started(notes))
            reason = self._loop()
            finished = self._finish(reason)
            self._tell(finished)
            return finished
        finally:
            recorder.close()

    def _loop(self) -> str:
        """Makes updates until an end is reached, and says which."""
        self.model.train()
        window = Window(self.device)
        before, begin = self.progress.seconds, time.monotonic()
        for data in self._steps():
            steps_per_epoch = data.steps_per_epoch
            share = self.progress.share(self.options, steps_per_epoch)
            if reason := self._end_reason(share):
                return reason
            step = self.progress.step + 1
            lr = learning_rate(self.options.optimizer, step, share)
            nll, norm = self._update(data, step, lr)
            self.progress = dataclasses.replace(
                self.progress,
                step=step,
                cursor=data.cursor,
                tokens_seen=self.progress.tokens_seen + data.num_tgt_tokens,
                seconds=before + time.monotonic() - begin,
            )
            window.add(nll, norm, data.num_tgt_tokens)
            if step % self.options.log_every == 0:
                self._tell(window.logged(self.progress, lr, share, steps_per_epoch))
            if step % self.options.validate_every == 0:
                self._validate()
                window.restart()
            if step % self.options.save_every == 0:
                self.progress = dataclasses.replace(self.progress, seconds=before + time.monotonic() - begin)
                self._save()
                window.restart()
            if self._stop():
                self._save()
                raise StoppedError(
                    f"stopped after saving step {step:,}.", "The same command goes on from there."
                )
        raise AssertionError("the stream of steps has no end")

    def _end_reason(self, share: float) -> str:
        """Why training ends here; empty while it goes on."""
        patience, stale = self.options.patience, self.progress.stale
        if patience and stale >= patience:
            return f"no better {self.options.best_metric} in {stale} validations"
        return "the end of the budget was reached" if share >= 1.0 else ""

    def _steps(self) -> Iterator[StepData]:
        steps = read_steps(
            self.table,
            self.options.batch_tokens,
            self.options.micro_batch_tokens,
            self.config.seed,
            self.progress.cursor,
            build_stages(self.config.data.mixing, self.table.sizes),
        )
        if self.device.type == "cpu":
            return steps
        return prefetch(steps, 4, _pinned)

    def _update(self, data: StepData, step: int, lr: float) -> tuple[Tensor, Tensor]:
        """One optimizer update; the sum of -log p and the gradient's norm, both still on the device."""
        self.model.masks.reseed(self.config.seed, _DROPOUT, step)
        torch.manual_seed(self.config.seed << 32 | step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        nll = torch.zeros((), device=self.device)
        for batch in data.batches:
            loss, batch_nll = token_losses(
                self.model, batch.to(self.device), self.options.label_smoothing, self.dtype
            )
            self.scaler.scale(loss / data.num_tgt_tokens).backward()  # type: ignore[no-untyped-call]
            nll += batch_nll
        self.scaler.unscale_(self.optimizer)
        limit = self.options.optimizer.clip_norm or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit, foreach=True)
        if self.scaler.is_enabled():
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            # The fused optimizer reads this flag on the device and leaves the weights as they are.
            bad = ~torch.isfinite(norm)
            self.optimizer.found_inf = bad.float()  # type: ignore[attr-defined]
            self.optimizer.step()
            self.bad_steps = (self.bad_steps + 1) * bad
            if step % self.options.log_every == 0 or self.device.type == "cpu":
                self._refuse_bad_steps(step)
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema is not None:
            self.ema.update(self.model, step)
        return nll, norm

    def _refuse_bad_steps(self, step: int) -> None:
        count = int(self.bad_steps)
        if count:
            logger.warning("step %d: the gradient is not finite; the update is skipped.", step)
        if count >= _MAX_BAD_STEPS:
            raise MtkitError(
                f"step {step}: the gradient was not finite {count} times in a row.",
                "Lower train.optimizer.lr, or raise warmup_steps.",
            )

    # ------------------------------------------------------------ validation

    def _validate(self) -> None:
        scores, weights = self._scores(), weights_of(self.model)
        if self.ema is not None:
            weights = self.ema.weights
        step, metric = self.progress.step, self.options.best_metric
        if not math.isfinite(scores.loss):
            raise MtkitError(
                f"step {step}: the validation loss is {scores.loss}.", "Lower train.optimizer.lr."
            )
        value, best = scores.value(metric), self.progress.best
        is_best = not best or value > best[0][0]
        # Of equal scores the newer model is the better one.
        ranked = sorted([(value, step), *best], reverse=True)[: self.options.keep_best]
        self.progress = dataclasses.replace(
            self.progress, best=tuple(ranked), stale=0 if is_best else self.progress.stale + 1
        )
        if (value, step) in ranked:
            self._write(self._best_folder(step), weights)
            keep_only(self.config.run / "best", {self._best_folder(kept) for _, kept in ranked})
        self.validated = scores
        self._tell(
            Validated(
                step, scores.loss, scores.bleu, scores.chrf, is_best, scores.sample, self.progress.seconds
            )
        )

    def _scores(self) -> Scores:
        turn = self.progress.step // self.options.validate_every
        with self.ema.applied_to(self.model) if self.ema is not None else nullcontext():
            return self.validator(self.model, turn)

    # ------------------------------------------------------------ checkpoints

    def _save(self) -> None:
        """Writes a checkpoint of everything, and removes those that are no longer kept."""
        state = optimizer_state(self.model, self.optimizer)
        if self.ema is not None:
            state |= {f"ema.{name}": weight for name, weight in self.ema.weights.items()}
        progress = self.progress.to_json() | {"scaler": self.scaler.state_dict()}
        parent = self.config.run / "checkpoints"
        folder = step_folder(parent, self.progress.step)
        self._write(folder, weights_of(self.model), train_state=state, progress=progress)
        kept = sorted(parent.glob("step-*"))[-self.options.keep_last :]
        keep_only(parent, kept)
        self._tell(Saved(self.progress.step, folder))

    def _write(self, folder: Path, weights: dict[str, Tensor], **state: object) -> None:
        write_model(
            folder,
            self.config,
            self.prepared.tokenizer,
            weights,
            step=self.progress.step,
            **state,  # type: ignore[arg-type]
        )

    def _best_folder(self, step: int) -> Path:
        return step_folder(self.config.run / "best", step)

    def _resume(self) -> tuple[str, ...]:
        """Takes up the newest whole checkpoint, if there is one; notes for the user."""
        for folder, name in (("checkpoints", "step-*"), ("best", "step-*"), (".", "model")):
            recover(self.config.run / folder, name)
        checkpoint, notes = newest_checkpoint(self.config.run)
        if checkpoint is None:
            return tuple(notes)
        state, values = load_train_state(checkpoint)
        scaler = values.pop("scaler")
        progress = Progress.from_json(values)
        if progress.data != self.prepared.fingerprint:
            raise InputError(
                f"{self.config.run}: it was trained on other data or another tokenizer.",
                "Choose another run folder, or delete its checkpoints to begin anew.",
            )
        set_weights(self.model, load_weights(checkpoint), checkpoint)
        set_optimizer_state(self.model, self.optimizer, state)
        if self.ema is not None:
            for name, weight in self.ema.weights.items():
                weight.copy_(state.get(f"ema.{name}", weights_of(self.model)[name]))
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(scaler)
        self.progress = progress
        return (*notes, f"going on from step {progress.step:,}")

    # ------------------------------------------------------------ the end

    def _finish(self, reason: str) -> Finished:
        """Writes the final model: the mean of the best ones, or the best one if it scores higher."""
        if self.progress.step % self.options.validate_every or not self.progress.best:
            self._validate()
        self._save()
        folders = [self._best_folder(step) for _, step in self.progress.best]
        models = [load_weights(folder) for folder in folders[: self.options.average]]
        set_weights(self.model, average_weights(models), "average")
        scores, averaged = self.validator(self.model, 0), len(models)
        if averaged > 1 and scores.value(self.options.best_metric) < self.progress.best[0][0]:
            set_weights(self.model, models[0], folders[0])
            scores, averaged = self.validator(self.model, 0), 1
        folder = self.config.run / "model"
        self._write(folder, weights_of(self.model))
        return Finished(
            step=self.progress.step,
            folder=folder,
            reason=reason,
            averaged=averaged,
            bleu=scores.bleu,
            chrf=scores.chrf,
            loss=scores.loss,
            seconds=self.progress.seconds,
        )

    def _started(self, notes: tuple[str, ...]) -> Started:
        return Started(
            step=self.progress.step,
            num_parameters=self.model.num_parameters(),
            vocab_size=self.prepared.tokenizer.size,
            num_pairs=len(self.table.lengths),
            device=str(self.device),
            precision=str(self.dtype).removeprefix("torch."),
            notes=notes,
        )

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)


class Window:
    """Means over the steps since the last report; the device is asked only when they are read."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.restart()

    def restart(self) -> None:
        """Forgets what was added."""
        self.nll = torch.zeros((), device=self.device)
        self.norm = torch.zeros((), device=self.device)
        self.tokens = self.steps = 0
        self.begin = time.monotonic()

    def add(self, nll: Tensor, norm: Tensor, tokens: int) -> None:
        """Takes in one step: its sum of -log p, its gradient norm and its target tokens."""
        self.nll += nll
        self.norm += norm
        self.tokens += tokens
        self.steps += 1

    def logged(self, progress: Progress, lr: float, share: float, steps_per_epoch: int) -> Logged:
        """The event of this window, which begins anew."""
        loss = self.nll.item() / self.tokens  # waits for the device: before the clock is read
        event = Logged(
            step=progress.step,
            epoch=progress.cursor.epoch + progress.cursor.index / steps_per_epoch,
            loss=loss,
            lr=lr,
            grad_norm=self.norm.item() / self.steps,
            tokens_per_s=self.tokens / (time.monotonic() - self.begin),
            seconds=progress.seconds,
            share=share,
        )
        self.restart()
        return event


def _pinned(data: StepData) -> StepData:
    return dataclasses.replace(data, batches=tuple(batch.pin() for batch in data.batches))


def train(
    config: Config, prepared: Prepared, listen: Listener, stop: Callable[[], bool] = lambda: False
) -> Finished:
    """Trains a model from `config.run`'s last checkpoint on, or from the beginning; see `Trainer`.

    Raises:
        StoppedError: `stop` said so; everything is saved.
        InputError: the run folder belongs to other data, or a checkpoint cannot be used.
        MtkitError: the gradient stays infinite, or a checkpoint cannot be written.
    """
    return Trainer(config, prepared, listen, stop).run()
