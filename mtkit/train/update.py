"""One optimizer update: gradient of the micro-batches, guards, weights. Knows no files and no clock."""

from __future__ import annotations

import logging
import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mtkit.config.train import TrainConfig
from mtkit.data.feed.batch import Batch
from mtkit.data.feed.batching import Indices
from mtkit.data.feed.loader import Cursor, Step, StepData
from mtkit.errors import InputError, MtkitError
from mtkit.model.checkpoint import set_weights, weights_of
from mtkit.model.transformer import Transformer, build_model
from mtkit.train.machine.distributed import World
from mtkit.train.machine.exchange import Exchange, gathered
from mtkit.train.machine.memory import is_out_of_memory
from mtkit.train.objective import Objective
from mtkit.train.optim.averaging import MovingAverage, with_weights
from mtkit.train.optim.lora import LowRank
from mtkit.train.optim.optim import (
    averaged_weights,
    build_optimizers,
    check_fits,
    optimizer_state,
    set_optimizer_state,
    trained_parameters,
)
from mtkit.train.optim.spikes import SpikeGuard

logger = logging.getLogger(__name__)

_DROPOUT, _CUTOFF = 2, 3
"""Purposes of the random streams of dropout masks and cut tokens, each derived from (seed, purpose, step)."""
_MAX_BAD_STEPS = 10
_MAX_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Update:
    """The results of an update, still on the device.

    Attributes:
        sums: sums over target tokens, by name; `loss` is -log p without smoothing.
        norm: norm of the whole gradient before clipping.
        skipped: whether the update was skipped.
        num_tgt_tokens: number of target tokens in the step.
    """

    sums: dict[str, Tensor]
    norm: Tensor
    skipped: Tensor
    num_tgt_tokens: int


class Updater:
    """A model with its optimizers, loss scale and moving average, which each update changes together.

    Attributes:
        num_skipped: number of skipped updates.
        splits: number of parts in which each micro-batch is computed; doubled when memory runs out.
    """

    def __init__(
        self,
        model: Transformer,
        options: TrainConfig,
        seed: int,
        dtype: torch.dtype,
        exchange: Exchange | None = None,
        low_rank: LowRank | None = None,
    ) -> None:
        self.model = model
        self.low_rank = low_rank
        self.trained: nn.Module = model if low_rank is None else low_rank
        self.exchange = exchange or Exchange(World(), model)
        self.world = self.exchange.world
        self.options = options
        self.seed = seed
        self.device = next(model.parameters()).device
        self.objective = Objective(model, options, dtype)
        self._cutoff = self.objective.cutoff
        self._start = self.objective.start
        self.optimizers = build_optimizers(
            self.trained,
            options.optimizer,
            model.layer_matrices() if low_rank is None else {},
            self.world,
        )
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype == torch.float16)
        self.ema = MovingAverage(model, options.ema) if options.ema else None
        skip_spikes = options.optimizer.skip_spikes
        self.spikes = SpikeGuard(skip_spikes, self.device) if skip_spikes else None
        self.num_skipped = torch.zeros((), dtype=torch.int64, device=self.device)
        self.splits = 1
        self.bad_steps = torch.zeros((), dtype=torch.int64, device=self.device)

    def __call__(self, data: StepData, step: int, lr: float) -> Update:
        """Makes update number `step`, from 1.

        Raises:
            MtkitError: a single sentence does not fit into memory, or the gradient stays non-finite.
        """
        self.exchange.begin_update()
        while (sums := self.gradient(data, step)) is None:
            self._split_further(data, step)
        self.exchange.sum_gradients()
        norm, skipped = self._apply(step, lr, data.pairs)
        return Update(sums, norm, skipped, data.num_tgt_tokens)

    def rehearse(self, batch: Batch) -> None:
        """Computes the gradient of a batch and drops it, in smaller and smaller parts until they fit.

        Neither the weights nor the random numbers of later updates change.

        Raises:
            MtkitError: a single sentence does not fit into memory.
        """
        while not self.try_batch(batch):
            self._split_further(_as_step(batch), 0)

    def try_batch(self, batch: Batch) -> bool:
        """Whether there is memory for both passes over a batch, and for the optimizer's state."""
        try:
            # Optimizers allocate their state in the first update.
            held = {} if self.optimizers[-1].state else optimizer_state(self.trained, self.optimizers)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return False
        fits = self.gradient(_as_step(batch), 0) is not None
        del held
        self.model.zero_grad()
        return fits

    def averaged(self) -> AbstractContextManager[None]:
        """Within the block the model has the weights that are validated and kept."""
        averages = self.ema is not None or self.options.optimizer.needs.averages_weights
        return with_weights(self.model, self.kept_weights()) if averages else nullcontext()

    def kept_weights(self) -> dict[str, Tensor]:
        """The weights that are validated and kept: an average, if there is one."""
        if self.ema is not None:
            return self.ema.weights
        return weights_of(self.model) | averaged_weights(self.trained, self.optimizers)

    def whole_model(self, weights: dict[str, Tensor]) -> Transformer:
        """The trained model, or a new one with these weights if the trained one is sharded."""
        if not self.exchange.is_sharded:
            return self.model
        src, tgt = self.model.src_embedding, self.model.tgt_embedding
        whole = build_model(self.model.config, src.num_embeddings, tgt.num_embeddings, self.seed)
        set_weights(whole, weights, "gathered")
        return whole.to(self.device)

    def begin_from_weights(self) -> None:
        """Takes the current weights as the start, for the moving average, LoRA and `keep_close`."""
        if self.low_rank is not None:
            self.low_rank.begin()
        if self._start is not None:
            self._start.begin(self.model)
        if self.ema is not None:
            self.ema = MovingAverage(self.model, self.ema.decay)

    # ------------------------------------------------------------ the gradient

    def gradient(self, data: StepData, step: int) -> dict[str, Tensor] | None:
        """Accumulates the gradient of all micro-batches. Returns the sums to report; None if out of memory.

        Random numbers depend only on the seed, the step and the rank, so the call can be repeated.
        """
        rank = self.world.rank
        place = (step, rank) if rank else (step,)
        self.model.masks.reseed(self.seed, _DROPOUT, *place)
        if self._cutoff is not None:
            self._cutoff.reseed(self.seed, _CUTOFF, *place)
        torch.manual_seed((self.seed << 32 | step) ^ rank << 48)
        sums = {name: torch.zeros((), device=self.device) for name in self.objective.names}
        try:
            parts = [part for batch in data.batches for part in batch.split(self.splits)]
            for number, part in enumerate(parts, start=1):
                self.exchange.before_backward(is_last=number == len(parts))
                self._add_gradient(part, data.num_tgt_tokens, sums)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            # The traceback keeps the activations alive. The caller retries after it is gone.
            return None
        return sums

    def _add_gradient(self, batch: Batch, num_tgt_tokens: int, sums: dict[str, Tensor]) -> None:
        loss, reported = self.objective(batch)
        loss = loss * self.exchange.gradient_scale / num_tgt_tokens
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        for name, value in reported.items():
            sums[name] += value

    def _split_further(self, data: StepData, step: int) -> None:
        """Drops the gradient and halves all further micro-batches. The tokens per update stay the same."""
        self.model.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if self.exchange.is_sharded:  # no rank can retry alone, because the others wait for its shard
            raise MtkitError(
                f"step {step}: out of memory on {self.device}.",
                "Lower train.micro_batch_tokens, or choose a smaller model.preset.",
            )
        if self.splits >= max(len(batch.src_ids) for batch in data.batches):
            raise MtkitError(
                f"step {step}: out of memory on {self.device} with a single sentence of "
                f"{max(batch.tgt_in.shape[1] for batch in data.batches)} tokens.",
                "Lower max_tokens of the filter tokens in data.filters, or choose a smaller model.preset.",
            )
        self.splits *= 2
        logger.warning(
            "step %d: out of memory. Each micro-batch is now computed in %d parts. The update still has %s "
            "tokens. train.micro_batch_tokens = %d would avoid this.",
            step,
            self.splits,
            f"{data.num_tgt_tokens:,}",
            max(16, max(batch.num_tgt_tokens for batch in data.batches) // self.splits),
        )

    # ------------------------------------------------------------ the weights

    def _apply(self, step: int, lr: float, pairs: Indices | None) -> tuple[Tensor, Tensor]:
        """Applies the gradient unless it is non-finite or a spike.

        Returns its norm and whether the update was skipped.
        """
        # 1. Remove the loss scale, and clip the gradient.
        if self.low_rank is not None:
            self.low_rank.project()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr
            self.scaler.unscale_(optimizer)
        limit = self.options.optimizer.clip_norm or math.inf
        trained = [parameter for _, parameter in trained_parameters(self.trained)]
        norm = gathered(torch.nn.utils.clip_grad_norm_(trained, limit, foreach=True))
        # 2. Update the weights, unless the norm is non-finite or a spike. Optimizers read the flag on the
        # device.
        bad = ~torch.isfinite(norm)
        spike = self.spikes(norm) if self.spikes is not None else torch.zeros_like(bad)
        skipped = bad | spike
        for optimizer in self.optimizers:
            optimizer.found_inf = skipped.float()  # type: ignore[union-attr]
            optimizer.step()
        if self.low_rank is not None:
            self.low_rank.apply_factors()
        # 3. Count non-finite gradients in a row. Those that a too large loss scale can explain do not count.
        hopeless = bad
        if self.scaler.is_enabled():
            hopeless = bad & (self.scaler.scale(torch.ones_like(norm)) <= 1.0)
            self.scaler.update()  # lowers the scale if `unscale_` found a non-finite value
        self.bad_steps = (self.bad_steps + 1) * hopeless
        if step % self.options.log_every == 0 or self.device.type == "cpu":
            self._refuse_bad_steps(step, lr, norm, pairs)
        # 4. Prepare for the next step.
        self.model.zero_grad()
        if self.ema is not None:
            self.ema.update(self.model, step)
        self.num_skipped += skipped
        return norm, skipped

    def _refuse_bad_steps(self, step: int, lr: float, norm: Tensor, pairs: Indices | None) -> None:
        count = int(self.bad_steps)
        if count:
            logger.warning("step %d: the gradient is not finite. The update is skipped.", step)
        if count >= _MAX_BAD_STEPS:
            raise MtkitError(
                f"step {step}: the gradient was not finite {count} times in a row: norm {float(norm)}, "
                f"rate {lr:.3g}{_batch_of(pairs)}.",
                "Lower train.optimizer.lr, or raise warmup_steps.",
            )

    # ------------------------------------------------------------ saving

    def state(self) -> dict[str, Tensor]:
        """Everything besides the weights that the next update depends on."""
        state = optimizer_state(self.trained, self.optimizers)
        if self.ema is not None:
            state |= {f"ema.{name}": weight for name, weight in self.ema.weights.items()}
        # Python's numbers have 64 bits.
        state |= {f"scaler.{name}": _scalar(value) for name, value in self.scaler.state_dict().items()}
        if self.spikes is not None:
            state |= {f"spikes.{name}": value for name, value in self.spikes.state().items()}
        if self.low_rank is not None:
            state |= self.low_rank.held()
        if self._start is not None:
            state |= self._start.held()
        counts = {"num_skipped": self.num_skipped, "bad_steps": self.bad_steps}
        return state | counts | {"splits": _scalar(self.splits)}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restores the state that `state` returned.

        Raises:
            InputError: a tensor is missing, or has another shape or type.
        """
        set_optimizer_state(self.trained, self.optimizers, state)
        for name, place in self.state().items():
            check_fits(name, state.get(name, place), place)
        try:
            if self.ema is not None:
                for name, weight in self.ema.weights.items():
                    # A moving average that is switched on later starts from the weights.
                    weight.copy_(state.get(f"ema.{name}", weights_of(self.model)[name]))
            if self.scaler.is_enabled() and "scaler.scale" in state:  # else fp16 begins here
                self.scaler.load_state_dict(
                    {name: state[f"scaler.{name}"].item() for name in self.scaler.state_dict()}
                )
            if self.spikes is not None:
                for name, value in self.spikes.state().items():
                    # A guard that is switched on later keeps its initial state.
                    value.copy_(state.get(f"spikes.{name}", value))
            if self.low_rank is not None:
                for name, value in self.low_rank.held().items():
                    value.copy_(state[name])
            if self._start is not None:
                for name, value in self._start.held().items():
                    value.copy_(state[name])
            self.splits = max(1, int(state["splits"]))
            self.bad_steps.copy_(state["bad_steps"])
            self.num_skipped.copy_(state["num_skipped"])
        except KeyError as error:
            raise InputError(
                f"checkpoint: training state {error} is missing.", "Use an older checkpoint."
            ) from None


def _batch_of(pairs: Indices | None) -> str:
    """The numbers of a batch's first pairs, for a message."""
    if pairs is None:
        return ""
    shown = ", ".join(map(str, pairs[:_MAX_SHOWN].tolist()))
    more = ", …" if len(pairs) > _MAX_SHOWN else ""
    return f", training pairs {shown}{more} ({len(pairs)} in all, counted from 0)"


def _as_step(batch: Batch) -> StepData:
    return Step((batch,), max(1, batch.num_tgt_tokens), Cursor(), 1)


def _scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.int64 if isinstance(value, int) else torch.float64)
