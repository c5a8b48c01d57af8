"""Means over the updates between two reports."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import torch
from torch import Tensor

from mtkit.disk.reading import WRONG_VALUES
from mtkit.errors import InputError
from mtkit.train.machine.distributed import World
from mtkit.train.progress import Progress
from mtkit.train.update import Update
from mtkit.train.watch.monitor import Logged, Stepped


class LogWindow:
    """Sums over the updates since the last report. They stay on the device until they are read."""

    def __init__(self, device: torch.device, world: World) -> None:
        self.device = device
        self.world = world
        self.restart()

    def restart(self) -> None:
        """Sets all sums to zero."""
        self.sums: dict[str, Tensor] = {}
        self.norm = torch.zeros((), device=self.device)
        self.skipped = torch.zeros((), dtype=torch.int64, device=self.device)
        self.counted = torch.zeros((), dtype=torch.int64, device=self.device)
        self.tokens = self.steps = 0
        self.begin = time.monotonic()

    def state(self) -> dict[str, Tensor]:
        """The sums, to be saved by a run that stops between two reports. All ranks call it together."""
        counts = [self.tokens, self.steps, int(self.counted), int(self.skipped)]
        sums = {
            f"window.rank.{rank}.{name}": value if rank == self.world.rank else torch.zeros_like(value)
            for name, value in self.sums.items()
            for rank in range(self.world.size)
        }
        return self.world.sum(sums) | {"window.norm": self.norm, "window.total": torch.tensor(counts)}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restores the sums that `state` returned, if any; rank 0 takes over those of missing ranks.

        Raises:
            InputError: the state is invalid.
        """
        if "window.total" not in state:
            return
        try:
            self._set(state)
        except (RuntimeError, *WRONG_VALUES) as error:
            raise InputError(
                f"checkpoint: its sums since the last report cannot be read ({error}).",
                "Use an older checkpoint.",
            ) from None

    def _set(self, state: Mapping[str, Tensor]) -> None:
        for key, value in state.items():
            if key.startswith("window.rank."):
                rank, _, name = key.removeprefix("window.rank.").partition(".")
                holder = int(rank) if int(rank) < self.world.size else 0
                own = self.sums.get(name, torch.zeros_like(self.norm))
                # `state` summed over ranks in fp64; this restores the type.
                self.sums[name] = own + value.reshape(()).to(self.norm) if holder == self.world.rank else own
        self.norm = state["window.norm"].reshape(()).to(self.norm)
        self.tokens, self.steps, counted, skipped = map(int, state["window.total"].tolist())
        self.counted.fill_(counted)
        self.skipped.fill_(skipped)
        if self.steps and "loss" not in self.sums:
            raise ValueError("the loss is missing")

    def add(self, update: Update) -> None:
        """Adds one update. The sums of a skipped one are ignored, because they may be infinite."""
        zero, skipped = torch.zeros_like(self.norm), update.skipped
        for name, value in update.sums.items():
            self.sums[name] = self.sums.get(name, zero) + torch.where(skipped, zero, value)
        self.norm += torch.where(skipped, zero, update.norm)
        self.counted += torch.where(skipped, 0, update.num_tgt_tokens)
        self.skipped += update.skipped
        self.tokens += update.num_tgt_tokens
        self.steps += 1

    def stepped(self, progress: Progress, share: float, steps_per_epoch: int) -> Stepped:
        """Returns the event of the last update. Does not wait for a GPU."""
        waits = self.device.type != "cpu" or not self.sums
        return Stepped(
            step=progress.step,
            epoch=progress.cursor.epoch + progress.cursor.index / steps_per_epoch,
            loss=math.nan if waits else self.sums["loss"].item() / (self.counted.item() or math.nan),
            tokens_per_s=self.tokens / (time.monotonic() - self.begin),
            seconds=progress.seconds,
            share=share,
        )

    def logged(
        self, progress: Progress, lr: float, share: float, steps_per_epoch: int, num_skipped: int
    ) -> Logged:
        """Returns the event of this window and restarts it. All ranks call it together.

        `num_skipped` counts from the start of the run.
        """
        # Waits for the device, so it comes before the clock is read.
        counted = self.counted.item() or math.nan
        sums = self.world.sum(self.sums)
        means = {name: value.item() / counted for name, value in sums.items()}
        event = Logged(
            step=progress.step,
            epoch=progress.cursor.epoch + progress.cursor.index / steps_per_epoch,
            loss=means.pop("loss"),
            lr=lr,
            grad_norm=self.norm.item() / (self.steps - self.skipped.item() or math.nan),
            tokens_per_s=self.tokens / (time.monotonic() - self.begin),
            seconds=progress.seconds,
            share=share,
            skipped=num_skipped,
            extra=means,
        )
        self.restart()
        return event
